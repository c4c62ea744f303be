"""The two ports of a server, and in plain words why one of them can't be had."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from typing import Final

from sidecar.errors import (
    CannotListenError,
    MediaPortsTakenError,
    NoNetworkInterfaceError,
    PortForbiddenError,
    PortTakenError,
    StartupError,
)
from sidecar.lifecycle.port_holder import holder_of
from sidecar.net.addresses import AddressBook, system_addresses
from sidecar.net.media_socket import NoFreePortError, bound_address, open_media_socket
from sidecar.net.platform import monotonic_ns
from sidecar.settings import Settings
from sidecar.signaling.listen import listen

FALLBACK_PORTS: Final = 1000
"""Windows reserves whole blocks of ports for others, some hundreds in a row."""

_ANOTHER_PORT: Final = (
    "choose another port with --port (0 for any free one), or add --port-fallback."
)


class Ports:
    """Both ports, open: who knocks is kept waiting by the system until somebody serves.

    Args:
        listeners: The sockets of the TCP port, one for each kind of address.
        media_socket: The UDP port's.
        address_book: What peers are told.
    """

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        media_socket: socket.socket,
        address_book: AddressBook,
    ) -> None:
        self.listeners = listeners
        self.media_socket = media_socket
        self.address_book = address_book

    @property
    def tcp(self) -> int:
        """The number of the TCP port."""
        number: int = self.listeners[0].getsockname()[1]
        return number

    @property
    def udp(self) -> int:
        """The number of the UDP port."""
        number: int = self.media_socket.getsockname()[1]
        return number

    def close(self) -> None:
        """Give both back; whoever serves on them must have ended."""
        for each in (*self.listeners, self.media_socket):
            each.close()


async def open_ports(settings: Settings) -> Ports:
    """Open the ports.

    Raises:
        StartupError: One can't be had, or there is no network for it.
    """
    media_socket, address_book = open_media(settings)
    try:
        return Ports(await _listen(settings), media_socket, address_book)
    except StartupError:
        media_socket.close()
        raise


def open_media(settings: Settings) -> tuple[socket.socket, AddressBook]:
    """Open the UDP port alone, and find out what to tell peers of it.

    Raises:
        StartupError: It can't be had, or there is no network for it.
    """
    media_socket = _open_media_socket(settings)
    try:
        address_book = AddressBook(
            bound_to=bound_address(media_socket), announced=settings.announce
        )
        found = system_addresses()
        if not found and address_book.follows_system:
            raise NoNetworkInterfaceError(
                "this computer has no network address, not even for itself",
                "Switch a network interface on, or give an address with --host.",
            )
        address_book.update(found, monotonic_ns())
    except StartupError:
        media_socket.close()
        raise
    return media_socket, address_book


def _open_media_socket(settings: Settings) -> socket.socket:
    ports = settings.media_ports
    try:
        return open_media_socket(settings.host, ports.first, ports.last)
    except NoFreePortError as error:
        raise MediaPortsTakenError(
            f"all UDP ports for media ({ports}) are taken",
            "Choose others with --media-ports, or 0 for any free one.",
        ) from error
    except OSError as error:
        raise _cannot_listen(settings, error) from error


async def _listen(settings: Settings) -> list[socket.socket]:
    """Listen on the TCP port, or on one after it if that is allowed."""
    ports = _candidates(settings)
    for port in ports[:-1]:
        try:
            return await listen(settings.host, port)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise _cannot_listen(settings, error) from error
    try:
        return await listen(settings.host, ports[-1])
    except OSError as error:
        raise _no_port(settings, ports, error) from error


def _candidates(settings: Settings) -> Sequence[int]:
    if settings.port == 0 or not settings.port_fallback:
        return [settings.port]
    return range(settings.port, min(settings.port + FALLBACK_PORTS, 1 << 16))


def _no_port(settings: Settings, ports: Sequence[int], error: OSError) -> StartupError:
    match error.errno:
        case errno.EADDRINUSE | errno.EACCES if len(ports) > 1:
            return PortTakenError(
                f"TCP ports {ports[0]} to {ports[-1]} are all taken",
                "Choose another port with --port (0 for any free one).",
            )
        case errno.EADDRINUSE:
            return _port_taken(settings.port)
        case errno.EACCES:
            return PortForbiddenError(
                f"TCP port {settings.port} may not be used here",
                "Choose a port above 1023 with --port (0 for any free one).",
            )
    return _cannot_listen(settings, error)


def _port_taken(port: int) -> PortTakenError:
    pid = holder_of(port)
    if pid is None:
        return PortTakenError(
            f"TCP port {port} is taken by another program", f"Stop that program, {_ANOTHER_PORT}"
        )
    return PortTakenError(
        f"TCP port {port} is taken by another classroom-sfu, process {pid}",
        f"Was it started twice? Stop that one, {_ANOTHER_PORT}",
    )


def _cannot_listen(settings: Settings, error: OSError) -> CannotListenError:
    return CannotListenError(
        f"cannot listen on {settings.host or 'all interfaces'}: {error.strerror or error}",
        "Give an address of this computer with --host, or leave it out for all.",
    )
