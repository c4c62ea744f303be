"""All that differs between operating systems, behind the same few functions."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import Callable
from typing import Final

IS_WINDOWS: Final = sys.platform == "win32"

SOCKET_BUFFER_BYTES: Final = 2 * 1024 * 1024
"""A key frame to a full class is some 50 students x 60 packets x 1.2 kB in one burst."""

_SIO_UDP_CONNRESET: Final = 0x9800000C
"""Windows: whether an ICMP "port unreachable" makes the next receive fail."""


def event_loop_factory() -> asyncio.AbstractEventLoop:
    """Makes the event loop: selectors everywhere.

    The proactor loop of Windows stops a datagram endpoint's reading after an ICMP error, and has
    no ``add_reader``.
    """
    return asyncio.SelectorEventLoop()


def configure_media_socket(media_socket: socket.socket) -> None:
    """Makes a UDP socket fit for media: non-blocking, large buffers, deaf to ICMP errors."""
    media_socket.setblocking(False)
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        media_socket.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER_BYTES)
    if IS_WINDOWS:
        _ignore_port_unreachable(media_socket)


def on_stop_signal(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    """Calls `stop` in the loop for SIGINT and SIGTERM; on Windows for Ctrl-C and Ctrl-Break."""
    if not IS_WINDOWS:
        loop.add_signal_handler(signal.SIGINT, stop)
        loop.add_signal_handler(signal.SIGTERM, stop)
        return
    ctrl_break = getattr(signal, "SIGBREAK")  # noqa: B009 - absent elsewhere
    for number in (signal.SIGINT, ctrl_break):
        signal.signal(number, lambda *_arguments: loop.call_soon_threadsafe(stop))


def _ignore_port_unreachable(media_socket: socket.socket) -> None:
    """Switches SIO_UDP_CONNRESET off, which `socket.ioctl` does not know."""
    import ctypes

    windll = getattr(ctypes, "WinDLL")  # noqa: B009 - absent elsewhere
    disabled = ctypes.c_uint32(0)
    returned = ctypes.c_uint32(0)
    windll("ws2_32").WSAIoctl(
        ctypes.c_void_p(media_socket.fileno()),
        ctypes.c_uint32(_SIO_UDP_CONNRESET),
        ctypes.byref(disabled),
        ctypes.sizeof(disabled),
        None,
        0,
        ctypes.byref(returned),
        None,
        None,
    )
