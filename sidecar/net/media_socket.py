"""The socket of the media port."""

from __future__ import annotations

import errno
import logging
import socket
from typing import Final

from sidecar.net.platform import (
    SOCKET_BUFFER_BYTES,
    ask_for_local_addresses,
    configure_media_socket,
)

logger = logging.getLogger(__name__)

_EVERYWHERE: Final = ("", "0.0.0.0", "::")

_TAKEN_ERRORS: Final = frozenset({errno.EADDRINUSE, errno.EACCES})
"""Windows answers EACCES for a port that another program holds exclusively."""


class NoFreePortError(OSError):
    """No port of the configured range could be bound."""


def open_media_socket(host: str, first_port: int, last_port: int) -> socket.socket:
    """Binds the media port: the first free one of a range.

    Args:
        host: The address or name to bind to; empty for all interfaces, by IPv4 and IPv6 as far as
            this machine has them.
        first_port: 0 for any free port.
        last_port: Inclusive.

    Raises:
        NoFreePortError: All are taken.
        OSError: The address is not one of this machine's.
    """
    family, address = _where(host)
    for port in range(first_port, last_port + 1):
        try:
            media_socket = _bound(family, address, port)
        except OSError as error:
            if error.errno not in _TAKEN_ERRORS:
                raise
            continue
        granted_bytes = configure_media_socket(media_socket)
        if granted_bytes < SOCKET_BUFFER_BYTES:
            logger.warning(
                "the system grants UDP buffers of %d KiB and not %d: a key frame for a full class "
                "may not fit (on Linux see net.core.rmem_max and net.core.wmem_max)",
                granted_bytes // 1024,
                SOCKET_BUFFER_BYTES // 1024,
            )
        return media_socket
    raise NoFreePortError(f"no free UDP port between {first_port} and {last_port}")


def bound_address(media_socket: socket.socket) -> str:
    """Where a media port can be reached: an address, or empty for all of both IP versions."""
    address: str = media_socket.getsockname()[0]
    return "" if is_dual_stack(media_socket) else address


def is_dual_stack(udp_socket: socket.socket) -> bool:
    """Whether a socket carries IPv4 as well as IPv6."""
    if udp_socket.family != socket.AF_INET6:
        return False
    return not udp_socket.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)


def _where(host: str) -> tuple[int, str]:
    """The family to listen with, and the address or name."""
    if not host:
        return (socket.AF_INET6 if _has_dual_stack() else socket.AF_INET), ""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    families = {family for family, *_ in found}
    return (socket.AF_INET if socket.AF_INET in families else socket.AF_INET6), host


def _has_dual_stack() -> bool:
    """Whether one socket can carry both IP versions here; somebody may have switched IPv6 off."""
    try:
        with _bound(socket.AF_INET6, "", 0):
            return True
    except OSError:
        return False


def _bound(family: int, address: str, port: int) -> socket.socket:
    bound = socket.socket(family, socket.SOCK_DGRAM)
    try:
        if family == socket.AF_INET6:
            # What an address without IPv4 means depends on the system otherwise.
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(bool(address)))
        if address in _EVERYWHERE:
            ask_for_local_addresses(bound)
        bound.bind((address, port))
    except OSError:
        bound.close()
        raise
    return bound
