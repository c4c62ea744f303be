"""Packets that arrived together, on their way to all consumers of their producer.

A class gets the same batch fifty times. So its packets are made once for all consumers that send
under the same numbers, which nearly all do, and each of these only has to encrypt and send them.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from sidecar.sfu.forwarding import ForwardedPacket

HEADER: Final = struct.Struct("!HHII")
"""The fixed part of an RTP header (RFC 3550 section 5.1), which a `ForwardedPacket` lacks: first 16
bits, sequence number, timestamp, SSRC."""


class Packets:
    """RTP packets that are sent together. The same object may go to many receivers.

    Attributes:
        packets: In their order.
    """

    __slots__ = ("packets",)

    def __init__(self, packets: Sequence[bytes]) -> None:
        self.packets = packets


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


NOTHING: Final = Count()


class Batch:
    """The packets of one producer that arrived together, and what is the same for all consumers.

    Attributes:
        packets: In the order of arrival.
        now_ns: When they are sent on.
        lowest_seq: The lowest extended sequence number among them.
        newest: The packet with the highest one, among these and all batches before.
        newest_ns: When that was sent on.
        count_before: What the batches before it had.
        count: The same with this one.
    """

    __slots__ = (
        "_numbered",
        "count",
        "count_before",
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
        lowest_seq = newest.ext_seq
        for packet in packets:
            if packet.ext_seq > newest.ext_seq:
                newest = packet
            elif packet.ext_seq < lowest_seq:
                lowest_seq = packet.ext_seq
        own = count(packets)
        self.packets = packets
        self.now_ns = now_ns
        self.lowest_seq = lowest_seq
        self.newest = newest
        self.newest_ns = now_ns
        if previous is None:
            self.count_before, self.count = NOTHING, own
        else:
            self.count_before, self.count = previous.count, previous.count.plus(own)
            if previous.newest.ext_seq > newest.ext_seq:
                self.newest, self.newest_ns = previous.newest, previous.newest_ns
        self._numbered: dict[Numbers, Packets] = {}

    def numbered(self, numbers: Numbers) -> Packets:
        """The packets under a consumer's numbers: the same object for all that have the same."""
        packets = self._numbered.get(numbers)
        if packets is None:
            packets = self._numbered[numbers] = Packets(
                [numbers.header(each, each.timestamp) + each.tail for each in self.packets]
            )
        return packets


def count(packets: Sequence[ForwardedPacket]) -> Count:
    """Counts packets."""
    tail_bytes = payload_bytes = key_frames = 0
    for packet in packets:
        size_bytes = len(packet.tail)
        tail_bytes += size_bytes
        payload_bytes += size_bytes - packet.payload_offset - packet.padding_bytes
        key_frames += packet.is_key_frame
    return Count(len(packets), tail_bytes + HEADER.size * len(packets), payload_bytes, key_frames)
