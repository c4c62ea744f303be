"""The sockets that a server listens on."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, Final, TypeAlias

_Address: TypeAlias = tuple[socket.AddressFamily, tuple[Any, ...]]

_NOT_HERE: Final = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
_ATTEMPTS: Final = 16


async def listen(host: str, port: int) -> list[socket.socket]:
    """Listen on every address of ``host``, all on the same port.

    IPv4 and IPv6 get sockets of their own: one socket for both isn't to be had everywhere.

    Args:
        host: An address or a name; "" is all interfaces.
        port: 0 is any free one.

    Raises:
        OSError: The host is unknown or not this one, or the port is taken or not permitted.
    """
    found = await asyncio.get_running_loop().getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    addresses = [(family, address) for family, _, _, _, address in found]
    for _ in range(_ATTEMPTS - 1 if port == 0 else 0):
        try:
            return _listen_on_all(addresses, port)
        except OSError as error:
            # The port that was free on one address may be taken on the next: choose again.
            if error.errno != errno.EADDRINUSE:
                raise
    return _listen_on_all(addresses, port)


def _listen_on_all(addresses: Sequence[_Address], port: int) -> list[socket.socket]:
    listening: list[socket.socket] = []
    missing: OSError | None = None
    with ExitStack() as stack:
        for family, (address, _, *scope) in addresses:
            try:
                listener = socket.create_server((address, port, *scope), family=family)
            except OSError as error:
                if error.errno not in _NOT_HERE:
                    raise
                missing = error
                continue
            listening.append(stack.enter_context(listener))
            port = listener.getsockname()[1]
        if not listening:
            raise missing or OSError(errno.EADDRNOTAVAIL, "no address to listen on")
        stack.pop_all()
    return listening
