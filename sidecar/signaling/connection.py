"""A WebSocket connection as a session sees it."""

from __future__ import annotations

import asyncio
import ipaddress
from typing import Final, NamedTuple, Protocol

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

CLOSE_TIMEOUT_S: Final = 1.0
"""How long a client may take to agree to a close before the connection is cut."""


class CloseReason(NamedTuple):
    """Why we close a connection (RFC 6455, section 7.4)."""

    code: int
    reason: str = ""


NORMAL: Final = CloseReason(1000)
GOING_AWAY: Final = CloseReason(1001, "Server is stopping")
TOO_MANY_MESSAGES: Final = CloseReason(1008, "Too many messages")
TOO_MANY_INVALID_MESSAGES: Final = CloseReason(1008, "Too many invalid messages")
NO_SIGN_OF_LIFE: Final = CloseReason(1011, "No sign of life")
DEFECT: Final = CloseReason(1011, "Internal error")
ROOM_LOST: Final = CloseReason(1012, "Room lost, join again")
FULL: Final = CloseReason(1013, "Server is full")
TOO_SLOW: Final = CloseReason(1013, "Too slow")
REPLACED: Final = CloseReason(4000, "Replaced by another connection")
MEDIA_LOST: Final = CloseReason(4001, "Media connection lost")


class Disconnected(Exception):
    """The connection is closed, whoever closed it."""


class Connection(Protocol):
    """Frames in, frames out."""

    @property
    def is_open(self) -> bool:
        """Whether neither side has begun to close it."""

    @property
    def local_address(self) -> str | None:
        """The IP address of our end; None if unknown."""

    @property
    def remote_address(self) -> str | None:
        """The IP address of the client's end; None if unknown."""

    async def receive(self) -> str | bytes:
        """The next frame: text or, for a binary frame, bytes.

        Raises:
            Disconnected: There are no more.
        """

    async def send(self, text: bytes) -> None:
        """Send UTF-8 text, waiting while the client's buffers are full.

        Raises:
            Disconnected: The client won't get it.
        """

    async def ping(self) -> None:
        """Send a ping and wait for its pong.

        Raises:
            Disconnected: It won't come.
        """

    async def wait_closed(self) -> None:
        """Wait until the connection is closed, whoever closed it."""

    async def close(self, reason: CloseReason) -> None:
        """Close the connection. It is closed on return, whether the client took part or not."""


class WebSocketConnection:
    """A ``Connection`` over the websockets library."""

    def __init__(self, websocket: ServerConnection) -> None:
        self._websocket = websocket

    @property
    def is_open(self) -> bool:
        """Whether neither side has begun to close it."""
        return self._websocket.state is State.OPEN

    @property
    def local_address(self) -> str | None:
        """The IP address of our end; None if unknown."""
        address = self._websocket.local_address
        return unmapped(address[0]) if address else None

    @property
    def remote_address(self) -> str | None:
        """The IP address of the client's end; None if unknown."""
        address = self._websocket.remote_address
        return unmapped(address[0]) if address else None

    async def receive(self) -> str | bytes:
        """See ``Connection``."""
        try:
            return await self._websocket.recv()
        except ConnectionClosed as error:
            raise Disconnected from error

    async def send(self, text: bytes) -> None:
        """See ``Connection``."""
        try:
            await self._websocket.send(text, text=True)
        except ConnectionClosed as error:
            raise Disconnected from error

    async def ping(self) -> None:
        """See ``Connection``."""
        try:
            pong = await self._websocket.ping()
            await pong
        except ConnectionClosed as error:
            raise Disconnected from error

    async def wait_closed(self) -> None:
        """See ``Connection``."""
        await self._websocket.wait_closed()

    async def close(self, reason: CloseReason) -> None:
        """See ``Connection``."""
        try:
            # The library's own timeout begins only when the close frame is written, which a
            # client that reads nothing puts off for ever.
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._websocket.close(reason.code, reason.reason)
        except TimeoutError:
            self._websocket.transport.abort()
            await self._websocket.wait_closed()


def unmapped(address: str) -> str:
    """An IPv4 address as such, also when it comes mapped into IPv6 (RFC 4291, 2.5.5.2)."""
    parsed = ipaddress.ip_address(address)
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return str(mapped or address)
