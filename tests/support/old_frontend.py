"""A frontend of the earlier servers, with all that is wrong with it.

It never sends an `id`, and keeps one pending request per reply type: a second request of a type
takes the place of the first, whose reply then never comes. Errors are only noted. Each request sets
a timer of 30 s that is never cleared and, when it fires, drops whichever request of that type is
pending then. Handlers of events run at the same time. Unknown events are ignored.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.support.signaling import REPLY_TYPES

JsonObject = dict[str, Any]

REQUEST_TIMEOUT_S = 30.0
DESCRIPTION_S = 0.02
"""What a browser takes to make a consumer: setRemoteDescription and what follows it."""


class OldFrontend:
    """One person with such a frontend.

    Attributes:
        events: Everything that was no reply, as `(type, data)`, in order.
        errors: The messages of all `error` replies.
        playing: The producers that were consumed and resumed, in order.
        confused: Producers whose `consume` was answered with another one's consumer.
        recv_transport: The data of its `transportCreated`.
    """

    def __init__(self, connection: ClientConnection) -> None:
        self.events: list[tuple[str, Any]] = []
        self.errors: list[str] = []
        self.playing: list[str] = []
        self.confused: list[str] = []
        self.recv_transport: JsonObject = {}
        self._connection = connection
        self._pending: dict[str, asyncio.Future[Any]] = {}
        self._rtp_capabilities: JsonObject = {}
        self._handlers: set[asyncio.Task[None]] = set()
        self._timers: list[asyncio.TimerHandle] = []
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def join(cls, url: str, room_id: str, peer_id: str, *, is_teacher: bool = False) -> Self:
        """Connect, join, and be ready to receive."""
        frontend = cls(await connect(url))
        who = {"roomId": room_id, "peerId": peer_id, "name": peer_id, "isTeacher": is_teacher}
        joined = await frontend.request("join", who)
        frontend._rtp_capabilities = joined["rtpCapabilities"]
        frontend.recv_transport = await frontend.request("createTransport", {"direction": "recv"})
        return frontend

    async def request(self, type_: str, data: Any = None) -> Any:
        """Send a request and wait for the next reply of its type, for ever."""
        reply_type = REPLY_TYPES[type_]
        loop = asyncio.get_running_loop()
        reply: asyncio.Future[Any] = loop.create_future()
        self._pending[reply_type] = reply
        self._timers.append(loop.call_later(REQUEST_TIMEOUT_S, self._pending.pop, reply_type, None))
        await self._connection.send(json.dumps({"type": type_, "data": data}))
        return await reply

    async def watch(self) -> None:
        """Consume what there is, one by one."""
        for producer in await self.request("getProducers", {}):
            await self.consume(producer["producerId"])

    async def consume(self, producer_id: str) -> None:
        """Consume a producer and resume it."""
        data = {"producerId": producer_id, "rtpCapabilities": self._rtp_capabilities}
        consumed = await self.request("consume", data)
        if consumed["producerId"] != producer_id:
            self.confused.append(producer_id)
        await asyncio.sleep(DESCRIPTION_S)
        await self.request("resumeConsumer", {"consumerId": consumed["consumerId"]})
        self.playing.append(consumed["producerId"])

    async def wait_closed(self) -> int | None:
        """Wait until the server has closed the connection, and return its close code."""
        await self._connection.wait_closed()
        return self._connection.close_code

    async def leave(self) -> None:
        """Close the connection."""
        for timer in self._timers:
            timer.cancel()
        for handler in self._handlers:
            handler.cancel()
        await self._connection.close()
        await self._reader

    async def _read(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for frame in self._connection:
                message = json.loads(frame)
                self._take(message["type"], message.get("data"))

    def _take(self, type_: str, data: Any) -> None:
        if type_ == "error":
            self.errors.append(data["message"])
        elif (reply := self._pending.pop(type_, None)) is not None:
            reply.set_result(data)
        else:
            self.events.append((type_, data))
            if type_ == "newProducer":
                handler = asyncio.create_task(self.consume(data["producerId"]))
                self._handlers.add(handler)
                handler.add_done_callback(self._handlers.discard)
