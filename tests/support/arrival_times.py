"""When the kernel took in a datagram, which is before whoever reads the socket gets round to it."""

from __future__ import annotations

import socket
import struct
import sys
import time

# Of Linux (asm-generic/socket.h); Python has no name for it.
SO_TIMESTAMPNS = 35
ANCILLARY_BYTES = 64

_timespec = struct.Struct("@qq")
NS_PER_SECOND = 1_000_000_000


def enable_arrival_times(receiver: socket.socket) -> None:
    """Ask the kernel to stamp what arrives.

    Where it cannot, `receive_stamped` falls back on the time of reading.
    """
    if sys.platform == "linux":
        receiver.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)


def receive_stamped(receiver: socket.socket, size_bytes: int) -> tuple[bytes, tuple[str, int], int]:
    """Receive a datagram, its source, and its arrival in nanoseconds of the wall clock."""
    datagram, ancillary, _, address = receiver.recvmsg(size_bytes, ANCILLARY_BYTES)
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
            seconds, nanoseconds = _timespec.unpack(data)
            return datagram, address, seconds * NS_PER_SECOND + nanoseconds
    return datagram, address, time.time_ns()
