"""One client's connection, from its first frame to its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Final

from sidecar.classroom.errors import ClassroomError, Fault
from sidecar.signaling.allowance import Allowance
from sidecar.signaling.connection import (
    FULL,
    NO_SIGN_OF_LIFE,
    NORMAL,
    TOO_MANY_INVALID_MESSAGES,
    TOO_MANY_MESSAGES,
    TOO_SLOW,
    CloseReason,
    Connection,
    Disconnected,
)
from sidecar.signaling.decoding import peek
from sidecar.signaling.dialogue import Dialogue
from sidecar.signaling.elsewhere import Elsewhere
from sidecar.signaling.keepalive import (
    MAX_SILENCE_BEFORE_JOIN_S,
    MAX_SILENCE_S,
    Keepalive,
)
from sidecar.signaling.limits import USUAL_PATIENCE, Patience
from sidecar.signaling.messages import RequestId
from sidecar.signaling.outbox import Outbox
from sidecar.signaling.registry import Registry
from sidecar.signaling.replies import encode_reply, error_reply
from sidecar.signaling.standing import Standing

_logger: Final = logging.getLogger(__name__)


class Session:
    """Has the requests of one connection answered, and keeps to what one client may do.

    Replies and events leave through one queue, in the order in which they were made.

    Args:
        connection: The session closes it when done.
        registry: Where the client may take a seat.
        standing: Whether the client may come in, and as what.
        allowance: What the client may ask for.
        clock: Monotonic, in seconds.
        elsewhere: Where rooms may be as well; None if all are here.
        patience: How much of a client who doesn't answer is put up with.
    """

    def __init__(
        self,
        connection: Connection,
        registry: Registry,
        standing: Standing,
        allowance: Allowance,
        clock: Callable[[], float],
        elsewhere: Elsewhere | None = None,
        patience: Patience = USUAL_PATIENCE,
    ) -> None:
        self._connection = connection
        self._dialogue = Dialogue(self, registry, standing.judge, elsewhere)
        self._standing = standing
        self._patience = patience
        self._allowance = allowance
        self._outbox = Outbox(patience.max_waiting_bytes, partial(self.stop, TOO_SLOW))
        self._keepalive = Keepalive(
            connection.ping, self._max_silence_s, self._media_silence_s, clock
        )
        self._stopped: asyncio.Future[CloseReason] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """Serve the client until either side ends it; everything of the peer is closed then."""
        reader = asyncio.create_task(self._read())
        writer = asyncio.create_task(self._write())
        keepalive = asyncio.create_task(self._keep_alive())
        tasks = (reader, writer, keepalive)
        try:
            await asyncio.wait((reader, self._stopped), return_when=asyncio.FIRST_COMPLETED)
        finally:
            how = self._stopped.result().reason if self._stopped.done() else "hung up"
            self._dialogue.leave(how)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        for task in tasks:
            if not task.cancelled():
                task.result()  # A defect of ours is logged by who called us.
        await self._connection.close(self._stopped.result() if self._stopped.done() else NORMAL)

    def stop(self, reason: CloseReason) -> None:
        """Have ``run`` end; the first reason counts."""
        if not self._stopped.done():
            _logger.info("closing a connection: %s", reason.reason)
            self._stopped.set_result(reason)

    # What the dialogue sees of the client (``client.Client``).

    @property
    def is_open(self) -> bool:
        """Whether the client can still hear and be heard."""
        return self._connection.is_open and not self._stopped.done()

    @property
    def local_address(self) -> str | None:
        """Our address that the client reached; None if unknown."""
        return self._connection.local_address

    @property
    def remote_address(self) -> str | None:
        """Where the client is; None if unknown."""
        return self._connection.remote_address

    async def is_alive(self) -> bool:
        """Ping the client, which has the probe timeout to answer."""
        if not self.is_open:
            return False
        try:
            async with asyncio.timeout(self._patience.probe_timeout_s):
                await self._connection.ping()
        except (Disconnected, TimeoutError):
            return False
        return True

    async def wait_closed(self) -> None:
        """Wait until the client can be heard no more."""
        await self._connection.wait_closed()

    def deliver(self, message: bytes, *, is_spare: bool = False) -> None:
        """Queue a message for the client."""
        self._outbox.put(message, is_spare=is_spare)

    def sent_invalid(self) -> None:
        """Note a frame that was no request."""
        if not self._allowance.may_be_invalid():
            self.stop(TOO_MANY_INVALID_MESSAGES)

    async def _read(self) -> None:
        while True:
            try:
                frame = await self._connection.receive()
            except Disconnected:
                return
            self._keepalive.heard()
            request_type, request_id = peek(frame)
            fault = self._allowance.refusal(request_type)
            if fault is None:
                await self._handle(frame)
            elif fault is not Fault.TOO_MANY_MESSAGES or self._allowance.may_go_on():
                self._refuse(fault, request_type, request_id)
            else:
                self.stop(TOO_MANY_MESSAGES)
                return
            # Frames that came together are read without waiting: what they gave rise to must go
            # out in between, and everybody else have their turn.
            await asyncio.sleep(0)
            # Whoever doesn't read the answers gets no further ones.
            await self._outbox.wait_until_it_flows()

    async def _handle(self, frame: str | bytes) -> None:
        await self._dialogue.handle(frame)
        self._standing.note(has_joined=self._dialogue.is_in_a_room)
        if self._standing.is_refused:
            self.stop(FULL)

    def _refuse(self, fault: Fault, request_type: str | None, request_id: RequestId | None) -> None:
        reply = error_reply(ClassroomError(fault), request_type)
        self.deliver(encode_reply(reply, request_id))

    async def _keep_alive(self) -> None:
        await self._keepalive.watch()
        self.stop(NO_SIGN_OF_LIFE)

    def _max_silence_s(self) -> float:
        return MAX_SILENCE_S if self._dialogue.is_in_a_room else MAX_SILENCE_BEFORE_JOIN_S

    async def _media_silence_s(self) -> float | None:
        silence_ns = await self._dialogue.media_silence_ns()
        return None if silence_ns is None else silence_ns / 1e9

    async def _write(self) -> None:
        try:
            await self._outbox.drain_to(self._connection.send, self._patience.send_timeout_s)
        except Disconnected:
            # The reader hears of it too, when it has read what came before.
            return
        except TimeoutError:
            self.stop(TOO_SLOW)
