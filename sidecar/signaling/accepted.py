"""A WebSocket connection from the moment in which its socket was accepted."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import suppress
from typing import Any, Final

from websockets.asyncio.server import Server, ServerConnection
from websockets.protocol import Event
from websockets.server import ServerProtocol

from sidecar.limits import Limits
from sidecar.signaling.connection import TOO_MANY_MESSAGES, WebSocketConnection
from sidecar.signaling.connection_table import ConnectionTable, Place
from sidecar.signaling.limits import MESSAGES_INTERVAL_S, TokenBucket

ACCEPTED_AT_ONCE: Final = 8
"""By one listener, before those that came before are looked at."""

ACCEPTING: Final = 4 * 4 * ACCEPTED_AT_ONCE
"""How many sockets may be open for which there is no place (yet): it takes the loop four turns to
accept one, look at it and close it, and there are up to four listeners."""

BACKLOG: Final = 128
"""How many the system keeps waiting meanwhile: a whole class comes in the same moment."""

READ_BYTES: Final = 4096
"""Taken from a socket at once: hundreds of frames, which are all decoded before anybody else has
their turn."""

FRAMES_PER_MESSAGE: Final = 4
"""How many WebSocket frames there may be for each message, pings and pongs included."""


class AcceptedConnection(ServerConnection):
    """What websockets makes of a socket, and what is to be settled below the messages.

    Args:
        protocol: As of websockets.
        server: Likewise.
        limits: What its client may use.
        table: Where it needs a place.
        options: As of websockets.

    Attributes:
        place: Its place in the table; None if there is none, and it is cut at once.
    """

    def __init__(
        self,
        protocol: ServerProtocol,
        server: Server,
        *,
        limits: Limits,
        table: ConnectionTable,
        **options: Any,
    ) -> None:
        super().__init__(protocol, server, **options)
        self.place: Place | None = None
        self._table = table
        max_frames = FRAMES_PER_MESSAGE * limits.max_messages_per_second
        self._frames = TokenBucket(max_frames, MESSAGES_INTERVAL_S, time.monotonic)
        self._bytes = TokenBucket(limits.max_signaling_bytes, MESSAGES_INTERVAL_S, time.monotonic)
        self._is_throttled = False
        self._closing: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is ours from here on, if there is a place for it.

        Otherwise nothing has begun yet: the loop does not even wait for it.
        """
        assert isinstance(transport, asyncio.Transport)
        peer = transport.get_extra_info("peername")
        self.place = self._table.take(peer[0] if peer else None, transport.abort)
        if self.place is None:
            transport.abort()
            return
        _send_at_once(transport)
        # CPython's own buffer is 256 KiB, which a client can fill with tens of thousands of frames.
        transport.max_size = READ_BYTES  # type: ignore[attr-defined]
        super().connection_made(transport)
        self.recv_messages.resume = self._read_on

    def data_received(self, data: bytes) -> None:
        """Take some bytes. Whoever sends too many is left waiting, which harms no one else."""
        super().data_received(data)
        wait_s = self._bytes.spend(len(data))
        if wait_s and not self._is_throttled:
            self._is_throttled = True
            self.transport.pause_reading()
            self.loop.call_later(wait_s, self._end_throttling)

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        if self.place is not None:
            self._table.release(self.place)
            super().connection_lost(exc)

    def _end_throttling(self) -> None:
        self._is_throttled = False
        self._read_on()

    def _read_on(self) -> None:
        # websockets stops reading as well, while there are frames that nobody has asked for.
        if not self._is_throttled and not self.recv_messages.paused:
            self.transport.resume_reading()

    def process_event(self, event: Event) -> None:
        """Take the request for a WebSocket, or one frame of it.

        A session sees whole messages only. Pings, and fragments of a message that never ends, are
        work for us as well.
        """
        if self.request is None or self._frames.take():
            super().process_event(event)
        elif self._closing is None:
            closing = WebSocketConnection(self).close(TOO_MANY_MESSAGES)
            self._closing = self.loop.create_task(closing)


def _send_at_once(transport: asyncio.BaseTransport) -> None:
    """Switch Nagle's algorithm off, or an event right behind another waits for an ACK (RFC 896).

    asyncio does so for sockets that say they are TCP, which an accepted one says only if its
    listener was made with the protocol's number.
    """
    with suppress(OSError):  # The client has hung up already.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
