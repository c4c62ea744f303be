"""What can be set: the settings, and one table that says of each how it is written.

The table feeds the command line, the environment, the file and ``--print-config``; where values
come from and which one wins is the business of ``settings_sources``.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from sidecar.limits import LIMITS, Limits

Policy = Literal["classroom", "open"]
TeacherFrom = Literal["any", "local", "token"]
LogLevel = Literal["debug", "info", "warning", "error"]

ENVIRONMENT_PREFIX = "CLASSROOM_SFU_"
WORKER_FLAG = "--worker"
"""Alone on the command line it makes the program a worker of another one, which tells it the
settings. It is not for people."""
MAX_PIN_CHARS = 64
_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


class PortRange(Struct, frozen=True):
    """UDP ports from ``first`` to ``last``, both included; 0 to 0 means any free port."""

    first: int
    last: int

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


class Settings(Limits, frozen=True, kw_only=True):
    """Everything that can be configured; the defaults stand here, those of limits in `Limits`.

    Attributes:
        host: address or name on which the WebSocket server listens; "" is all interfaces.
        port: TCP port of the WebSocket server; 0 is any free one.
        port_fallback: whether to take the next free port if that one is taken.
        media_ports: the UDP ports to choose the media port from.
        announce: IP addresses to offer to peers instead of those found on this machine.
        num_workers: processes that carry media, this one included, over which rooms are spread.
        policy: who may send and receive what.
        teacher_from: who may join as teacher: anybody, whoever is on this machine or has the
            token, or only who has the token.
        pin: what everybody but a proven teacher must say to join; "" for none.
        allow_origin: the origins of web pages that may connect besides the app's and this machine's
            own; "*" is all.
        log_level: the least severe level that is logged.
        log_file: where it is logged besides stderr; "" is the platform's log folder, and "none"
            is nowhere.
    """

    host: str = ""
    port: int = 3016
    port_fallback: bool = False
    media_ports: PortRange = PortRange(40000, 45000)
    announce: tuple[str, ...] = ()
    num_workers: int = min(os.cpu_count() or 1, 3)
    policy: Policy = "classroom"
    teacher_from: TeacherFrom = "local"
    pin: str = ""
    allow_origin: tuple[str, ...] = ()
    log_level: LogLevel = "info"
    log_file: str = ""


class Option(Struct, frozen=True):
    """How one setting is written.

    Attributes:
        name: the attribute of ``Settings``, which is also the key in the file.
        convert: from what was written (text, or the file's own type) to the setting's value;
            raises ``ValueError`` saying what it must be.
        metavar: what stands for the value in ``--help``.
        example: a good value as text, for the hint in an error.
        help: one line for people.
        repeatable: the flag may come several times, the variable holds values between commas.
        is_switch: the flag takes no value, and means true.
        is_secret: what was written is not to be shown.
    """

    name: str
    convert: Callable[[object], object]
    metavar: str
    example: str
    help: str
    repeatable: bool = False
    is_switch: bool = False
    is_secret: bool = False

    @property
    def flag(self) -> str:
        """The command-line option, such as ``--media-ports``."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """The environment variable, such as ``CLASSROOM_SFU_MEDIA_PORTS``."""
        return ENVIRONMENT_PREFIX + self.name.upper()


def _whole_number(least: int, most: int, unit: str = "") -> Callable[[object], int]:
    def convert(raw: object) -> int:
        if isinstance(raw, int) and not isinstance(raw, bool):
            number = raw
        elif isinstance(raw, str) and re.fullmatch(r"\s*-?[0-9]{1,18}\s*", raw):
            number = int(raw)
        else:
            number = least - 1
        if not least <= number <= most:
            raise ValueError(f"must be a whole number from {least} to {most}{unit}")
        return number

    return convert


def _one_of(*choices: str) -> Callable[[object], str]:
    def convert(raw: object) -> str:
        if raw not in choices:
            raise ValueError(f"must be one of: {', '.join(choices)}")
        return str(raw)

    return convert


def _switch(raw: object) -> bool:
    if isinstance(raw, bool):
        return raw
    if raw not in ("true", "false"):
        raise ValueError("must be true or false")
    return raw == "true"


def _file(raw: object) -> str:
    if not isinstance(raw, str) or "\0" in raw:
        raise ValueError("must be the path of a file, none, or empty for the usual place")
    return at_home(raw)


def at_home(path: str) -> str:
    """Put the home folder in place of ``~`` or ``~user`` at the beginning of a path.

    Who starts the program without a shell, or writes a file, has nobody else to do it.

    Raises:
        ValueError: There is no such folder.
    """
    expanded = os.path.expanduser(path)
    if path.startswith("~") and expanded == path:
        raise ValueError(f"must be in a home folder that exists, which {path} is not")
    return expanded


def _port_range(raw: object) -> PortRange:
    expected = "must be one port or a range of ports from low to high, each from 1 to 65535, or 0"
    match = re.fullmatch(r"\s*([0-9]{1,5})\s*(?:-\s*([0-9]{1,5})\s*)?", str(raw))
    if match is None or isinstance(raw, bool):
        raise ValueError(expected)
    ports = PortRange(int(match[1]), int(match[2] or match[1]))
    any_free_port = ports == PortRange(0, 0)
    if not any_free_port and not 1 <= ports.first <= ports.last <= 65535:
        raise ValueError(expected)
    return ports


def _host(raw: object) -> str:
    if isinstance(raw, str) and (raw == "" or is_address(raw) or _HOST_NAME.fullmatch(raw)):
        return raw
    raise ValueError("must be an IP address or a host name of this machine, or empty for all")


def announced_addresses(raw: object) -> tuple[str, ...]:
    """Convert what was written to the addresses that are meant.

    Raises:
        ValueError: It says what they must be.
    """
    entries = raw if isinstance(raw, list) else [raw]
    addresses = []
    for entry in entries:
        if not isinstance(entry, str) or not is_address(entry.strip()):
            raise ValueError("must be IP addresses, not names")
        address = ipaddress.ip_address(entry.strip())
        if address.is_unspecified or address.is_multicast:
            raise ValueError(f"must be addresses that a peer can send to, which {address} is not")
        addresses.append(str(address))
    return tuple(dict.fromkeys(addresses))


def pin_text(raw: object) -> str:
    """Convert what was written to the PIN that is meant; "" is none.

    Raises:
        ValueError: It says what it must be.
    """
    text = str(raw) if isinstance(raw, int) and not isinstance(raw, bool) else raw
    if text == "":
        return ""
    pin = text.strip() if isinstance(text, str) else ""
    if not 1 <= len(pin) <= MAX_PIN_CHARS or not pin.isprintable():
        raise ValueError(
            f"must be 1 to {MAX_PIN_CHARS} characters that can be typed, or empty for no PIN"
        )
    return pin


def _origins(raw: object) -> tuple[str, ...]:
    # Most runs have none before they serve.
    from sidecar.signaling.origin import ANY_ORIGIN, OPAQUE_ORIGIN, parse_origin

    origins = []
    for entry in raw if isinstance(raw, list) else [raw]:
        origin = entry.strip() if isinstance(entry, str) else ""
        if origin not in (ANY_ORIGIN, OPAQUE_ORIGIN) and parse_origin(origin) is None:
            raise ValueError(
                "must be the origins of web pages as browsers write them, scheme://host or "
                f"scheme://host:port without a path, or {ANY_ORIGIN} for all"
            )
        origins.append(origin.lower())
    return tuple(dict.fromkeys(origins))


def is_address(text: str) -> bool:
    """Whether a text is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


OPTIONS: tuple[Option, ...] = (
    Option(
        "host",
        _host,
        "HOST",
        "192.168.1.20",
        "address to listen on for WebSocket connections; empty for all interfaces, the default",
    ),
    Option(
        "port",
        _whole_number(0, 65535),
        "PORT",
        "3016",
        "TCP port for WebSocket connections; 0 takes any free one",
    ),
    Option(
        "port_fallback",
        _switch,
        "BOOLEAN",
        "true",
        "if the TCP port is taken, take the next one that is free",
        is_switch=True,
    ),
    Option(
        "media_ports",
        _port_range,
        "FIRST-LAST",
        "40000-45000",
        "UDP ports of which one, the first that is free, carries all media; 0 takes any free one",
    ),
    Option(
        "announce",
        announced_addresses,
        "ADDRESS",
        "192.168.1.20",
        "IP address that peers are told to send media to, instead of those found on this machine; "
        "may come several times",
        repeatable=True,
    ),
    Option(
        "num_workers",
        _whole_number(1, 64),
        "NUMBER",
        "1",
        "processes that carry media, over which rooms are spread; further ones are started when "
        "there is more than one room",
    ),
    Option(
        "policy",
        _one_of("classroom", "open"),
        "NAME",
        "classroom",
        "classroom: only the teacher sends video; open: everybody may send and receive everything",
    ),
    Option(
        "teacher_from",
        _one_of("any", "local", "token"),
        "WHERE",
        "local",
        "who may join as teacher: local: from this computer, or with the teacher's token; "
        "token: with the token only; any: everybody",
    ),
    Option(
        "pin",
        pin_text,
        "PIN",
        "271828",
        "what students must say to join; others on this computer can see the command line, so "
        "better set the environment variable or the file; empty for none, the default",
        is_secret=True,
    ),
    Option(
        "allow_origin",
        _origins,
        "ORIGIN",
        "https://class.example",
        "origin of web pages that may connect, besides the app's and this computer's own; * allows "
        "all; may come several times",
        repeatable=True,
    ),
    Option(
        "log_level",
        _one_of("debug", "info", "warning", "error"),
        "LEVEL",
        "info",
        "least severe level that is logged: debug, info, warning or error",
    ),
    Option(
        "log_file",
        _file,
        "FILE",
        "none",
        "file to log to besides stderr, or none; empty for the usual place, which is the default",
    ),
    *(
        Option(
            each.name,
            _whole_number(each.least, each.most, each.unit),
            "BPS" if each.unit else "NUMBER",
            str(getattr(Limits(), each.name)),
            each.help,
        )
        for each in LIMITS
    ),
)
