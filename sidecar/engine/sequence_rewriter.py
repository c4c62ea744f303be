"""One consumer's view of a stream: continuous sequence numbers and timestamps."""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

MAX_SEGMENTS: Final = 16
"""How many restarts a NACK can reach back over."""

MAX_BEHIND_PACKETS: Final = 1024
"""What lies so far behind the last packet sent, SRTP's replay window lets no one send again."""

_CYCLE: Final = 0x10000
_NS_PER_S: Final = 1_000_000_000


class Source(NamedTuple):
    """Where an output packet came from.

    Attributes:
        ext_seq: its extended input sequence number.
        timestamp_offset: its output minus its input RTP timestamp, modulo 2**32.
    """

    ext_seq: int
    timestamp_offset: int


class _Segment(NamedTuple):
    """A stretch of output with the same offsets."""

    first_output: int
    seq_offset: int
    timestamp_offset: int


class SequenceRewriter:
    """Maps a producer's numbers to a consumer's, over pauses, resumes and producer restarts.

    Per packet the caller computes, without a call::

        out_ext_seq = in_ext_seq + rewriter.seq_offset
        out_timestamp = (timestamp + rewriter.timestamp_offset) & 0xFFFFFFFF

    for the packets with ``in_ext_seq >= rewriter.sync_seq``; older ones come from before the
    start, and their output numbers belong to other packets. Once per batch it calls
    :meth:`note_sent`. Holes of the input stay holes in the output, so that the receiver sees
    the loss and asks for it.

    Args:
        clock_rate: of the RTP timestamps, in Hz.
        initial_sequence: the 16-bit number of the first output packet.
        initial_timestamp: the RTP timestamp of the first output packet.

    Attributes:
        seq_offset: output minus input extended sequence number.
        timestamp_offset: output minus input RTP timestamp, modulo 2**32.
        sync_seq: the extended input number that the output (re)started at; before the first
            :meth:`synchronise` it is larger than any.
    """

    __slots__ = (
        "_clock_rate",
        "_last_sent_ns",
        "_last_sequence",
        "_last_timestamp",
        "_segments",
        "seq_offset",
        "sync_seq",
        "timestamp_offset",
    )

    def __init__(self, clock_rate: int, initial_sequence: int, initial_timestamp: int) -> None:
        self.seq_offset = 0
        self.timestamp_offset = 0
        self.sync_seq = 1 << 62
        self._clock_rate = clock_rate
        self._last_sequence = _CYCLE + initial_sequence - 1
        self._last_timestamp = initial_timestamp
        self._last_sent_ns: int | None = None
        self._segments: deque[_Segment] = deque(maxlen=MAX_SEGMENTS)

    def synchronise(self, ext_seq: int, timestamp: int, now_ns: int) -> None:
        """Start, or start again, at this input packet.

        It gets the output number after the last one sent. Its output timestamp goes on from
        the last one by the time that has passed, by one tick at least, whatever the producer's
        timestamps did meanwhile.
        """
        first_output = self._last_sequence + 1
        self.seq_offset = first_output - ext_seq
        self.timestamp_offset = (self._next_timestamp(now_ns) - timestamp) & 0xFFFFFFFF
        self.sync_seq = ext_seq
        if self._segments and self._segments[-1].first_output == first_output:
            self._segments.pop()  # Nothing was sent since the last start.
        self._segments.append(_Segment(first_output, self.seq_offset, self.timestamp_offset))

    def note_sent(self, ext_seq: int, timestamp: int, now_ns: int) -> None:
        """Note the newest packet of a batch sent: its *input* number and timestamp."""
        sequence = ext_seq + self.seq_offset
        if sequence > self._last_sequence:
            self._last_sequence = sequence
            self._last_timestamp = (timestamp + self.timestamp_offset) & 0xFFFFFFFF
            self._last_sent_ns = now_ns

    def source(self, sequence_number: int) -> Source | None:
        """Return what is behind a 16-bit output number, as a NACK names it.

        Returns:
            None if no such packet has been sent, or only too long ago: 1024 packets, 16 restarts.
        """
        behind = (self._last_sequence - sequence_number) & 0xFFFF
        if behind >= MAX_BEHIND_PACKETS:
            return None
        output = self._last_sequence - behind
        for segment in reversed(self._segments):
            if segment.first_output <= output:
                return Source(output - segment.seq_offset, segment.timestamp_offset)
        return None

    def _next_timestamp(self, now_ns: int) -> int:
        if self._last_sent_ns is None:
            return self._last_timestamp
        elapsed_ticks = (now_ns - self._last_sent_ns) * self._clock_rate // _NS_PER_S
        return self._last_timestamp + max(elapsed_ticks, 1)
