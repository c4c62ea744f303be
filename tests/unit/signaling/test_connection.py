from __future__ import annotations

import asyncio

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.protocol import State

from sidecar.signaling import connection as connection_module
from sidecar.signaling.connection import TOO_SLOW, Disconnected, WebSocketConnection, unmapped


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("::1", "::1"),
    ],
)
def test_unmapped(address: str, expected: str) -> None:
    assert unmapped(address) == expected


async def test_closing_does_not_wait_for_a_client_that_reads_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection_module, "CLOSE_TIMEOUT_S", 0)
    closed: asyncio.Future[State] = asyncio.get_running_loop().create_future()

    async def handle(websocket: ServerConnection) -> None:
        connection = WebSocketConnection(websocket)
        # More than the sockets' buffers hold: this is never sent completely.
        sending = asyncio.create_task(connection.send(bytes(64 * 1024 * 1024)))
        await asyncio.sleep(0)
        assert connection.is_open
        await connection.close(TOO_SLOW)
        closed.set_result(websocket.state)
        with pytest.raises(Disconnected):
            await sending

    async with serve(handle, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with connect(f"ws://127.0.0.1:{port}", max_size=None) as client:
            client.transport.pause_reading()
            assert await closed is State.CLOSED
            client.transport.abort()
