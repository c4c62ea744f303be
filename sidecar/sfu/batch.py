"""Packets that arrived together, on their way to all consumers of their producer.

A class gets the same batch fifty times. So its packets are made once for all consumers that send
under the same numbers, which nearly all do, and each of these only has to encrypt and send them.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from sidecar.rtp.packet import HEADER_BYTES
from sidecar.sfu.forwarding import ForwardedPacket

HEADER: Final = struct.Struct("!HHII")
"""The fixed part of an RTP header (RFC 3550 section 5.1), which a `ForwardedPacket` lacks: first 16
bits, sequence number, timestamp, SSRC."""

_pack_header = HEADER.pack


class Packets:
    """RTP packets that are sent together. The same object may go to many receivers.

    Attributes:
        packets: In their order.
        prepared: What whoever sends them has made of them, by what it was made for.
    """

    __slots__ = ("packets", "prepared")

    def __init__(self, packets: Sequence[bytes]) -> None:
        self.packets = packets
        self.prepared: dict[int, Any] = {}


class Numbers(NamedTuple):
    """What one consumer's packets have of their own.

    Attributes:
        ssrc: The SSRC.
        seq_offset: Output minus input sequence number, modulo 2**16.
        timestamp_offset: Output minus input timestamp, modulo 2**32.
    """

    ssrc: int
    seq_offset: int
    timestamp_offset: int

    def header(self, packet: ForwardedPacket, timestamp: int) -> bytes:
        """The fixed header of a packet.

        Args:
            packet: The packet.
            timestamp: Its timestamp, if not the packet's own one.
        """
        return HEADER.pack(
            packet.first_word,
            (packet.ext_seq + self.seq_offset) & 0xFFFF,
            (timestamp + self.timestamp_offset) & 0xFFFFFFFF,
            self.ssrc,
        )


class Count(NamedTuple):
    """How much has been sent.

    Attributes:
        packets: RTP packets.
        bytes: Their size with all headers.
        payload_bytes: The same without headers and padding.
        key_frames: How many of them start a key frame.
    """

    packets: int = 0
    bytes: int = 0
    payload_bytes: int = 0
    key_frames: int = 0

    def plus(self, other: Count) -> Count:
        """The sum."""
        return Count(
            self.packets + other.packets,
            self.bytes + other.bytes,
            self.payload_bytes + other.payload_bytes,
            self.key_frames + other.key_frames,
        )

    def minus(self, other: Count) -> Count:
        """The difference."""
        return Count(
            self.packets - other.packets,
            self.bytes - other.bytes,
            self.payload_bytes - other.payload_bytes,
            self.key_frames - other.key_frames,
        )


class Batch:
    """The packets of one producer that arrived together, and what is the same for all consumers.

    Attributes:
        packets: In the order of arrival.
        now_ns: When they are sent on.
        lowest_seq: The lowest extended sequence number among them.
        newest: The packet with the highest one, among these and all batches before.
        newest_ns: When that was sent on.
    """

    __slots__ = (
        "_count",
        "_numbered",
        "_own",
        "_total",
        "lowest_seq",
        "newest",
        "newest_ns",
        "now_ns",
        "packets",
    )

    def __init__(
        self, packets: Sequence[ForwardedPacket], now_ns: int, previous: Batch | None = None
    ) -> None:
        """Takes packets that nothing is changed of any more.

        Args:
            packets: At least one.
            now_ns: The time.
            previous: The batch before it.
        """
        newest = packets[0]
        newest_seq = lowest_seq = newest.ext_seq
        size_bytes = payload_bytes = key_frames = 0
        for packet in packets:
            ext_seq = packet.ext_seq
            if ext_seq > newest_seq:
                newest, newest_seq = packet, ext_seq
            elif ext_seq < lowest_seq:
                lowest_seq = ext_seq
            tail_bytes = len(packet.tail)
            size_bytes += HEADER_BYTES + tail_bytes
            payload_bytes += tail_bytes - packet.payload_offset - packet.padding_bytes
            if packet.is_key_frame:
                key_frames += 1
        self.packets = packets
        self.now_ns = now_ns
        self.lowest_seq = lowest_seq
        self.newest = newest
        self.newest_ns = now_ns
        self._own = self._total = len(packets), size_bytes, payload_bytes, key_frames
        if previous is not None:
            before = previous._total
            self._total = (
                before[0] + len(packets),
                before[1] + size_bytes,
                before[2] + payload_bytes,
                before[3] + key_frames,
            )
            if previous.newest.ext_seq > newest_seq:
                self.newest, self.newest_ns = previous.newest, previous.newest_ns
        self._numbered: dict[Numbers, Packets] = {}
        self._count: Count | None = None

    @property
    def own_count(self) -> Count:
        """What it has."""
        return Count(*self._own)

    @property
    def count(self) -> Count:
        """The same with all batches before it, and the same object each time."""
        if self._count is None:
            self._count = Count(*self._total)
        return self._count

    def numbered(self, numbers: Numbers) -> Packets:
        """The packets under a consumer's numbers: the same object for all that have the same."""
        known = self._numbered.get(numbers)
        if known is not None:
            return known
        ssrc, seq_offset, timestamp_offset = numbers
        packets = []
        for packet in self.packets:
            header = _pack_header(
                packet.first_word,
                (packet.ext_seq + seq_offset) & 0xFFFF,
                (packet.timestamp + timestamp_offset) & 0xFFFFFFFF,
                ssrc,
            )
            packets.append(header + packet.tail)
        numbered = self._numbered[numbers] = Packets(packets)
        return numbered
