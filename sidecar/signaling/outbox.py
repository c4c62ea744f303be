"""What is on its way to one client."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable


class Outbox:
    """A queue that a client who doesn't read can't make grow for ever, nor hold up anybody else.

    However much is put in at once, a client who reads gets it: what waits is counted only against
    one who is being waited for.

    Args:
        max_waiting_bytes: How much may wait for such a client.
        on_overflow: Is called, at most once, when there is more.
    """

    def __init__(self, max_waiting_bytes: int, on_overflow: Callable[[], None]) -> None:
        self._max_waiting_bytes = max_waiting_bytes
        self._on_overflow = on_overflow
        self._messages: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._has_messages = asyncio.Event()
        self._flows = asyncio.Event()
        self._flows.set()
        self._is_closed = False

    def put(self, message: bytes, *, is_spare: bool = False) -> None:
        """Queue a message; never blocks. After an overflow nothing is queued any more.

        Args:
            message: To be sent.
            is_spare: Whether the client can do without it: it is left out when more than half of
                what may wait for a client is waiting for one.
        """
        if self._is_closed:
            return
        is_waited_for = not self._flows.is_set()
        if is_spare and is_waited_for and 2 * self._waiting_bytes > self._max_waiting_bytes:
            return
        self._messages.append(message)
        self._waiting_bytes += len(message)
        self._has_messages.set()
        if self._waiting_bytes > self._max_waiting_bytes and is_waited_for:
            self._is_closed = True
            self._messages.clear()
            self._on_overflow()

    async def wait_until_it_flows(self) -> None:
        """Wait while the client is being waited for, or until nobody sends any more."""
        await self._flows.wait()

    async def drain_to(
        self, send: Callable[[bytes], Awaitable[None]], send_timeout_s: float
    ) -> None:
        """Send what is queued, in order and one at a time, until ``send`` raises.

        Raises:
            TimeoutError: The client didn't take a message in time.
        """
        try:
            while True:
                await self._has_messages.wait()
                while self._messages:
                    message = self._messages.popleft()
                    self._waiting_bytes -= len(message)
                    await self._send(message, send, send_timeout_s)
                    # For a client who takes it all, nothing above has waited.
                    await asyncio.sleep(0)
                self._has_messages.clear()
        finally:
            self._flows.set()

    async def _send(
        self, message: bytes, send: Callable[[bytes], Awaitable[None]], send_timeout_s: float
    ) -> None:
        waiting = asyncio.get_running_loop().call_soon(self._flows.clear)
        try:
            async with asyncio.timeout(send_timeout_s):
                await send(message)
        finally:
            waiting.cancel()
            self._flows.set()
