"""What the main process and a worker say to each other.

A client is known by a number, which the main process gives it for as long as it is represented at
a worker. Of each client at most one ``Frame`` is on its way; ``Answered`` or ``Ended`` follows.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from sidecar.classroom.snapshot import RoomSnapshot
from sidecar.net.addresses import InterfaceAddress
from sidecar.settings import Settings


class Message(Struct, frozen=True, tag=True, array_like=True):
    """The base of all messages."""


# From the main process to a worker.


class Start(Message, frozen=True):
    """The first message: how to serve."""

    settings: Settings


class Open(Message, frozen=True):
    """A client, who may come in, is represented here from now on.

    Attributes:
        client: Its number.
        local_address: Our address that it reached; None if unknown.
        remote_address: Where it is; None if unknown.
        is_proven: Whether it is a teacher for sure.
    """

    client: int
    local_address: str | None
    remote_address: str | None
    is_proven: bool


class Frame(Message, frozen=True):
    """What a client has sent.

    Attributes:
        data: UTF-8, unless the frame is binary.
    """

    client: int
    data: bytes
    is_binary: bool

    @classmethod
    def of(cls, client: int, frame: str | bytes) -> Frame:
        """Make one of a frame as ``Connection.receive`` gives it."""
        if isinstance(frame, bytes):
            return cls(client, frame, True)
        return cls(client, frame.encode(), False)

    @property
    def frame(self) -> str | bytes:
        """The frame again."""
        return self.data if self.is_binary else self.data.decode()


class Gone(Message, frozen=True):
    """A client can be heard no more; what it has sent before may still come."""

    client: int


class End(Message, frozen=True):
    """A client is to lose its seat; nothing more comes from it.

    Attributes:
        client: Which one.
        how: What ended it, in words.
    """

    client: int
    how: str = ""


class Alive(Message, frozen=True):
    """Answers a ``Probe``."""

    client: int
    probe: int
    is_alive: bool


class AskSilence(Message, frozen=True):
    """Tell how long nothing has been heard of a client's media, in a ``Silence``."""

    client: int


class Announce(Message, frozen=True):
    """Announce these addresses from now on, as in ``AddressBook.announce``."""

    addresses: list[str]


class Found(Message, frozen=True):
    """The addresses that this computer has now."""

    addresses: list[InterfaceAddress]


class Ask(Message, frozen=True):
    """Tell what is going on, in an ``Answer``."""

    question: int


class Ping(Message, frozen=True):
    """Show that you are alive, by a ``Pong``."""


class Leave(Message, frozen=True):
    """The last message: end."""


ToWorker: TypeAlias = (
    Start | Open | Frame | Gone | End | Alive | AskSilence | Announce | Found | Ask | Ping | Leave
)


# From a worker to the main process.


class Ready(Message, frozen=True):
    """It serves.

    Attributes:
        pid: Its process id.
        media_port: Its UDP port.
    """

    pid: int
    media_port: int


class Failed(Message, frozen=True):
    """It cannot serve, and ends."""

    message: str


class Deliver(Message, frozen=True):
    """A reply or an event for a client, which may miss it if it ``is_spare``."""

    client: int
    message: bytes
    is_spare: bool = False


class Answered(Message, frozen=True):
    """A frame was dealt with. A client without a seat is represented no more."""

    client: int
    has_seat: bool


class Ended(Message, frozen=True):
    """What ``End`` demands is done; the client is represented no more."""

    client: int


class Invalid(Message, frozen=True):
    """A client's frame was no request."""

    client: int


class Stop(Message, frozen=True):
    """A client's connection is to be closed."""

    client: int
    code: int
    reason: str


class Probe(Message, frozen=True):
    """Ask a client for a sign of life."""

    client: int
    probe: int


class Silence(Message, frozen=True):
    """Answers ``AskSilence``.

    Attributes:
        client: Whose transports.
        media_silence_ns: How long nothing has been heard; None if nothing ever was.
    """

    client: int
    media_silence_ns: int | None


class PeerJoined(Message, frozen=True):
    """Somebody took a place; the fields are those of ``Peer``."""

    room_id: str
    peer_id: str
    name: str
    is_teacher: bool
    is_proven: bool
    rejoin_token: str


class PeerLeft(Message, frozen=True):
    """Somebody gave up their place, or lost it."""

    room_id: str
    peer_id: str


class Answer(Message, frozen=True):
    """Answers ``Ask``.

    Attributes:
        question: Which one.
        rooms: All of the worker's rooms.
        cpu_ns: Processor time used so far.
        memory_bytes: Resident; None where the system won't tell.
        counters: What has come to nothing so far, by why.
    """

    question: int
    rooms: tuple[RoomSnapshot, ...]
    cpu_ns: int
    memory_bytes: int | None
    counters: dict[str, int] = {}


class Warn(Message, frozen=True):
    """Something that the person at the computer may want to know.

    Attributes:
        code: As in the event ``warning``.
        message: Words for people.
    """

    code: str
    message: str


class Pong(Message, frozen=True):
    """Answers ``Ping``."""


class Log(Message, frozen=True):
    """A line for the log, which the main process writes: two can't share a file.

    Attributes:
        level: As in ``logging``.
        name: Of the logger.
        text: The message.
        created_s: Wall clock.
        traceback: Of the exception, if there is one.
    """

    level: int
    name: str
    text: str
    created_s: float
    traceback: str = ""


ToMain: TypeAlias = (
    Ready
    | Failed
    | Deliver
    | Answered
    | Ended
    | Invalid
    | Stop
    | Probe
    | Silence
    | PeerJoined
    | PeerLeft
    | Answer
    | Pong
    | Warn
    | Log
)
