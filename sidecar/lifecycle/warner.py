"""Warnings that may come again and again, and are said seldom."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final, TypeAlias

from sidecar.lifecycle.events import Warning
from sidecar.lifecycle.starter import Starter

logger = logging.getLogger(__name__)

QUIET_S: Final = 300.0
"""After a warning the same one is not said for so long."""

LOOK_S: Final = 10.0
LOOKS: Final = 3
"""Packets that are lost in so many intervals in a row are no accident any more."""

_ONCE: Final = frozenset({"udp-blocked"})

Warn: TypeAlias = Callable[[str, str], None]
"""Takes a warning's code, and words for people."""


class Warner:
    """Says warnings to the starter and to the log.

    Args:
        starter: Is told.
        clock: Monotonic, in seconds.
    """

    def __init__(self, starter: Starter, clock: Callable[[], float] = time.monotonic) -> None:
        self._starter = starter
        self._clock = clock
        self._said_at_s: dict[str, float] = {}

    def warn(self, code: str, message: str) -> None:
        """Say it, unless it has been said lately, by whichever process."""
        now_s = self._clock()
        said_at_s = self._said_at_s.get(code)
        if said_at_s is not None and (code in _ONCE or now_s - said_at_s < QUIET_S):
            return
        self._said_at_s[code] = now_s
        logger.warning("%s", message)
        self._starter.tell(Warning(code=code, message=message))


def warn_of_blocked_udp(warn: Warn) -> None:
    """Say what a client that has connected, and of which no UDP comes, means."""
    warn(
        "udp-blocked",
        "A client has connected and no UDP comes from it: if a firewall, on this computer or in "
        "the network, blocks it, nobody will see or hear anything",
    )


class LossWatch:
    """Notices that the system loses packets all the time, since the program can't keep up.

    Args:
        count: How many have been lost so far; called in a thread.
        warn: Is told.
    """

    def __init__(self, count: Callable[[], int], warn: Warn) -> None:
        self._count = count
        self._warn = warn
        self._counts = [0]

    async def watch(self, interval_s: float = LOOK_S) -> None:
        """Look again and again, for ever."""
        while True:
            self.look(await asyncio.to_thread(self._count))
            await asyncio.sleep(interval_s)

    def look(self, count: int) -> None:
        """Compare with the looks before.

        Args:
            count: How many have been lost by now.
        """
        if count <= self._counts[-1]:
            self._counts = [count]
            return
        self._counts.append(count)
        if len(self._counts) > LOOKS:
            lost = count - self._counts[0]
            self._counts = [count]
            self._warn(
                "packets-dropped",
                "This computer is too busy, or too slow, for what goes on: it has lost "
                f"{lost} packets in the last {LOOKS * LOOK_S:.0f} s",
            )
