"""What a test peer knows of one RTP stream that it receives: order, holes, content."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

NEWEST_DISTANCE = 0x8000


class Segment(NamedTuple):
    """Where a run of consecutive content begins.

    Attributes:
        content: Content index of its first packet.
        payload: Of that packet.
        timestamp_step: From the RTP timestamp of the packet before, 0 for the first segment.
    """

    content: int
    payload: bytes
    timestamp_step: int


class ReceivedStream:
    """Counts the packets of one SSRC and keeps track of the holes between them.

    The common case, the next packet in order, costs one comparison and two additions, so that
    dozens of receivers fit into one process.

    Args:
        ssrc: Of the primary stream.
        clock_ns: Monotonic time.

    Attributes:
        packets: Different packets received, retransmitted ones included.
        duplicates: Packets that were here already.
        recovered: Holes that a retransmission has filled.
        late: Holes that the original packet has filled, out of order.
        abandoned: Holes that a key frame has made irrelevant.
        missing: Extended sequence numbers of the holes, with the time they were noticed.
        longest_hole_ns: The longest time that a filled hole was open.
        segments: The runs of consecutive content: one, unless the forwarder left something out.
        last_content: The highest content index seen, -1 before.
        last_timestamp: Its RTP timestamp.
    """

    __slots__ = (
        "_clock_ns",
        "_content_offset",
        "_next",
        "abandoned",
        "duplicates",
        "last_content",
        "last_timestamp",
        "late",
        "longest_hole_ns",
        "missing",
        "packets",
        "recovered",
        "segments",
        "ssrc",
    )

    def __init__(self, ssrc: int, clock_ns: Callable[[], int]) -> None:
        self.ssrc = ssrc
        self.packets = 0
        self.duplicates = 0
        self.recovered = 0
        self.late = 0
        self.abandoned = 0
        self.missing: dict[int, int] = {}
        self.longest_hole_ns = 0
        self.segments: list[Segment] = []
        self.last_content = -1
        self.last_timestamp = 0
        self._clock_ns = clock_ns
        self._content_offset: int | None = None
        self._next = -1  # extended sequence number of the packet that is due

    @property
    def highest_sequence(self) -> int:
        """The extended highest sequence number received (RFC 3550 section 6.4.1)."""
        return self._next - 1

    def on_packet(self, sequence_number: int) -> int:
        """Note a packet of the primary stream.

        Args:
            sequence_number: The 16 bits in its header.

        Returns:
            Its extended sequence number.
        """
        due = self._next
        if sequence_number == due & 0xFFFF:
            self._next = due + 1
            self.packets += 1
            return due
        return self._on_unexpected(sequence_number)

    def on_retransmission(self, sequence_number: int) -> int:
        """Note what arrived as RTX (RFC 4588) under its original sequence number."""
        extended = self._extend(sequence_number)
        if extended >= self._next:
            # The retransmission has overtaken the stream: the packets before it are holes too.
            return self._on_unexpected(sequence_number)
        if self._fill(extended):
            self.recovered += 1
        return extended

    def on_content(
        self, extended_sequence: int, timestamp: int, content_index: int, payload: bytes
    ) -> None:
        """Compare the sender's own numbering, carried in the payload, with the RTP header's.

        As long as the forwarder keeps its promise the two differ by a constant. A pause in
        between, when packets are left out, changes it: a new segment begins.
        """
        offset = content_index - extended_sequence
        if offset != self._content_offset:
            self._content_offset = offset
            step = (timestamp - self.last_timestamp) & 0xFFFFFFFF if self.segments else 0
            self.segments.append(Segment(content_index, payload, step))
        if content_index > self.last_content:
            self.last_content = content_index
            self.last_timestamp = timestamp

    def on_key_frame(self, extended_sequence: int) -> None:
        """Give up the holes before a key frame: a decoder starts afresh there."""
        for hole in [hole for hole in self.missing if hole < extended_sequence]:
            del self.missing[hole]
            self.abandoned += 1

    def oldest_hole_ns(self) -> int:
        """Age of the hole that has been open longest, 0 without holes."""
        return self._clock_ns() - min(self.missing.values()) if self.missing else 0

    def _on_unexpected(self, sequence_number: int) -> int:
        if self._next < 0:
            # Room below for packets of before the first one that arrive late.
            extended = 0x10000 + sequence_number
            self._next = extended
        else:
            extended = self._extend(sequence_number)
        if extended < self._next:
            self.late += self._fill(extended)
            return extended
        now_ns = self._clock_ns()
        for hole in range(self._next, extended):
            self.missing[hole] = now_ns
        self._next = extended + 1
        self.packets += 1
        return extended

    def _extend(self, sequence_number: int) -> int:
        distance = (sequence_number - self._next) & 0xFFFF
        return self._next + distance - (0x10000 if distance >= NEWEST_DISTANCE else 0)

    def _fill(self, extended: int) -> bool:
        noticed_ns = self.missing.pop(extended, None)
        if noticed_ns is None:
            self.duplicates += 1
            return False
        self.packets += 1
        self.longest_hole_ns = max(self.longest_hole_ns, self._clock_ns() - noticed_ns)
        return True
