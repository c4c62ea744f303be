"""What is on its way to one client."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


class Outbox:
    """A bounded queue, so that a client that doesn't read holds up nobody else.

    Args:
        max_messages: How many may wait.
        on_overflow: Is called, at most once, when one more comes.
    """

    def __init__(self, max_messages: int, on_overflow: Callable[[], None]) -> None:
        self._queue: asyncio.Queue[bytes] = asyncio.Queue(max_messages)
        self._on_overflow = on_overflow
        self._closed = False

    def put(self, message: bytes) -> None:
        """Queue a message; never blocks. After an overflow nothing is queued any more."""
        if self._closed:
            return
        try:
            self._queue.put_nowait(message)
        except asyncio.QueueFull:
            self._closed = True
            self._on_overflow()

    async def drain_to(
        self, send: Callable[[bytes], Awaitable[None]], send_timeout_s: float
    ) -> None:
        """Send what is queued, in order and one at a time, until ``send`` raises.

        Raises:
            TimeoutError: The client didn't take a message in time.
        """
        while True:
            message = await self._queue.get()
            async with asyncio.timeout(send_timeout_s):
                await send(message)
