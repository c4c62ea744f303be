"""Making packets of about the same size equal, so that many of them leave by one system call.

Encoders cut a frame into packets whose sizes differ by a byte or so, while an operating system
cuts a buffer into datagrams of one size (UDP_SEGMENT, UDP_SEND_MSG_SIZE). RTP padding bridges the
difference (RFC 3550 section 5.1); receivers take it off again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sidecar.sfu.forwarding import ForwardedPacket

MAX_PADDING_BYTES: Final = 16
"""For a packet, 1.5 % of a usual one. More would be better spent on another system call."""

MAX_TAIL_BYTES: Final = 1300
"""Longer packets get none: they are as long as they may become."""

_ALIGNMENT: Final = 4
"""Packets whose size is a multiple of this lie side by side in memory. So must the tails be, as
the 12 bytes before them are."""

_MAX_SPREAD_BYTES: Final = MAX_PADDING_BYTES - _ALIGNMENT
"""How much the sizes of packets that become equal may differ."""


def equalise(packets: Sequence[ForwardedPacket]) -> None:
    """Pads packets that follow each other to a common size, where that takes little.

    It is done once for all consumers, before any of them gets the packets: what is sent again is
    the same, to the last byte.
    """
    start = 0
    smallest = largest = -1 - _MAX_SPREAD_BYTES  # near to no packet
    for number, packet in enumerate(packets):
        size_bytes = len(packet.tail)
        if largest - _MAX_SPREAD_BYTES <= size_bytes <= smallest + _MAX_SPREAD_BYTES:
            if size_bytes < smallest:
                smallest = size_bytes
            elif size_bytes > largest:
                largest = size_bytes
            continue
        _pad(packets[start:number], largest)
        start, smallest, largest = number, size_bytes, size_bytes
    _pad(packets[start:], largest)


def _pad(packets: Sequence[ForwardedPacket], largest_bytes: int) -> None:
    target = largest_bytes + -largest_bytes % _ALIGNMENT
    if len(packets) < 2 or target > MAX_TAIL_BYTES:
        return
    for packet in packets:
        missing = target - len(packet.tail)
        if missing:
            packet.pad(missing)
