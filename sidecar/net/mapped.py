"""IPv4 over sockets that carry IPv6 as well (RFC 4291 section 2.5.5.2).

Such a socket calls the IPv4 address 192.0.2.1 ``::ffff:192.0.2.1``. That is between us and the
system: everywhere else, and to peers, an IPv4 address is one.
"""

from __future__ import annotations

import socket
from functools import lru_cache
from typing import Any, Final

from sidecar.net.ice import remote_of

_PREFIX: Final = "::ffff:"


@lru_cache(maxsize=1024)
def plain(address: tuple[Any, ...]) -> tuple[Any, ...]:
    """A socket's address as it is meant: an IPv4 one as such, and a host without its scope.

    Args:
        address: Of an IPv6 socket.
    """
    host, port, flow, scope = address
    host = host.partition("%")[0]
    if host.startswith(_PREFIX) and "." in host:
        return host.removeprefix(_PREFIX), port
    return host, port, flow, scope


@lru_cache(maxsize=1024)
def written_for(family: int, address: tuple[Any, ...]) -> tuple[Any, ...]:
    """An address as a socket of a family takes it.

    Args:
        family: AF_INET or AF_INET6.
        address: As sockets or a ``Path`` say it.
    """
    remote = remote_of(address)
    if family == socket.AF_INET or ":" in remote[0]:
        return remote
    return _PREFIX + remote[0], remote[1], 0, 0
