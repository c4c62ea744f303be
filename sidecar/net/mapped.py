"""IPv4 over sockets that carry IPv6 as well (RFC 4291 section 2.5.5.2).

Such a socket calls the IPv4 address 192.0.2.1 ``::ffff:192.0.2.1``. That is between us and the
system: everywhere else, and to peers, an IPv4 address is one.
"""

from __future__ import annotations

import socket
import struct
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


@lru_cache(maxsize=1024)
def packed_name(family: int, address: tuple[Any, ...]) -> bytes:
    """An address as a system's functions take it: a ``sockaddr_in`` or ``sockaddr_in6``.

    Args:
        family: Of the socket.
        address: As for `written_for`.
    """
    host, port, *rest = written_for(family, address)
    name = struct.pack("=H", family) + struct.pack("!H", port)
    if family == socket.AF_INET6:
        flow, scope = rest
        name += struct.pack("!I", flow)
        return name + socket.inet_pton(family, host.partition("%")[0]) + struct.pack("=I", scope)
    return name + socket.inet_pton(family, host) + bytes(8)


@lru_cache(maxsize=1024)
def unpacked_name(family: int, name: bytes) -> tuple[Any, ...]:
    """The opposite of `packed_name`; an IPv4 address is one, see `plain`."""
    (port,) = struct.unpack_from("!H", name, 2)
    if family == socket.AF_INET6:
        (flow,) = struct.unpack_from("!I", name, 4)
        (scope,) = struct.unpack_from("=I", name, 24)
        return plain((socket.inet_ntop(family, name[8:24]), port, flow, scope))
    return socket.inet_ntop(family, name[4:8]), port
