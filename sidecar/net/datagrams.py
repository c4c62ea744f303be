"""Sending datagrams with as few system calls as possible."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator, Sequence
from typing import Final

from sidecar.net.ice import Address
from sidecar.net.platform import max_segments, segment_size_option

MAX_RUN_BYTES: Final = 60_000
"""A run goes to the kernel as one UDP datagram's worth of bytes: at most 65,507."""

_REFUSALS: Final = frozenset(
    {errno.EINVAL, errno.EIO, errno.EMSGSIZE, errno.ENOPROTOOPT, errno.EOPNOTSUPP}
)
"""What a kernel says that cannot cut a run into datagrams: on this device, or at all."""


class DatagramSender:
    """Sends over one UDP socket.

    A system call costs more than everything else that is done with a packet. Where the kernel can
    cut a buffer into datagrams (Linux: UDP_SEGMENT), a run of datagrams of one size to one address
    goes out by a single call.

    Attributes:
        max_segments: How many datagrams one call may send, 1 if the system can't. Lowered to 1
            when the kernel refuses.
        dropped: Datagrams that the system did not take: lost, as on any network.
    """

    def __init__(self, udp_socket: socket.socket) -> None:
        self.max_segments = max_segments(udp_socket)
        self.dropped = 0
        self._socket = udp_socket

    def send(self, datagram: bytes | memoryview, address: Address) -> None:
        """Sends one datagram."""
        try:
            self._socket.sendto(datagram, address)
        except OSError:
            self.dropped += 1

    def send_all(self, datagrams: Sequence[memoryview], address: Address) -> None:
        """Sends datagrams to one address, in their order."""
        if len(datagrams) == 1 or self.max_segments == 1:
            for datagram in datagrams:
                self.send(datagram, address)
            return
        for run in equal_runs(datagrams, self.max_segments):
            if len(run) == 1:
                self.send(run[0], address)
            else:
                self._send_run(run, address)

    def _send_run(self, run: Sequence[memoryview], address: Address) -> None:
        option = segment_size_option(len(run[0]))
        try:
            self._socket.sendmsg(run, (option,), 0, address)
        except OSError as error:
            if error.errno not in _REFUSALS:
                self.dropped += len(run)
                return
            self.max_segments = 1
            for datagram in run:
                self.send(datagram, address)


def equal_runs(
    datagrams: Sequence[memoryview], max_segments: int
) -> Iterator[Sequence[memoryview]]:
    """Cuts datagrams into runs of one size; the last of a run may be shorter than the others."""
    count = len(datagrams)
    start = 0
    while start < count:
        size_bytes = len(datagrams[start])
        limit = min(count, start + max_segments, start + MAX_RUN_BYTES // size_bytes)
        end = start + 1
        while end < limit and len(datagrams[end]) == size_bytes:
            end += 1
        if end < limit and len(datagrams[end]) < size_bytes:
            end += 1
        yield datagrams[start:end]
        start = end
