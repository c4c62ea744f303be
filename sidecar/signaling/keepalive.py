"""Whether a client is still there, judged by everything that is heard of it.

After a network was away for a while, TCP waits longer and longer before it tries again: a pong may
be late by as much as the outage lasted. What a client sends over UDP is there at once. Nobody is
therefore given up for a late pong alone; a place that somebody else wants is freed by a probe.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from sidecar.signaling.connection import Disconnected

PING_INTERVAL_S: Final = 10.0

MAX_SILENCE_S: Final = 60.0
"""A client that has joined is given up when nothing was heard of it for so long: no frame, no pong,
no ICE check and no media."""

MAX_SILENCE_BEFORE_JOIN_S: Final = 30.0
"""The same for one that has not joined, and has nothing to lose."""

SLEPT_S: Final = 5.0
"""Whoever is called so much later than wished has slept, and could not have heard anything."""


class Keepalive:
    """Pings a client and notes its signs of life.

    Args:
        ping: Sends a ping and waits for its pong.
        max_silence_s: How long the client may be silent just now.
        media_silence_s: How long nothing has been heard of the client's media; None if nothing
            ever was. Asked only when all else is silent.
        clock: Monotonic, in seconds.
        sleep: Waits for so many seconds by that clock.
    """

    def __init__(
        self,
        ping: Callable[[], Awaitable[None]],
        max_silence_s: Callable[[], float],
        media_silence_s: Callable[[], Awaitable[float | None]],
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._ping = ping
        self._max_silence_s = max_silence_s
        self._media_silence_s = media_silence_s
        self._clock = clock
        self._sleep = sleep
        self._heard_s = clock()
        self._pinging: asyncio.Task[None] | None = None

    def heard(self) -> None:
        """Note a sign of life."""
        self._heard_s = self._clock()

    async def watch(self) -> None:
        """Ping again and again; return when the client has been silent for too long."""
        try:
            while True:
                due_s = self._clock() + PING_INTERVAL_S
                await self._sleep(PING_INTERVAL_S)
                if self._clock() - due_s > SLEPT_S:
                    self.heard()
                elif await self._is_silent():
                    return
                self._ping_again()
        finally:
            if self._pinging is not None:
                self._pinging.cancel()

    async def _is_silent(self) -> bool:
        now_s = self._clock()
        if now_s - self._heard_s < self._max_silence_s():
            return False
        media_silence_s = await self._media_silence_s()
        if media_silence_s is not None:
            self._heard_s = max(self._heard_s, now_s - media_silence_s)
        return now_s - self._heard_s >= self._max_silence_s()

    def _ping_again(self) -> None:
        """Send a ping, unless the one before is still on its way: TCP sees to that one."""
        if self._pinging is None or self._pinging.done():
            self._pinging = asyncio.create_task(self._ping_once())

    async def _ping_once(self) -> None:
        try:
            await self._ping()
        except Disconnected:
            return
        self.heard()
