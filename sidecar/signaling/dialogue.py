"""What one client asks for and what it is answered, wherever its frames come from."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from sidecar.classroom.errors import ClassroomError, Fault
from sidecar.classroom.events import Event
from sidecar.ortc.errors import OrtcError
from sidecar.sfu import SfuError
from sidecar.signaling import attendance
from sidecar.signaling.admission import admit, is_rejoined
from sidecar.signaling.client import Client
from sidecar.signaling.connection import REPLACED
from sidecar.signaling.decoding import InvalidMessage, decode_request
from sidecar.signaling.elsewhere import Elsewhere, Representative
from sidecar.signaling.event_delivery import EventDelivery
from sidecar.signaling.gate import Judge
from sidecar.signaling.handlers import HANDLERS, joined
from sidecar.signaling.messages import AnyRequest, Join, JoinData, Leave, RequestId, request_type
from sidecar.signaling.registry import Registry, Seat
from sidecar.signaling.replies import Empty, Reply, encode_reply, error_reply

_logger: Final = logging.getLogger(__name__)


class Dialogue:
    """Answers the requests of one client strictly one after another.

    A client whose room is in another process is represented there: from its ``join`` until it has
    left, its frames are passed on one by one, each when the one before is answered.

    Args:
        client: Gets the answers.
        registry: Where the client may take a seat.
        judge: Whether the client may come in, and as what.
        elsewhere: Where rooms may be as well; None if all are here.
    """

    def __init__(
        self,
        client: Client,
        registry: Registry,
        judge: Judge,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        self._client = client
        self._registry = registry
        self._judge = judge
        self._elsewhere = elsewhere
        self._seat: Seat | None = None
        self._probe: asyncio.Task[bool] | None = None
        self._representative: Representative | None = None
        self._events = EventDelivery(client)

    @property
    def has_seat(self) -> bool:
        """Whether the client is in a room of this process."""
        return self._seat is not None

    @property
    def is_in_a_room(self) -> bool:
        """Whether the client is in a room, of whichever process."""
        return self._seat is not None or self._representative is not None

    @property
    def local_silence_ns(self) -> int | None:
        """How long nothing has been heard of the client's media in a room of this process."""
        return self._seat.peer.silence_ns if self._seat is not None else None

    async def media_silence_ns(self) -> int | None:
        """How long nothing has been heard of the client's media; None if nothing ever was."""
        if self._representative is not None:
            return await self._representative.media_silence_ns()
        return self.local_silence_ns

    async def handle(self, frame: str | bytes) -> None:
        """Do what a frame asks for and deliver the answer. The next one must wait for it."""
        if self._representative is not None:
            await self._pass_on(self._representative, frame)
            return
        try:
            request = decode_request(frame)
        except InvalidMessage as error:
            self._note_id(error.request_id)
            reply = error_reply(error, error.request_type)
            self._client.deliver(encode_reply(reply, error.request_id))
            self._client.sent_invalid()
            return
        self._note_id(request.id)
        answer = await self._answer(request, frame)
        if answer is not None:
            self._client.deliver(encode_reply(answer, request.id))
            if self._seat is not None:
                self._events.answered(self._seat.peer, request, answer)

    def leave(self, how: str = "hung up") -> None:
        """Give up the client's seat, if it has one.

        Args:
            how: What ended it, in words.
        """
        if self._representative is not None:
            representative, self._representative = self._representative, None
            representative.leave(how)
        self._events.forget()
        if self._seat is not None:
            seat, self._seat = self._seat, None
            self._registry.leave(seat, how)

    # What the registry and other dialogues see of this one (``registry.Member``).

    @property
    def is_open(self) -> bool:
        """Whether the client can still hear and be heard."""
        return self._client.is_open

    @property
    def local_address(self) -> str | None:
        """Our address that the client reached; None if unknown."""
        return self._client.local_address

    @property
    def remote_address(self) -> str | None:
        """Where the client is; None if unknown."""
        return self._client.remote_address

    async def is_alive(self) -> bool:
        """Ask the client for a sign of life. All who ask at the same time share one question."""
        if self._probe is None or self._probe.done():
            self._probe = asyncio.create_task(self._client.is_alive())
        return await asyncio.shield(self._probe)

    def tell(self, event: Event, message: bytes) -> None:
        """Have the client hear of an event, when it is its turn."""
        self._events.tell(event, message)

    def unseat(self) -> None:
        """Make way for somebody else."""
        self._seat = None
        self._events.forget()
        self._client.stop(REPLACED)

    def _note_id(self, request_id: RequestId | None) -> None:
        if request_id is not None:
            self._events.found_id()
            if self._seat is not None:
                self._seat.peer.uses_ids = True

    async def _answer(self, request: AnyRequest, frame: str | bytes) -> Reply | None:
        name = request_type(request)
        try:
            return await self._carry_out(request, frame)
        except (ClassroomError, OrtcError, SfuError) as error:
            if isinstance(request, Join):
                attendance.refused(request.data, self._client.remote_address, error)
            else:
                _logger.info("%s refused: %s", name, error)
            return error_reply(error, name)
        except Exception as error:
            _logger.exception("%s failed", name)
            return error_reply(error, name)

    async def _carry_out(self, request: AnyRequest, frame: str | bytes) -> Reply | None:
        if isinstance(request, Join):
            return await self._join(request, frame)
        if self._seat is None:
            raise ClassroomError(Fault.NOT_JOINED)
        if isinstance(request, Leave):
            self.leave("said so")
            return Reply("left", Empty())
        return HANDLERS[type(request)](self._seat, request)

    async def _join(self, request: Join, frame: str | bytes) -> Reply | None:
        if self._seat is not None:
            raise ClassroomError(Fault.ALREADY_JOINED)
        is_proven = self._is_proven(request.data)
        if self._elsewhere is not None:
            representative = await self._elsewhere.represent(
                self._client, request.data.room_id, self._registry, is_proven=is_proven
            )
            if representative is not None:
                self._representative = representative
                await self._pass_on(representative, frame)
                return None
        self._seat = await admit(self._registry, self, request.data, is_proven=is_proven)
        if self._seat is None:
            return None
        self._seat.peer.uses_ids = self._events.uses_ids
        return joined(self._seat)

    def _is_proven(self, data: JoinData) -> bool:
        """Whether a client that may come in is a teacher for sure.

        Raises:
            ClassroomError: It may not come in.
        """
        seat = self._registry.find(data.room_id, data.peer_id)
        peer = seat.peer if seat is not None else None
        if peer is None and self._elsewhere is not None:
            peer = self._elsewhere.find(data.room_id, data.peer_id)
        own = peer if peer is not None and is_rejoined(peer, data) else None
        return self._judge(self._client.remote_address, data, own)

    async def _pass_on(self, representative: Representative, frame: str | bytes) -> None:
        if not await representative.handle(frame):
            self._representative = None
