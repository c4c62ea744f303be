"""Receiving with control messages, one datagram by each call: for systems like macOS."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any, Final

from sidecar.net.ice import Address
from sidecar.net.limits import MAX_RECEIVED_BYTES, RECEIVED_AT_ONCE
from sidecar.net.mapped import plain
from sidecar.net.packet_info import PacketInfo, local_address

_CONTROL_BYTES: Final = 128
"""Room for what says to which of our addresses a datagram came."""

_Control = Sequence[tuple[int, int, bytes]]


class AncillaryReceiver:
    """See `sidecar.net.datagrams.Receiver`."""

    def __init__(self, udp_socket: socket.socket, system: PacketInfo) -> None:
        """Makes one.

        Args:
            udp_socket: Has asked for the addresses.
            system: How they are told.
        """
        self._socket: Any = udp_socket
        self._system = system
        self._is_plain = udp_socket.family == socket.AF_INET
        self._controls: list[tuple[bytes, _Control]] = []

    def receive(self) -> Sequence[tuple[bytes, Address]]:
        """Takes up to `RECEIVED_AT_ONCE` datagrams."""
        received = []
        self._controls.clear()
        for _ in range(RECEIVED_AT_ONCE):
            try:
                datagram, control, _flags, address = self._socket.recvmsg(
                    MAX_RECEIVED_BYTES, _CONTROL_BYTES
                )
            except BlockingIOError:
                break
            except OSError:
                continue
            received.append((datagram, address if self._is_plain else plain(address)))
            self._controls.append((datagram, control))
        return received

    def local_address(self, datagram: bytes) -> str:
        """See `sidecar.net.datagrams.Receiver`."""
        for each, control in self._controls:
            if each is datagram:
                found = (local_address(self._system, *message) for message in control)
                return next(filter(None, found), "")
        return ""
