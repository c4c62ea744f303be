"""What a host application may ask for: one type per command, so that decoding is validation.

The name of a command's class, in kebab-case, is the value of ``command`` in its line. Unknown
fields are ignored.
"""

from __future__ import annotations

from typing import Final, TypeAlias, TypeVar

import msgspec
from msgspec import UNSET, Struct, UnsetType

from sidecar.lifecycle.events import CommandId, Error, kebab_case

MAX_LINE_BYTES: Final = 64 * 1024


_T = TypeVar("_T")


class Command(Struct, frozen=True, kw_only=True, tag_field="command", tag=kebab_case):
    """The base of all commands.

    Attributes:
        id: Comes back in the answer.
    """

    id: CommandId | UnsetType = UNSET


class Status(Command, frozen=True, kw_only=True):
    """Tell what is going on."""


class Ping(Command, frozen=True, kw_only=True):
    """Show that you are alive."""


class Shutdown(Command, frozen=True, kw_only=True):
    """Send everybody home and leave."""


class SetAnnounce(Command, frozen=True, kw_only=True):
    """Announce these IP addresses from now on; none means those found on this machine."""

    addresses: list[str]


class SetPin(Command, frozen=True, kw_only=True):
    """Ask everybody but proven teachers for this PIN from now on; null or "" means for none."""

    pin: str | None


AnyCommand: TypeAlias = Status | Ping | Shutdown | SetAnnounce | SetPin


class InvalidCommand(ValueError):
    """A line that is no command.

    Attributes:
        answer: What the host is told.
    """

    def __init__(self, code: str, message: str, id: CommandId | UnsetType = UNSET) -> None:
        super().__init__(message)
        self.answer = Error(code=code, message=message, id=id)


class _Envelope(Struct, frozen=True):
    command: object = None
    id: object = UNSET


_COMMANDS: Final = msgspec.json.Decoder(AnyCommand)
_ENVELOPES: Final = msgspec.json.Decoder(_Envelope)
_NAMES: Final = tuple(
    str(each.__struct_config__.tag) for each in (Ping, SetAnnounce, SetPin, Shutdown, Status)
)
# RecursionError: JSON that is nested too deeply.
_UNDECODABLE: Final = (msgspec.DecodeError, UnicodeError, RecursionError)


def decode_command(line: bytes) -> AnyCommand:
    """Parse one line.

    Raises:
        InvalidCommand: Whatever is wrong with it.
    """
    if len(line) > MAX_LINE_BYTES:
        raise InvalidCommand(
            "invalid-command", f"A line has at most {MAX_LINE_BYTES} bytes, this one has more"
        )
    try:
        command: AnyCommand = _decode(_COMMANDS, line)
    except _UNDECODABLE as error:
        raise _explain(line, error) from None
    return command


def _decode(decoder: msgspec.json.Decoder[_T], line: bytes) -> _T:
    try:
        return decoder.decode(line)
    except msgspec.DecodeError:
        from sidecar.signaling.lone_surrogates import mended  # most hosts make no mistakes

        text = line.decode()
        better = mended(text)
        if better == text:
            raise
        return decoder.decode(better)


def _explain(line: bytes, error: Exception) -> InvalidCommand:
    """Save what can be saved, so that the host can tell which command it was."""
    try:
        envelope = _decode(_ENVELOPES, line)
    except _UNDECODABLE:
        return InvalidCommand("invalid-command", "A line must be one JSON object, in UTF-8")
    is_proper = isinstance(envelope.id, str | int | float) and not isinstance(envelope.id, bool)
    command_id: CommandId | UnsetType = envelope.id if is_proper else UNSET  # type: ignore[assignment]
    if envelope.command in _NAMES:
        return InvalidCommand("invalid-command", str(error), command_id)
    message = f"The commands are: {', '.join(_NAMES)}"
    return InvalidCommand("unknown-command", message, command_id)
