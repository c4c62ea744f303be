"""The answer to ``status``: what is going on, and what it costs."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
from msgspec import UNSET, Struct, UnsetType

from sidecar.lifecycle.events import CommandId, Process, ProcessPart, Status, Totals
from sidecar.net.platform import resident_memory_bytes

if TYPE_CHECKING:
    from sidecar.classroom.snapshot import RoomSnapshot
    from sidecar.signaling.server import ServerSnapshot


class Others(Struct, frozen=True):
    """What goes on in further processes, and what they cost.

    Attributes:
        rooms: All of theirs.
        cpu_ns: Processor time, also of those that have ended.
        memory_bytes: Resident, together.
        processes: How many there are.
        counters: What came to nothing there, by why; also in those that have ended.
        parts: Each of those that run.
    """

    rooms: tuple[RoomSnapshot, ...] = ()
    cpu_ns: int = 0
    memory_bytes: int = 0
    processes: int = 0
    counters: Mapping[str, int] = {}
    parts: tuple[ProcessPart, ...] = ()


NO_OTHERS: Final = Others()


class Held(NamedTuple):
    """What a process holds, and what would show that something is never given back.

    Attributes:
        tasks: Of its event loop.
        srtp_streams: SSRCs that it has SRTP state for.
    """

    tasks: int
    srtp_streams: int


class StatusReporter:
    """Makes reports, each of which gives the processor's load since the one before.

    Args:
        started_ns: When the process was started, by ``clock``.
        clock: Monotonic, in nanoseconds.
        cpu_clock: The processor time of this process, in nanoseconds.
        counters: What has come to nothing in this process so far, by why.
        held: What this process holds.
    """

    def __init__(
        self,
        started_ns: int,
        clock: Callable[[], int] = time.monotonic_ns,
        cpu_clock: Callable[[], int] = time.process_time_ns,
        counters: Callable[[], Mapping[str, int]] = dict,
        held: Callable[[], Held] = lambda: Held(0, 0),
    ) -> None:
        self._counters = counters
        self._held = held
        self._started_ns = started_ns
        self._clock = clock
        self._cpu_clock = cpu_clock
        self._reported_ns = started_ns
        self._reported_cpu_ns = 0

    def report(
        self,
        snapshot: ServerSnapshot,
        command_id: CommandId | UnsetType = UNSET,
        others: Others = NO_OTHERS,
    ) -> Status:
        """Put together what there is to say.

        Args:
            snapshot: What is going on in this process.
            command_id: Of the command that asks.
            others: Further processes.
        """
        rooms = (*snapshot.rooms, *others.rooms)
        return Status(
            id=command_id,
            uptime_ms=(self._clock() - self._started_ns) // 1_000_000,
            totals=_totals(snapshot.connections, rooms),
            rooms=_in_camel_case(msgspec.to_builtins(rooms)),
            process=self._process(others),
        )

    def _process(self, others: Others) -> Process:
        now_ns, own_cpu_ns = self._clock(), self._cpu_clock()
        cpu_ns = own_cpu_ns + others.cpu_ns
        memory_bytes = resident_memory_bytes()
        counters = self._counters()
        held = self._held()
        elapsed_ns = max(now_ns - self._reported_ns, 1)
        load = (cpu_ns - self._reported_cpu_ns) / elapsed_ns
        self._reported_ns, self._reported_cpu_ns = now_ns, cpu_ns
        return Process(
            cpu_seconds=round(cpu_ns / 1e9, 3),
            cpu_percent=round(100 * load, 1),
            memory_bytes=None if memory_bytes is None else memory_bytes + others.memory_bytes,
            processes=1 + others.processes,
            counters=_in_camel_case(add_up(counters, others.counters)),
            each=(part(os.getpid(), own_cpu_ns, memory_bytes, counters), *others.parts),
            tasks=held.tasks,
            srtp_streams=held.srtp_streams,
        )


def part(
    pid: int, cpu_ns: int, memory_bytes: int | None, counters: Mapping[str, int]
) -> ProcessPart:
    """Put together what one process costs."""
    return ProcessPart(pid, round(cpu_ns / 1e9, 3), memory_bytes, _in_camel_case(dict(counters)))


def add_up(*counters: Mapping[str, int]) -> dict[str, int]:
    """Add up counters of several processes."""
    total: Counter[str] = Counter()
    for each in counters:
        total.update(each)
    return dict(total)


def _totals(connections: int, rooms: tuple[RoomSnapshot, ...]) -> Totals:
    peers = [peer for room in rooms for peer in room.peers]
    transports = [transport for peer in peers for transport in peer.transports.values()]
    return Totals(
        connections=connections,
        rooms=len(rooms),
        peers=len(peers),
        producers=sum(len(each.producers) for each in transports),
        consumers=sum(len(each.consumers) for each in transports),
    )


def _in_camel_case(value: Any) -> Any:
    """Rename the keys of all objects in a JSON value."""
    if isinstance(value, dict):
        return {_camel_case(key): _in_camel_case(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_in_camel_case(each) for each in value]
    return value


@cache
def _camel_case(key: str) -> str:
    first, *others = key.split("_")
    return first + "".join(map(str.capitalize, others))
