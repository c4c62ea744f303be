"""A TCP relay on loopback that can hold up everything, as a network that is away does."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

CHUNK_BYTES = 65536


class TcpRelay:
    """Forwards connections to one server; while it is stalled, nothing passes, and nothing is lost.

    Args:
        target: Host and port of the server.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._flows = asyncio.Event()
        self._flows.set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Of the WebSocket, over this relay."""
        assert self._server is not None
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"ws://{host}:{port}"

    def stall(self) -> None:
        """Hold up everything in both directions from now on."""
        self._flows.clear()

    def go_on(self) -> None:
        """Let everything through, first what was held up."""
        self._flows.set()

    async def start(self) -> None:
        """Begin to accept connections."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)

    async def close(self) -> None:
        """Accept no more; what there is ends with its ends."""
        assert self._server is not None
        self._server.close()
        self.go_on()
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(CHUNK_BYTES):
                await self._flows.wait()
                writer.write(data)
                await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@asynccontextmanager
async def tcp_relay(url: str) -> AsyncIterator[TcpRelay]:
    """A relay to the server of a WebSocket URL, in the running event loop."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    relay = TcpRelay((parts.hostname, parts.port))
    await relay.start()
    try:
        yield relay
    finally:
        await relay.close()
