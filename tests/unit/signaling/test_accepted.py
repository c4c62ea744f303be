"""Sockets as the server has them, over loopback."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator

import pytest
from websockets.asyncio.client import connect

from sidecar.limits import Limits
from sidecar.signaling.accepted import READ_BYTES, AcceptedConnection
from tests.unit.signaling.test_server import Site, join


@pytest.fixture
def transports(monkeypatch: pytest.MonkeyPatch) -> list[asyncio.Transport]:
    """Of every connection that is accepted."""
    accepted: list[asyncio.Transport] = []
    connection_made = AcceptedConnection.connection_made

    def remember(self: AcceptedConnection, transport: asyncio.BaseTransport) -> None:
        connection_made(self, transport)
        assert isinstance(transport, asyncio.Transport)
        accepted.append(transport)

    monkeypatch.setattr(AcceptedConnection, "connection_made", remember)
    return accepted


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """A server on all interfaces, as it is by default."""
    site = Site()
    await site.start("")
    yield site
    await site.server.close()


@pytest.mark.parametrize("address", ["127.0.0.1", "[::1]"])
async def test_no_event_waits_for_the_acknowledgement_of_the_one_before(
    site: Site, transports: list[asyncio.Transport], address: str
) -> None:
    if address == "[::1]" and not socket.has_dualstack_ipv6():
        pytest.skip("needs IPv6")
    async with connect(f"ws://{address}:{site.port}") as client:
        await join(client, "ann")
        [transport] = transports
        accepted = transport.get_extra_info("socket")
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


async def test_little_is_taken_from_a_socket_at_once(
    site: Site, transports: list[asyncio.Transport], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    data_received = AcceptedConnection.data_received

    def measure(self: AcceptedConnection, data: bytes) -> None:
        sizes.append(len(data))
        data_received(self, data)

    monkeypatch.setattr(AcceptedConnection, "data_received", measure)
    async with connect(site.url) as client:
        await client.send("x" * 60_000)
        assert "Invalid message format" in str(await client.recv())
    assert sum(sizes) > 60_000
    assert max(sizes) <= READ_BYTES


async def test_who_sends_too_much_is_read_later(transports: list[asyncio.Transport]) -> None:
    site = Site(limits=Limits(max_signaling_bytes=65_536))
    await site.start()
    async with connect(site.url) as client, connect(site.url) as other:
        await join(client, "ann")
        [transport, _] = transports
        padding = " " * 60_000
        frame = '{"type":"getProducers"}' + padding
        for _ in range(3):
            await client.send(frame)
        assert "producers" in str(await client.recv())
        while transport.is_reading():  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0)
        await join(other, "ben")
        replies = [json.loads(await client.recv())["type"] for _ in range(3)]
        assert sorted(replies) == ["peerJoined", "producers", "producers"]
    await site.server.close()
