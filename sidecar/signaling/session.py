"""One client's connection, from its first frame to its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Final

from sidecar.classroom.errors import ClassroomError, Fault
from sidecar.ortc.errors import OrtcError
from sidecar.sfu import SfuError
from sidecar.signaling.admission import admit
from sidecar.signaling.connection import (
    NORMAL,
    REPLACED,
    TOO_MANY_INVALID_MESSAGES,
    TOO_MANY_MESSAGES,
    TOO_SLOW,
    CloseReason,
    Connection,
    Disconnected,
)
from sidecar.signaling.decoding import InvalidMessage, decode_request
from sidecar.signaling.handlers import HANDLERS, joined
from sidecar.signaling.limits import INVALID_INTERVAL_S, Limits, TokenBucket
from sidecar.signaling.messages import (
    AnyRequest,
    Join,
    Leave,
    request_type,
)
from sidecar.signaling.outbox import Outbox
from sidecar.signaling.registry import Registry, Seat
from sidecar.signaling.replies import Empty, Reply, encode_reply, error_reply
from sidecar.signaling.teacher_rule import TeacherRule

_logger: Final = logging.getLogger(__name__)


class Session:
    """Answers the requests of one connection strictly one after another.

    Replies and events leave through one queue, in the order in which they were made.

    Args:
        connection: The session closes it when done.
        registry: Where the client may take a seat.
        teacher_rule: Whether the client may take the teacher's.
        limits: What the client may do.
        clock: Monotonic, in seconds.
    """

    def __init__(
        self,
        connection: Connection,
        registry: Registry,
        teacher_rule: TeacherRule,
        limits: Limits,
        clock: Callable[[], float],
    ) -> None:
        self._connection = connection
        self._registry = registry
        self._teacher_rule = teacher_rule
        self._limits = limits
        self._frames = TokenBucket(limits.max_messages_per_second, 1.0, clock)
        self._invalid = TokenBucket(limits.max_invalid_messages, INVALID_INTERVAL_S, clock)
        self._outbox = Outbox(limits.max_queued_messages, partial(self.stop, TOO_SLOW))
        self._stopped: asyncio.Future[CloseReason] = asyncio.get_running_loop().create_future()
        self._seat: Seat | None = None

    async def run(self) -> None:
        """Serve the client until either side ends it; everything of the peer is closed then."""
        reader = asyncio.create_task(self._read())
        writer = asyncio.create_task(self._write())
        try:
            await asyncio.wait((reader, self._stopped), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._leave()
            reader.cancel()
            writer.cancel()
            await asyncio.wait((reader, writer))
        for task in (reader, writer):
            if not task.cancelled():
                task.result()  # A defect of ours is logged by who called us.
        await self._connection.close(self._stopped.result() if self._stopped.done() else NORMAL)

    def stop(self, reason: CloseReason) -> None:
        """Have ``run`` end; the first reason counts."""
        if not self._stopped.done():
            _logger.info("closing a connection: %s", reason.reason)
            self._stopped.set_result(reason)

    # What the registry and other sessions see of this one (``registry.Member``).

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
            async with asyncio.timeout(self._limits.probe_timeout_s):
                await self._connection.ping()
        except (Disconnected, TimeoutError):
            return False
        return True

    def deliver(self, message: bytes) -> None:
        """Queue a message for the client."""
        self._outbox.put(message)

    def unseat(self) -> None:
        """Make way for somebody else."""
        self._seat = None
        self.stop(REPLACED)

    async def _read(self) -> None:
        while True:
            try:
                frame = await self._connection.receive()
            except Disconnected:
                return
            if not self._frames.take():
                self.stop(TOO_MANY_MESSAGES)
                return
            await self._handle(frame)

    async def _write(self) -> None:
        try:
            await self._outbox.drain_to(self._connection.send, self._limits.send_timeout_s)
        except Disconnected:
            # The reader hears of it too, when it has read what came before.
            return
        except TimeoutError:
            self.stop(TOO_SLOW)

    async def _handle(self, frame: str | bytes) -> None:
        try:
            request = decode_request(frame)
        except InvalidMessage as error:
            reply = error_reply(error, error.request_type)
            self._outbox.put(encode_reply(reply, error.request_id))
            if not self._invalid.take():
                self.stop(TOO_MANY_INVALID_MESSAGES)
            return
        answer = await self._answer(request)
        if answer is not None:
            self._outbox.put(encode_reply(answer, request.id))

    async def _answer(self, request: AnyRequest) -> Reply | None:
        name = request_type(request)
        try:
            return await self._carry_out(request)
        except (ClassroomError, OrtcError, SfuError) as error:
            _logger.info("%s refused: %s", name, error)
            return error_reply(error, name)
        except Exception as error:
            _logger.exception("%s failed", name)
            return error_reply(error, name)

    async def _carry_out(self, request: AnyRequest) -> Reply | None:
        if isinstance(request, Join):
            return await self._join(request)
        if self._seat is None:
            raise ClassroomError(Fault.NOT_JOINED)
        if isinstance(request, Leave):
            self._leave()
            return Reply("left", Empty())
        return HANDLERS[type(request)](self._seat, request)

    async def _join(self, request: Join) -> Reply | None:
        if self._seat is not None:
            raise ClassroomError(Fault.ALREADY_JOINED)
        self._seat = await admit(self._registry, self._teacher_rule, self, request.data)
        return joined(self._seat) if self._seat is not None else None

    def _leave(self) -> None:
        if self._seat is not None:
            seat, self._seat = self._seat, None
            self._registry.leave(seat)
