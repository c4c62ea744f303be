"""The socket of the media port."""

from __future__ import annotations

import errno
import logging
import socket
from typing import Final

from sidecar.net.platform import SOCKET_BUFFER_BYTES, configure_media_socket

logger = logging.getLogger(__name__)

_TAKEN_ERRORS: Final = frozenset({errno.EADDRINUSE, errno.EACCES})
"""Windows answers EACCES for a port that another program holds exclusively."""


class NoFreePortError(OSError):
    """No port of the configured range could be bound."""


def open_media_socket(host: str, first_port: int, last_port: int) -> socket.socket:
    """Binds the media port: the first free one of a range.

    Args:
        host: The address to bind to; empty for all IPv4 interfaces.
        first_port: 0 for any free port.
        last_port: Inclusive.

    Raises:
        NoFreePortError: All are taken.
        OSError: The address is not one of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in range(first_port, last_port + 1):
        media_socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            media_socket.bind((host, port))
        except OSError as error:
            media_socket.close()
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
