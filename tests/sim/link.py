"""A simulated network link: seeded faults over a fake clock."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

T = TypeVar("T")

MS = 1_000_000
S = 1_000 * MS


class Link(Generic[T]):
    """One direction of a network path.

    Every item is delayed by ``delay_ns`` and up to ``jitter_ns`` more, drawn for each item, so
    that jitter larger than the spacing of the items reorders them. A reordered item stays
    behind for another ``reorder_ns``; a duplicated one arrives twice, each copy with its own delay.
    """

    def __init__(
        self,
        seed: int,
        *,
        loss: float = 0.0,
        delay_ns: int = 20 * MS,
        jitter_ns: int = 0,
        reorder: float = 0.0,
        reorder_ns: int = 30 * MS,
        duplicate: float = 0.0,
    ) -> None:
        self.loss = loss
        self.lost = 0
        self._random = random.Random(seed)
        self._delay_ns = delay_ns
        self._jitter_ns = jitter_ns
        self._reorder = reorder
        self._reorder_ns = reorder_ns
        self._duplicate = duplicate
        self._under_way: list[tuple[int, int, T]] = []
        self._sent = 0

    def send(self, item: T, now_ns: int) -> None:
        """Put an item on the link."""
        if self._random.random() < self.loss:
            self.lost += 1
            return
        copies = 2 if self._random.random() < self._duplicate else 1
        for _ in range(copies):
            arrival_ns = now_ns + self._delay_ns + self._random.randint(0, self._jitter_ns)
            if self._random.random() < self._reorder:
                arrival_ns += self._reorder_ns
            self._sent += 1  # Breaks ties, so that items themselves are never compared.
            heapq.heappush(self._under_way, (arrival_ns, self._sent, item))

    @property
    def next_timeout_ns(self) -> int | None:
        """When the next item arrives."""
        return self._under_way[0][0] if self._under_way else None

    def receive(self, now_ns: int) -> list[T]:
        """Take what has arrived."""
        arrived = []
        while self._under_way and self._under_way[0][0] <= now_ns:
            arrived.append(heapq.heappop(self._under_way)[2])
        return arrived


def earliest(timeouts: Iterable[int | None]) -> int | None:
    """Return the first of several points in time, None if there is none."""
    return min((timeout for timeout in timeouts if timeout is not None), default=None)


def run(step: Callable[[int], None], next_timeout: Callable[[], int | None], until_ns: int) -> None:
    """Call ``step`` at every point in time at which something happens.

    A simulation that does not get beyond a point in time is an error, not an endless loop.
    """
    now_ns, calls = -1, 0
    while (timeout_ns := next_timeout()) is not None and timeout_ns <= until_ns:
        calls = calls + 1 if timeout_ns <= now_ns else 0
        if calls > 1000:
            raise AssertionError(f"the simulation does not get beyond {now_ns} ns")
        now_ns = max(now_ns, timeout_ns)
        step(now_ns)
