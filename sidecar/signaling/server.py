"""The WebSocket server."""

from __future__ import annotations

import asyncio
import http
import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

from sidecar.classroom.policy import Policy
from sidecar.classroom.snapshot import RoomSnapshot, room_snapshot
from sidecar.limits import Limits
from sidecar.sfu import Worker
from sidecar.signaling.accept_errors import sum_up_accept_errors
from sidecar.signaling.accepted import ACCEPTED_AT_ONCE, BACKLOG, AcceptedConnection
from sidecar.signaling.allowance import Allowance, Allowances
from sidecar.signaling.connection import CLOSE_TIMEOUT_S, GOING_AWAY, WebSocketConnection
from sidecar.signaling.connection_table import ConnectionTable, Place
from sidecar.signaling.elsewhere import Elsewhere
from sidecar.signaling.frame_log import hide_secrets
from sidecar.signaling.gate import Judge
from sidecar.signaling.origin import OriginCheck, OriginRule
from sidecar.signaling.registry import Observer, Registry
from sidecar.signaling.session import Session
from sidecar.signaling.standing import Standing

MAX_FRAME_BYTES: Final = 64 * 1024
"""Several times what a browser with every codec there is has to say."""

MAX_UNREAD_MESSAGES: Final = 4
"""Of one client, each as long as may be, that are kept until the one before is answered. Further
ones wait in the network."""

OPEN_TIMEOUT_S: Final = 10.0
STOP_TIMEOUT_S: Final = CLOSE_TIMEOUT_S + 0.5


@dataclass(frozen=True, slots=True)
class ServerSnapshot:
    """What is going on: connections (also those that have not joined) and rooms."""

    connections: int
    rooms: tuple[RoomSnapshot, ...]


class SignalingServer:
    """Accepts clients and holds the rooms.

    Args:
        worker: Carries the media.
        policy: The rules of all rooms.
        limits: What clients may use.
        judge: Who may come in, and as what.
        origin_rule: Which web pages may connect.
        observer: Sees who comes and goes in the rooms of this process.
        elsewhere: Where rooms may be as well; None if all are here.
        table: Where each connection needs a place.
    """

    def __init__(
        self,
        worker: Worker,
        policy: Policy,
        limits: Limits,
        judge: Judge,
        origin_rule: OriginRule,
        observer: Observer | None = None,
        elsewhere: Elsewhere | None = None,
        *,
        table: ConnectionTable,
    ) -> None:
        self._registry = Registry(worker, policy, limits, observer)
        self._judge = judge
        self._origins = OriginCheck(origin_rule)
        self._limits = limits
        self._table = table
        self._elsewhere = elsewhere
        self._allowances = Allowances(limits, time.monotonic)
        self._servers: list[Server] = []
        self._sessions: set[Session] = set()

    async def start(self, listeners: Iterable[socket.socket]) -> None:
        """Serve on sockets that listen; called once. They are closed with the server."""
        hide_secrets()
        make_connection = partial(AcceptedConnection, limits=self._limits, table=self._table)
        sum_up_accept_errors(asyncio.get_running_loop())
        for each in listeners:
            server = await serve(
                self._serve,
                sock=each,
                process_request=self._refuse_strange_pages,
                # JSON this short isn't worth 300 kB of zlib state for each client.
                compression=None,
                max_size=MAX_FRAME_BYTES,
                max_queue=MAX_UNREAD_MESSAGES,
                open_timeout=OPEN_TIMEOUT_S,
                # A session has its own, which knows of media as well.
                ping_interval=None,
                close_timeout=CLOSE_TIMEOUT_S,
                server_header=None,
                create_connection=make_connection,  # type: ignore[arg-type]
                backlog=ACCEPTED_AT_ONCE,
            )
            # asyncio takes as many at once as it has the system keep waiting.
            each.listen(BACKLOG)
            self._servers.append(server)

    async def close(self) -> None:
        """Stop listening and end every session with 1001 (going away), also its media."""
        for server in self._servers:
            server.close(close_connections=False)
        for session in self._sessions:
            session.stop(GOING_AWAY)
        # Sessions end in time. What may be left are connections that never said what they want.
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await asyncio.gather(*(server.wait_closed() for server in self._servers))

    def offer_ice_restarts(self) -> None:
        """Have everybody in the rooms of this process offered new ICE credentials."""
        self._registry.offer_ice_restarts()

    @property
    def refused_connections(self) -> int:
        """How many connections have been cut off because there may be no more of them."""
        return self._table.refused

    def snapshot(self) -> ServerSnapshot:
        """What is going on just now."""
        rooms = tuple(room_snapshot(room) for room in self._registry.rooms)
        return ServerSnapshot(len(self._sessions), rooms)

    def _refuse_strange_pages(
        self, connection: ServerConnection, request: Request
    ) -> Response | None:
        headers = request.headers
        if self._origins.allows(headers.get_all("Origin"), headers.get_all("Host")):
            return None
        return connection.respond(http.HTTPStatus.FORBIDDEN, "This page may not connect.\n")

    async def _serve(self, websocket: ServerConnection) -> None:
        assert isinstance(websocket, AcceptedConnection) and websocket.place is not None
        with self._allowances.lend(websocket.place.origin) as allowance:
            await self._run_session(websocket, websocket.place, allowance)

    async def _run_session(
        self, websocket: ServerConnection, place: Place, allowance: Allowance
    ) -> None:
        session = Session(
            WebSocketConnection(websocket),
            self._registry,
            Standing(self._table, place, self._judge),
            allowance,
            time.monotonic,
            self._elsewhere,
        )
        self._sessions.add(session)
        try:
            await session.run()
        finally:
            self._sessions.discard(session)
