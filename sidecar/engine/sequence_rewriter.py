"""One consumer's view of a stream: continuous sequence numbers and timestamps."""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

MAX_SEGMENTS: Final = 16
"""How many restarts a NACK can reach back over."""

MAX_BEHIND_PACKETS: Final = 1024
"""What lies so far behind the last packet sent is no longer looked for."""

SQUEEZED_MS: Final = 32
"""What the time between the first and the last packet of a replay shrinks to, if it can."""

MAX_FIRST_SEQUENCE: Final = 0xFBFF
"""Where output may start. A receiver that loses all packets up to the wrap-around, having had none
before, guesses SRTP's rollover counter wrong for ever (RFC 3711 section 3.3.1)."""

MAX_SQUEEZE_SHIFT: Final = 8
"""Frames 2.8 ms apart keep timestamps of their own (at 90 kHz): a receiver tells them by these."""

_HALF_CYCLE: Final = 0x8000
_TIMESTAMP_MASK: Final = 0xFFFFFFFF
_NS_PER_S: Final = 1_000_000_000
_MS_PER_S: Final = 1_000


class Squeeze(NamedTuple):
    """A stretch of input whose time passes faster in the output.

    Attributes:
        last_timestamp: the input timestamp up to which it does.
        shift: two to the power of it is how many times as fast.
    """

    last_timestamp: int
    shift: int

    def apply(self, timestamp: int) -> int:
        """Return an input timestamp, not after the last one, moved closer to that one."""
        before_last = (self.last_timestamp - timestamp) & _TIMESTAMP_MASK
        return (self.last_timestamp - (before_last >> self.shift)) & _TIMESTAMP_MASK


class Source(NamedTuple):
    """Where an output packet came from.

    Attributes:
        ext_seq: its extended input sequence number.
        timestamp_offset: its output minus its input RTP timestamp, modulo 2**32, where
        squeeze: does not change the latter.
    """

    ext_seq: int
    timestamp_offset: int
    squeeze: Squeeze | None = None

    def output_timestamp(self, timestamp: int) -> int:
        """Return the output timestamp of the packet, given its input timestamp."""
        if self.squeeze is not None:
            timestamp = self.squeeze.apply(timestamp)
        return (timestamp + self.timestamp_offset) & _TIMESTAMP_MASK


class _Segment(NamedTuple):
    """A stretch of output with the same offsets."""

    first_output: int
    seq_offset: int
    timestamp_offset: int
    squeeze: Squeeze | None = None


