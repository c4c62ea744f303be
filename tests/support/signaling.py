"""A client of the WebSocket protocol: requests with replies, and the events in between."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, NamedTuple, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame

JsonObject = dict[str, Any]
CandidateRewriter = Callable[[JsonObject], JsonObject]
"""Takes the data of a `transportCreated` and returns what the client shall see instead."""

DEFAULT_TIMEOUT_S = 10.0

REPLY_TYPES = {
    "join": "joined",
    "leave": "left",
    "getRouterRtpCapabilities": "routerRtpCapabilities",
    "createTransport": "transportCreated",
    "connectTransport": "transportConnected",
    "restartIce": "iceRestarted",
    "produce": "produced",
    "closeProducer": "producerClosed",
    "pauseProducer": "producerPaused",
    "resumeProducer": "producerResumed",
    "consume": "consumed",
    "closeConsumer": "consumerClosed",
    "pauseConsumer": "consumerPaused",
    "resumeConsumer": "consumerResumed",
    "getProducers": "producers",
}


class ProtocolError(Exception):
    """The server's `error` reply to a request.

    Attributes:
        message: The words for people.
        code: The stable kebab-case code, empty where the server sent none.
    """

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code


class _Pending(NamedTuple):
    reply_type: str
    reply: asyncio.Future[JsonObject]


class SignalingClient:
    """One WebSocket connection to the SFU.

    Replies are matched to requests by the `id` extension and checked against the reply type that
    the protocol names; a server that does not know the extension is understood by the types alone.
    Everything else that arrives is kept in `events`, in order.

    Args:
        connection: The open WebSocket.
        rewrite: Applied to the data of every `transportCreated`, to lead the media elsewhere
            (see `tests.support.relay`).
    """

    def __init__(
        self, connection: ClientConnection, rewrite: CandidateRewriter | None = None
    ) -> None:
        self.events: list[tuple[str, Any]] = []
        self._connection = connection
        self._rewrite = rewrite
        self._ids = itertools.count(1)
        self._replies: dict[int, _Pending] = {}
        self._ids_come_back = False
        self._event_arrived = asyncio.Condition()
        self._closed = False
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def connect(cls, url: str, *, rewrite: CandidateRewriter | None = None) -> Self:
        """Open a connection to `url` (`ws://host:port`)."""
        return cls(await connect(url, max_size=None), rewrite)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def request(
        self, type_: str, data: Any = None, *, timeout_s: float = DEFAULT_TIMEOUT_S
    ) -> Any:
        """Send a request and return the data of its reply.

        Raises:
            ProtocolError: The server answered with `error`.
            ConnectionError: The connection ended first.
        """
        if self._closed:
            raise ConnectionError("the signalling connection is closed")
        request_id = next(self._ids)
        reply: asyncio.Future[JsonObject] = asyncio.get_running_loop().create_future()
        self._replies[request_id] = _Pending(REPLY_TYPES[type_], reply)
        message: JsonObject = {"type": type_, "id": request_id}
        if data is not None:
            message["data"] = data
        await self.send_raw(json.dumps(message))
        async with asyncio.timeout(timeout_s):
            answer = await reply
        if answer["type"] == "error":
            raise ProtocolError(answer["data"]["message"], answer["data"].get("code", ""))
        assert answer["type"] == REPLY_TYPES[type_], f"{type_} was answered with {answer['type']}"
        if answer["type"] == "transportCreated" and self._rewrite is not None:
            return self._rewrite(answer["data"])
        return answer.get("data")

    async def send_raw(self, frame: str | bytes) -> None:
        """Send one text or binary frame as it is."""
        await self._connection.send(frame)

    def send_at_once(self, frames: Iterable[Frame]) -> None:
        """Have frames reach the server together, as no client library does."""
        data = b"".join(frame.serialize(mask=True) for frame in frames)
        self._connection.transport.write(data)

    async def wait_for(
        self,
        type_: str,
        predicate: Callable[[Any], bool] = lambda data: True,
        *,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> Any:
        """Return the data of the first event of `type_` that satisfies `predicate`.

        Events that arrived before the call count too, and stay in `events`.
        """

        def find() -> list[Any]:
            return [data for name, data in self.events if name == type_ and predicate(data)]

        async with asyncio.timeout(timeout_s), self._event_arrived:
            await self._event_arrived.wait_for(lambda: bool(find()) or self._closed)
        found = find()
        if not found:
            raise ConnectionError(f"the connection ended before {type_!r} came")
        return found[0]

    async def wait_closed(self) -> int | None:
        """Wait until the server has closed the connection, and return its close code."""
        async with asyncio.timeout(DEFAULT_TIMEOUT_S):
            await self._connection.wait_closed()
        await self._reader
        return self._connection.close_code

    def stop_reading(self) -> None:
        """Read nothing any more, nor answer pings, as if the network were gone."""
        self._connection.transport.pause_reading()

    def read_on(self) -> None:
        """Read again, what has come meanwhile first."""
        self._connection.transport.resume_reading()

    async def close(self) -> None:
        """Close politely, with a close frame."""
        await self._connection.close()
        await self._reader

    async def abort(self) -> None:
        """Drop the connection as a killed browser tab does, without a close frame."""
        self._connection.transport.abort()
        await self._reader

    async def _read(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for frame in self._connection:
                await self._dispatch(json.loads(frame))
        self._closed = True
        for pending in self._replies.values():
            if not pending.reply.done():
                pending.reply.set_exception(ConnectionError("the signalling connection ended"))
        async with self._event_arrived:
            self._event_arrived.notify_all()

    async def _dispatch(self, message: JsonObject) -> None:
        pending = self._replies.pop(self._request_of(message), None)
        if pending is not None:
            if not pending.reply.done():
                pending.reply.set_result(message)
            return
        async with self._event_arrived:
            self.events.append((message["type"], message.get("data")))
            self._event_arrived.notify_all()

    def _request_of(self, message: JsonObject) -> int:
        """The id of the request that a message answers, 0 for an event."""
        if "id" in message:
            self._ids_come_back = True
            return int(message["id"])
        if self._ids_come_back:
            return 0
        # Replies come in the order of the requests.
        for request_id, pending in self._replies.items():
            if message["type"] in (pending.reply_type, "error"):
                return request_id
        return 0
