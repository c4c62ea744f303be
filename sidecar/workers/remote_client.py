"""A client whose connection is in the main process, as a worker has it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

from sidecar.signaling.connection import CloseReason
from sidecar.workers.messages import Deliver, Invalid, Message, Probe, Stop


class RemoteClient:
    """Implements ``sidecar.signaling.client.Client``.

    Args:
        number: By which the main process knows it.
        local_address: Our address that it reached; None if unknown.
        remote_address: Where it is; None if unknown.
        post: Sends a message to the main process.
    """

    def __init__(
        self,
        number: int,
        local_address: str | None,
        remote_address: str | None,
        post: Callable[[Message], None],
    ) -> None:
        self.local_address = local_address
        self.remote_address = remote_address
        self._number = number
        self._post = post
        self._closed = asyncio.Event()
        self._is_stopped = False
        self._probe_numbers = itertools.count()
        self._probes: dict[int, asyncio.Future[bool]] = {}

    @property
    def is_open(self) -> bool:
        """Whether the client can still hear and be heard."""
        return not self._is_stopped and not self._closed.is_set()

    async def is_alive(self) -> bool:
        """Have the client pinged; the main process sees to the time."""
        if not self.is_open:
            return False
        number = next(self._probe_numbers)
        probe: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._probes[number] = probe
        self._post(Probe(self._number, number))
        try:
            return await probe
        finally:
            del self._probes[number]

    def probed(self, number: int, is_alive: bool) -> None:
        """Take the answer to a probe."""
        probe = self._probes.get(number)
        if probe is not None and not probe.done():
            probe.set_result(is_alive)

    async def wait_closed(self) -> None:
        """Wait until the client can be heard no more."""
        await self._closed.wait()

    def deliver(self, message: bytes, *, is_spare: bool = False) -> None:
        """Send the client a message."""
        self._post(Deliver(self._number, message, is_spare))

    def sent_invalid(self) -> None:
        """Have it counted where the limits are."""
        self._post(Invalid(self._number))

    def stop(self, reason: CloseReason) -> None:
        """Have the connection closed."""
        if not self._is_stopped:
            self._is_stopped = True
            self._post(Stop(self._number, *reason))

    def hang_up(self) -> None:
        """Hear that the connection is gone: whoever waits for a sign of life waits in vain."""
        self._closed.set()
        for number in tuple(self._probes):
            self.probed(number, is_alive=False)