class SequenceRewriter:
    """Maps a producer's numbers to a consumer's, over pauses, resumes and producer restarts.

    Per packet the caller computes, without a call::

        out_ext_seq = in_ext_seq + rewriter.seq_offset
        out_timestamp = (timestamp + rewriter.timestamp_offset) & 0xFFFFFFFF

    for the packets with ``in_ext_seq >= rewriter.sync_seq``. Of older ones those from
    ``start_seq`` on belong to a replay: to these :meth:`squeezed` timestamps apply. What is older
    still comes from before the start, and its output numbers belong to other packets. Once per
    batch the caller calls :meth:`note_sent`. Holes of the input stay holes in the output, so that
    the receiver sees the loss and asks for it.

    Args:
        clock_rate: of the RTP timestamps, in Hz.
        seq_offset: output minus input sequence number, until the first restart. Whatever starts
            too near to the wrap-around starts half a cycle away from it instead.
        timestamp_offset: output minus input RTP timestamp, until the first restart.

    Attributes:
        seq_offset: output minus input extended sequence number.
        timestamp_offset: output minus input RTP timestamp, modulo 2**32.
        start_seq: the extended input number that the output (re)started at; before the first
            start it is larger than any.
        sync_seq: the one from which on the two offsets say all: behind a replay, else the same.
    """

    __slots__ = (
        "_clock_rate",
        "_initial_seq_offset",
        "_initial_timestamp_offset",
        "_last_sent_ns",
        "_last_sequence",
        "_last_timestamp",
        "_segments",
        "_squeeze",
        "seq_offset",
        "start_seq",
        "sync_seq",
        "timestamp_offset",
    )

    def __init__(self, clock_rate: int, seq_offset: int, timestamp_offset: int) -> None:
        self.seq_offset = self._initial_seq_offset = seq_offset
        self.timestamp_offset = self._initial_timestamp_offset = timestamp_offset
        self.start_seq = self.sync_seq = 1 << 62
        self._clock_rate = clock_rate
        self._last_sequence = 0
        self._last_timestamp = 0
        self._last_sent_ns: int | None = None
        self._squeeze: Squeeze | None = None
        self._segments: deque[_Segment] = deque(maxlen=MAX_SEGMENTS)

    @property
    def newest_sent_seq(self) -> int:
        """The extended *input* number of the newest packet sent, -1 before the first."""
        return -1 if self._last_sent_ns is None else self._last_sequence - self.seq_offset

    def synchronise(self, ext_seq: int, timestamp: int, now_ns: int) -> None:
        """Start, or start again, at this input packet.

        It gets the output number after the last one sent. Its output timestamp goes on from
        the last one by the time that has passed, by one tick at least, whatever the producer's
        timestamps did meanwhile.
        """
        self._start(ext_seq, timestamp, now_ns)
        self.sync_seq = ext_seq

    def synchronise_to_replay(
        self, ext_seq: int, timestamp: int, last_seq: int, last_timestamp: int, now_ns: int
    ) -> None:
        """Start at an input packet of the past, whose successors follow faster than they came.

        A receiver that got seconds of video within milliseconds, under timestamps that say
        seconds, would believe that all of it came early, and make up for that by showing
        everything later from then on. So time passes faster in the replay's output timestamps too.

        Args:
            ext_seq: the first packet of the replay.
            timestamp: its input timestamp.
            last_seq: the last packet of it, the newest of the input so far.
            last_timestamp: its input timestamp; from here on time passes as in the input.
            now_ns: the time.
        """
        span = (last_timestamp - timestamp) & _TIMESTAMP_MASK
        shortest = self._clock_rate * SQUEEZED_MS // _MS_PER_S
        shift = min((span // shortest).bit_length(), MAX_SQUEEZE_SHIFT)
        self._start(ext_seq, timestamp, now_ns, Squeeze(last_timestamp, shift))
        self.sync_seq = last_seq + 1
        self._segments.append(
            _Segment(self.sync_seq + self.seq_offset, self.seq_offset, self.timestamp_offset)
        )

    def squeezed(self, ext_seq: int, timestamp: int) -> int:
        """Return a packet's input timestamp as the offset applies to it, from ``start_seq`` on."""
        if self._squeeze is None or ext_seq >= self.sync_seq:
            return timestamp
        return self._squeeze.apply(timestamp)

    def note_sent(self, ext_seq: int, timestamp: int, now_ns: int) -> None:
        """Note the newest packet of a batch sent: its *input* number and (squeezed) timestamp."""
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
        behind = self.packets_behind(sequence_number)
        if behind >= MAX_BEHIND_PACKETS:
            return None
        return self._find(self._last_sequence - behind)

    def packets_behind(self, sequence_number: int) -> int:
        """Return how far a 16-bit output number lies behind the newest one sent."""
        return (self._last_sequence - sequence_number) & 0xFFFF

    def _find(self, output: int) -> Source | None:
        for segment in reversed(self._segments):
            if segment.first_output <= output:
                ext_seq = output - segment.seq_offset
                return Source(ext_seq, segment.timestamp_offset, segment.squeeze)
        return None

    def _start(
        self, ext_seq: int, timestamp: int, now_ns: int, squeeze: Squeeze | None = None
    ) -> None:
        if self._last_sent_ns is None:
            self._start_as_given(ext_seq)
        else:
            self._continue(ext_seq, squeeze.apply(timestamp) if squeeze else timestamp, now_ns)
        first_output = ext_seq + self.seq_offset
        self.start_seq = ext_seq
        self._squeeze = squeeze
        while self._segments and self._segments[-1].first_output >= first_output:
            self._segments.pop()  # Nothing was sent since that start.
        self._segments.append(
            _Segment(first_output, self.seq_offset, self.timestamp_offset, squeeze)
        )

    def _start_as_given(self, ext_seq: int) -> None:
        self._segments.clear()
        self.seq_offset = self._initial_seq_offset
        self.timestamp_offset = self._initial_timestamp_offset
        if (ext_seq + self.seq_offset) & 0xFFFF > MAX_FIRST_SEQUENCE:
            self.seq_offset += _HALF_CYCLE
        self._last_sequence = ext_seq + self.seq_offset - 1

    def _continue(self, ext_seq: int, timestamp: int, now_ns: int) -> None:
        """Make the packet the one after the last one sent."""
        assert self._last_sent_ns is not None
        elapsed_ticks = (now_ns - self._last_sent_ns) * self._clock_rate // _NS_PER_S
        next_timestamp = self._last_timestamp + max(elapsed_ticks, 1)
        self.seq_offset = self._last_sequence + 1 - ext_seq
        self.timestamp_offset = (next_timestamp - timestamp) & _TIMESTAMP_MASK
