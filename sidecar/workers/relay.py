"""A client of the main process whose room is at a worker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sidecar.signaling.client import Client
from sidecar.signaling.connection import ROOM_LOST, CloseReason
from sidecar.workers.messages import Alive, AskSilence, End, Frame, Gone, Message


class Relay:
    """Implements ``sidecar.signaling.elsewhere.Representative``.

    Args:
        number: By which the worker knows the client.
        room_id: Where the client is, or wants to be.
        client: Whose requests and answers go back and forth.
        post: Sends a message to the worker.
    """

    def __init__(
        self,
        number: int,
        room_id: str,
        client: Client,
        post: Callable[[Message], None],
    ) -> None:
        self.room_id = room_id
        self._number = number
        self._client = client
        self._post = post
        self._answer: asyncio.Future[bool] | None = None
        self._has_left = False
        self._silence: asyncio.Future[int | None] | None = None
        self._probes: set[asyncio.Task[None]] = set()
        self._watch = asyncio.create_task(self._watch_connection())

    async def handle(self, frame: str | bytes) -> bool:
        """See ``Representative``.

        How long it takes is between the client and the worker, as between a client and the main
        process; should the worker die, ``lose`` ends the waiting.
        """
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._answer = answer
        self._post(Frame.of(self._number, frame))
        return await answer

    async def media_silence_ns(self) -> int | None:
        """See ``Representative``."""
        self._silence = asyncio.get_running_loop().create_future()
        self._post(AskSilence(self._number))
        return await self._silence

    def leave(self, how: str) -> None:
        """See ``Representative``."""
        self._has_left = True
        self._watch.cancel()
        self._post(End(self._number, how))

    # What the worker says.

    def deliver(self, message: bytes, *, is_spare: bool = False) -> None:
        """Pass a message on to the client."""
        if not self._has_left:
            self._client.deliver(message, is_spare=is_spare)

    def answered(self, has_seat: bool) -> None:
        """The frame that was sent last is dealt with."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(has_seat)

    def silent(self, media_silence_ns: int | None) -> None:
        """So long nothing has been heard of the client's media."""
        if self._silence is not None and not self._silence.done():
            self._silence.set_result(media_silence_ns)

    def sent_invalid(self) -> None:
        """That frame was no request."""
        self._client.sent_invalid()

    def stop(self, reason: CloseReason) -> None:
        """The connection is to be closed."""
        self._client.stop(reason)

    def probe(self, number: int) -> None:
        """Somebody wants to know whether the client is alive."""
        task = asyncio.create_task(self._probe(number))
        self._probes.add(task)
        task.add_done_callback(self._probes.discard)

    def end(self) -> None:
        """The client is represented no more."""
        self._watch.cancel()
        self.silent(None)

    def lose(self) -> None:
        """The worker is no more, and the room with it."""
        self.end()
        if not self._has_left:
            self._client.stop(ROOM_LOST)
        self.answered(False)

    async def _probe(self, number: int) -> None:
        is_alive = not self._has_left and await self._client.is_alive()
        self._post(Alive(self._number, number, is_alive))

    async def _watch_connection(self) -> None:
        await self._client.wait_closed()
        self._post(Gone(self._number))
