"""Sending and receiving datagrams with as few system calls as possible."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from typing import Final, Protocol

from sidecar.net.ice import Address
from sidecar.net.limits import MAX_RECEIVED_BYTES, RECEIVED_AT_ONCE
from sidecar.net.platform import max_segments, send_segments

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

    def send_run(self, datagrams: Sequence[memoryview], address: Address) -> None:
        """Sends datagrams of one size to one address, in their order.

        Args:
            datagrams: The last one may be shorter than the others.
            address: Where to.
        """
        if self.max_segments == 1 or len(datagrams) == 1:
            for datagram in datagrams:
                self.send(datagram, address)
            return
        try:
            send_segments(self._socket, datagrams, len(datagrams[0]), address)
        except OSError as error:
            if error.errno not in _REFUSALS:
                self.dropped += len(datagrams)
                return
            self.max_segments = 1
            self.send_run(datagrams, address)


class Receiver(Protocol):
    """Takes what arrives over one UDP socket."""

    def receive(self) -> Sequence[tuple[bytes, Address]]:
        """Takes what is there, as much as it can at once; nothing if there is nothing.

        Returns:
            Datagrams, and where each comes from.
        """
        ...


class DatagramReceiver:
    """Takes one datagram by each call: a `Receiver` for every system."""

    def __init__(self, udp_socket: socket.socket) -> None:
        self._receive = udp_socket.recvfrom

    def receive(self) -> Sequence[tuple[bytes, Address]]:
        """Takes up to `RECEIVED_AT_ONCE` datagrams."""
        received: list[tuple[bytes, Address]] = []
        for _ in range(RECEIVED_AT_ONCE):
            try:
                received.append(self._receive(MAX_RECEIVED_BYTES))
            except BlockingIOError:
                break
            except OSError:
                continue  # Windows reports an earlier datagram's ICMP error here
        return received
