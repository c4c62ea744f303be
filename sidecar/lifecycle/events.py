"""What a host application is told: one type per event, one line of JSON each.

The name of an event's class, in kebab-case, is the value of ``event`` in its line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Struct, UnsetType

PROTOCOL_VERSION: Final = 1
"""Raised when a host must change to understand what is said."""

CommandId: TypeAlias = str | int | float
"""Whatever the host put beside a command, to recognise the answer."""

StopReason: TypeAlias = Literal["shutdown", "host-gone", "signal"]


def kebab_case(class_name: str) -> str:
    """``PeerJoined`` becomes ``peer-joined``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", class_name).lower()


class Event(Struct, frozen=True, kw_only=True, rename="camel", tag_field="event", tag=kebab_case):
    """The base of all events.

    Attributes:
        id: Of the command that this answers, if it had one.
    """

    id: CommandId | UnsetType = UNSET


class Media(Struct, frozen=True, rename="camel"):
    """Where peers send media.

    Attributes:
        port: UDP.
        addresses: The best first.
    """

    port: int
    addresses: Sequence[str]


class Ready(Event, frozen=True, kw_only=True):
    """It serves.

    Attributes:
        protocol: The version of these lines.
        version: Of the program.
        pid: Of the process that serves, which under a launcher is not the one that was started.
        port: Of the WebSocket server.
        requested_port: The one that was configured; another than ``port`` after a fallback.
        local_url: WebSocket URL for this computer.
        urls: WebSocket URLs for other computers, the best first.
        media: Where media goes.
        teacher_token: Lets a teacher join from another computer.
        startup_ms: From the start of the process.
    """

    protocol: int = PROTOCOL_VERSION
    version: str
    pid: int
    port: int
    requested_port: int
    local_url: str
    urls: Sequence[str]
    media: Media
    teacher_token: str
    startup_ms: int


class Addresses(Event, frozen=True, kw_only=True):
    """Where it can be reached from now on; answers ``set-announce`` and follows the network."""

    urls: Sequence[str]
    media: Media


class ProcessPart(Struct, frozen=True, rename="camel"):
    """What one of the program's processes costs, and what came to nothing there.

    Attributes:
        pid: Process id.
        cpu_seconds: Used since its start, by all threads.
        memory_bytes: Resident; None where the system won't tell.
        counters: As in ``Process``.
    """

    pid: int
    cpu_seconds: float
    memory_bytes: int | None
    counters: Mapping[str, int]


class Process(Struct, frozen=True, rename="camel"):
    """What the program costs, all of its processes together.

    Attributes:
        cpu_seconds: Used since the start, by all threads.
        cpu_percent: Of one core, since the ``status`` before this one.
        memory_bytes: Resident; None where the system won't tell.
        processes: How many there are.
        counters: What came to nothing, by why.
        each: The processes one by one, the main one first.
        tasks: Of the main process's event loop.
        srtp_streams: SSRCs that the main process has SRTP state for.
    """

    cpu_seconds: float
    cpu_percent: float
    memory_bytes: int | None
    processes: int
    counters: Mapping[str, int] | UnsetType = UNSET
    each: Sequence[ProcessPart] | UnsetType = UNSET
    tasks: int | UnsetType = UNSET
    srtp_streams: int | UnsetType = UNSET


class Totals(Struct, frozen=True, rename="camel"):
    """How many there are.

    Attributes:
        connections: Open WebSockets, also those that have not joined.
        rooms: With at least one peer.
        peers: Who have joined.
        producers: Streams that come in.
        consumers: Streams that go out.
    """

    connections: int
    rooms: int
    peers: int
    producers: int
    consumers: int


class Status(Event, frozen=True, kw_only=True):
    """What is going on; answers ``status``.

    Attributes:
        uptime_ms: Since the start of the process.
        totals: Counts.
        rooms: Every room, its peers, and the statistics of each, with keys in camelCase.
        process: What it costs.
    """

    uptime_ms: int
    totals: Totals
    rooms: Any
    process: Process


class PinSet(Event, frozen=True, kw_only=True):
    """Answers ``set-pin``.

    Attributes:
        required: Whether a PIN is asked for from now on.
    """

    required: bool


class Pong(Event, frozen=True, kw_only=True):
    """Answers ``ping``."""


class PeerJoined(Event, frozen=True, kw_only=True):
    """Somebody joined a room."""

    room_id: str
    peer_id: str
    name: str
    is_teacher: bool


class PeerLeft(Event, frozen=True, kw_only=True):
    """Somebody left a room, or their connection ended."""

    room_id: str
    peer_id: str
    name: str
    is_teacher: bool


class Warning(Event, frozen=True, kw_only=True):
    """Something that the person at the computer may want to know; it serves on."""

    code: str
    message: str


class Error(Event, frozen=True, kw_only=True):
    """A line on stdin was no command, or one that can't be carried out. Nothing has changed."""

    code: str
    message: str


class Fatal(Event, frozen=True, kw_only=True):
    """It can't start, or can't go on. The process ends with ``exit_code``."""

    code: str
    message: str
    hint: str
    exit_code: int


class Stopped(Event, frozen=True, kw_only=True):
    """The last line of a run that somebody ended."""

    reason: StopReason


_ENCODER: Final = msgspec.json.Encoder()


def encode_event(event: Event) -> bytes:
    """One line of UTF-8, with its line feed.

    What was written on a command line or in an environment may be no text at all: bytes that are
    no UTF-8 arrive as lone surrogates, and are told as U+FFFD.
    """
    try:
        return _ENCODER.encode(event) + b"\n"
    except UnicodeEncodeError:
        import json  # it costs a start some milliseconds

        from sidecar.signaling.lone_surrogates import without_surrogates

        text = json.dumps(msgspec.to_builtins(event), ensure_ascii=False)
        return without_surrogates(text).encode() + b"\n"
