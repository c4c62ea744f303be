"""CPU time and memory of a process and its children, from Linux's own books."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from scripts.benchmark.errors import BenchError

PROC = Path("/proc")
NS_PER_SECOND = 1_000_000_000
# The clock of a whole process, from its id (linux/posix-timers.h: CPUCLOCK_SCHED).
_CPUCLOCK_SCHED = 2


@dataclass(frozen=True, slots=True)
class CpuTime:
    """CPU time used so far.

    Attributes:
        total_ns: Exact, by the scheduler's clock.
        system_ns: The kernel's part, in ticks of 10 ms.
    """

    total_ns: int
    system_ns: int

    def since(self, earlier: CpuTime) -> CpuTime:
        """What was used between two readings."""
        return CpuTime(self.total_ns - earlier.total_ns, self.system_ns - earlier.system_ns)


@dataclass(frozen=True, slots=True)
class Memory:
    """What a process tree holds.

    Attributes:
        rss_bytes: Resident, pages that are shared between processes counted in each.
        pss_bytes: The same with shared pages divided among those who share them.
    """

    rss_bytes: int
    pss_bytes: int


class ProcessTree:
    """A server's process with all its descendants.

    Args:
        pid: Of the ancestor.

    Raises:
        BenchError: This system keeps no such books, or there is no such process.
    """

    def __init__(self, pid: int) -> None:
        if not (PROC / "self" / "smaps_rollup").exists():
            raise BenchError(
                "the benchmark reads CPU time and memory of another process in /proc: run it on"
                " Linux"
            )
        if not (PROC / str(pid)).exists():
            raise BenchError(f"there is no process {pid}")
        self.pid = pid

    def cpu_time(self) -> CpuTime:
        """CPU time of the living, and of those that have died and been waited for."""
        tick_ns = NS_PER_SECOND // os.sysconf("SC_CLK_TCK")
        total_ns = system_ns = 0
        for pid, fields in self._stats():
            # utime, stime, cutime, cstime: fields 14 to 17 of proc(5).
            _, system, dead_user, dead_system = (int(fields[i]) for i in range(11, 15))
            total_ns += _process_clock_ns(pid) + (dead_user + dead_system) * tick_ns
            system_ns += (system + dead_system) * tick_ns
        return CpuTime(total_ns, system_ns)

    def memory(self) -> Memory:
        """Resident memory now."""
        rollups = [_rollup(pid) for pid, _ in self._stats()]
        return Memory(*(sum(rollup[key] for rollup in rollups) for key in ("Rss", "Pss")))

    def _stats(self) -> list[tuple[int, list[str]]]:
        """`/proc/PID/stat` behind the name, of the ancestor and all its descendants."""
        everybody = {}
        for folder in PROC.iterdir():
            if folder.name.isdecimal():
                try:
                    line = (folder / "stat").read_text(encoding="utf-8", errors="replace")
                except OSError:
                    continue  # it has just ended
                everybody[int(folder.name)] = line.rpartition(")")[2].split()
        family = [self.pid] if self.pid in everybody else []
        for pid in family:
            family.extend(child for child, fields in everybody.items() if int(fields[1]) == pid)
        if not family:
            raise BenchError(f"the server (process {self.pid}) has ended")
        return [(pid, everybody[pid]) for pid in family]


def machine_idle_s() -> float:
    """Seconds that all processors together have been idle since the machine started."""
    fields = (PROC / "stat").read_text(encoding="ascii").split(maxsplit=6)
    idle, waiting = int(fields[4]), int(fields[5])
    return (idle + waiting) / os.sysconf("SC_CLK_TCK")


def _process_clock_ns(pid: int) -> int:
    try:
        return time.clock_gettime_ns(~pid << 3 | _CPUCLOCK_SCHED)
    except OSError:
        return 0  # it has just ended


def _rollup(pid: int) -> dict[str, int]:
    try:
        text = (PROC / str(pid) / "smaps_rollup").read_text(encoding="ascii")
    except OSError as error:
        raise BenchError(f"the memory of process {pid} cannot be read: {error}") from None
    rows = (line.split() for line in text.splitlines()[1:])
    return {row[0].rstrip(":"): int(row[1]) * 1024 for row in rows}
