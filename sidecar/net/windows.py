"""What `sidecar.net.platform` does on Windows, where Python knows no function for it.

Nothing of this is imported elsewhere. Names that other systems' Pythons lack are looked up by name.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import socket
from collections.abc import Sequence
from typing import Any, Final

_SIO_UDP_CONNRESET: Final = 0x9800000C
"""Whether an ICMP "port unreachable" makes the next receive fail."""

UDP_SEND_MSG_SIZE: Final = 2
"""Into datagrams of which size a send is cut, 0 for none (ws2ipdef.h)."""

FILE_TYPE_PIPE: Final = 3

_LOCKED_BYTE: Final = 1 << 20


def ignore_port_unreachable(media_socket: socket.socket) -> None:
    """Switches SIO_UDP_CONNRESET off, which `socket.ioctl` does not know."""
    disabled = ctypes.c_uint32(0)
    returned = ctypes.c_uint32(0)
    _library("ws2_32").WSAIoctl(
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


def send_in_messages(
    udp_socket: socket.socket,
    buffers: Sequence[bytes | memoryview],
    size_bytes: int,
    address: tuple[Any, ...],
) -> None:
    """Sends a buffer as datagrams of one size.

    The size is an option of the socket. It is taken back at once: whatever is longer would be cut
    as well.
    """
    data = buffers[0] if len(buffers) == 1 else b"".join(buffers)
    udp_socket.setsockopt(socket.IPPROTO_UDP, UDP_SEND_MSG_SIZE, size_bytes)
    try:
        udp_socket.sendto(data, address)
    finally:
        udp_socket.setsockopt(socket.IPPROTO_UDP, UDP_SEND_MSG_SIZE, 0)


def wake_on_signal(loop: asyncio.AbstractEventLoop) -> None:
    """Has signals end the loop's waiting, which they do not do by themselves on Windows.

    Python's handlers run when the main thread comes back from `select`.
    """
    alarm, bell = socket.socketpair()
    for each in (alarm, bell):
        each.setblocking(False)
    signal.set_wakeup_fd(bell.fileno(), warn_on_full_buffer=False)
    # The callback keeps the sockets alive as long as the loop.
    loop.add_reader(alarm, lambda: (alarm.recv(64), bell))


def file_type(descriptor: int) -> int:
    """GetFileType of what a descriptor stands for; 0 if it is unknown."""
    kind: int = _library("kernel32").GetFileType(_handle(descriptor))
    return kind


def is_console(descriptor: int) -> bool:
    """Whether it is a console. `os.isatty` says yes to NUL as well."""
    mode = ctypes.c_uint32(0)
    return bool(_library("kernel32").GetConsoleMode(_handle(descriptor), ctypes.byref(mode)))


class _ProcessMemoryCounters(ctypes.Structure):
    """PROCESS_MEMORY_COUNTERS; the sizes are SIZE_T."""

    _fields_ = (
        ("cb", ctypes.c_uint32),
        ("PageFaultCount", ctypes.c_uint32),
        ("PeakWorkingSetSize", ctypes.c_size_t),
        ("WorkingSetSize", ctypes.c_size_t),
        ("QuotaPeakPagedPoolUsage", ctypes.c_size_t),
        ("QuotaPagedPoolUsage", ctypes.c_size_t),
        ("QuotaPeakNonPagedPoolUsage", ctypes.c_size_t),
        ("QuotaNonPagedPoolUsage", ctypes.c_size_t),
        ("PagefileUsage", ctypes.c_size_t),
        ("PeakPagefileUsage", ctypes.c_size_t),
    )


def working_set_bytes() -> int | None:
    """What this process has in memory."""
    this_process = ctypes.c_void_p(-1)
    counters = _ProcessMemoryCounters()
    counters.cb = ctypes.sizeof(counters)
    # Since Windows 7 it is in kernel32, by this name.
    succeeded = _library("kernel32").K32GetProcessMemoryInfo(
        this_process, ctypes.byref(counters), ctypes.c_uint32(counters.cb)
    )
    return int(counters.WorkingSetSize) if succeeded else None


def lock(descriptor: int) -> None:
    """Locks a file: one byte beyond its end, since nobody else may read what is locked.

    Raises:
        OSError: Another one has locked it.
    """
    import msvcrt

    os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
    try:
        _named(msvcrt, "locking")(descriptor, _named(msvcrt, "LK_NBLCK"), 1)
    finally:
        os.lseek(descriptor, 0, os.SEEK_SET)


def _handle(descriptor: int) -> ctypes.c_void_p:
    import msvcrt

    return ctypes.c_void_p(_named(msvcrt, "get_osfhandle")(descriptor))


def _library(name: str) -> Any:
    return _named(ctypes, "WinDLL")(name)


def _named(module: object, name: str) -> Any:
    return getattr(module, name)
