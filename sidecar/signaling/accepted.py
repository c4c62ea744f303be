"""A WebSocket connection from the moment in which its socket was accepted."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Final

from websockets.asyncio.server import ServerConnection

READ_BYTES: Final = 4096
"""Taken from a socket at once: hundreds of frames, which are all decoded before anybody else has
their turn."""


class AcceptedConnection(ServerConnection):
    """What websockets makes of a socket, and what is to be settled before the first byte."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is ours from here on."""
        _send_at_once(transport)
        # CPython's own buffer is 256 KiB, which a client can fill with tens of thousands of frames.
        transport.max_size = READ_BYTES  # type: ignore[attr-defined]
        super().connection_made(transport)


def _send_at_once(transport: asyncio.BaseTransport) -> None:
    """Switch Nagle's algorithm off, or an event right behind another waits for an ACK (RFC 896).

    asyncio does so for sockets that say they are TCP, which an accepted one says only if its
    listener was made with the protocol's number.
    """
    with suppress(OSError):  # The client has hung up already.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
