"""Sending and receiving datagrams with as few system calls as possible."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from typing import Final, Protocol

from sidecar.net.ice import Address, Path
from sidecar.net.limits import MAX_RECEIVED_BYTES, RECEIVED_AT_ONCE
from sidecar.net.mapped import plain, written_for
from sidecar.net.platform import max_segments, send_segments

_REFUSALS: Final = frozenset({errno.EINVAL, errno.EIO, errno.EMSGSIZE})
"""What a kernel says that cannot cut a run on its way to one destination: the path takes only short
datagrams, or the device leaves the checksum to somebody else."""

_NOT_AT_ALL: Final = frozenset({errno.ENOPROTOOPT, errno.EOPNOTSUPP})
"""What one says that cannot cut runs."""

REFUSALS_KEPT_NS: Final = 60_000_000_000
"""For so long a destination that was refused gets its datagrams one by one."""

MAX_REFUSED_DESTINATIONS: Final = 64
"""If there are more, everybody gets them one by one."""


class DatagramSender:
    """Sends over one UDP socket.

    A system call costs more than everything else that is done with a packet. Where the kernel can
    cut a buffer into datagrams (Linux: UDP_SEGMENT), a run of datagrams of one size to one address
    goes out by a single call.

    Attributes:
        max_segments: How many datagrams one call may send, 1 if the system can't, or refuses them
            for too many destinations at the moment.
        dropped: Datagrams that the system did not take: lost, as on any network.
    """

    def __init__(self, udp_socket: socket.socket) -> None:
        self.max_segments = self._capability = max_segments(udp_socket)
        self.dropped = 0
        self._refused: set[Address] = set()
        self._refused_since_ns: int | None = None
        self._socket = udp_socket
        self._family = udp_socket.family

    def send(self, datagram: bytes | memoryview, address: Address) -> None:
        """Sends one datagram."""
        if not self._send(datagram, address):
            self.dropped += 1

    def send_run(self, datagrams: Sequence[memoryview], address: Address) -> None:
        """Sends datagrams of one size to one address, in their order.

        Args:
            datagrams: The last one may be shorter than the others.
            address: Where to.
        """
        if self.max_segments == 1 or len(datagrams) == 1 or address in self._refused:
            for datagram in datagrams:
                self.send(datagram, address)
            return
        local = address.local if type(address) is Path else ""
        try:
            name = written_for(self._family, address)
            send_segments(self._socket, datagrams, len(datagrams[0]), name, local)
        except OSError as error:
            if error.errno in _REFUSALS or error.errno in _NOT_AT_ALL:
                self._send_one_by_one(datagrams, address, error)
            else:
                self.dropped += len(datagrams)

    def forget_refusals(self, now_ns: int) -> None:
        """To be called now and then: paths change, so each destination is tried again in time.

        Args:
            now_ns: The time (monotonic).
        """
        if not self._refused:
            self._refused_since_ns = None
        elif self._refused_since_ns is None:
            self._refused_since_ns = now_ns
        elif now_ns - self._refused_since_ns >= REFUSALS_KEPT_NS:
            self._refused.clear()
            self._refused_since_ns = None
            self.max_segments = self._capability

    def _send_one_by_one(
        self, datagrams: Sequence[memoryview], address: Address, refusal: OSError
    ) -> None:
        """Sends a run that was refused. If its datagrams are not, it was for being a run."""
        sent = sum(self._send(datagram, address) for datagram in datagrams)
        self.dropped += len(datagrams) - sent
        if not sent:
            return
        if refusal.errno in _NOT_AT_ALL:
            self.max_segments = self._capability = 1
        elif len(self._refused) < MAX_REFUSED_DESTINATIONS:
            self._refused.add(address)
        else:
            self.max_segments = 1

    def _send(self, datagram: bytes | memoryview, address: Address) -> bool:
        """Sends one datagram, if the system takes it."""
        try:
            if type(address) is Path:
                name = written_for(self._family, address)
                send_segments(self._socket, (datagram,), 0, name, address.local)
            elif self._family == socket.AF_INET:
                self._socket.sendto(datagram, address)
            else:
                self._socket.sendto(datagram, written_for(self._family, address))
        except OSError:
            return False
        return True


class Receiver(Protocol):
    """Takes what arrives over one UDP socket."""

    def receive(self) -> Sequence[tuple[bytes, Address]]:
        """Takes what is there, as much as it can at once; nothing if there is nothing.

        Returns:
            Datagrams, and where each comes from.
        """
        ...

    def local_address(self, datagram: bytes) -> str:
        """To which of our addresses a datagram came, see `Path`; empty if the system won't say.

        Args:
            datagram: The object itself that the latest call of `receive` has returned.
        """
        ...


class DatagramReceiver:
    """Takes one datagram by each call: a `Receiver` for every system."""

    def __init__(self, udp_socket: socket.socket) -> None:
        self._receive = udp_socket.recvfrom
        self._is_plain = udp_socket.family == socket.AF_INET

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
        if self._is_plain:
            return received
        return [(datagram, plain(address)) for datagram, address in received]

    def local_address(self, datagram: bytes) -> str:
        """Always empty."""
        return ""
