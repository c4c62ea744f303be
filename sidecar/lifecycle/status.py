"""The answer to ``status``: what is going on, and what it costs."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

from sidecar.lifecycle.events import CommandId, Process, Status, Totals
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
    """

    rooms: tuple[RoomSnapshot, ...] = ()
    cpu_ns: int = 0
    memory_bytes: int = 0
    processes: int = 0


NO_OTHERS: Final = Others()


class StatusReporter:
    """Makes reports, each of which gives the processor's load since the one before.

    Args:
        started_ns: When the process was started, by ``clock``.
        clock: Monotonic, in nanoseconds.
        cpu_clock: The processor time of this process, in nanoseconds.
    """

    def __init__(
        self,
        started_ns: int,
        clock: Callable[[], int] = time.monotonic_ns,
        cpu_clock: Callable[[], int] = time.process_time_ns,
    ) -> None:
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
        now_ns, cpu_ns = self._clock(), self._cpu_clock() + others.cpu_ns
        memory_bytes = resident_memory_bytes()
        elapsed_ns = max(now_ns - self._reported_ns, 1)
        load = (cpu_ns - self._reported_cpu_ns) / elapsed_ns
        self._reported_ns, self._reported_cpu_ns = now_ns, cpu_ns
        return Process(
            cpu_seconds=round(cpu_ns / 1e9, 3),
            cpu_percent=round(100 * load, 1),
            memory_bytes=None if memory_bytes is None else memory_bytes + others.memory_bytes,
            processes=1 + others.processes,
        )


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
