"""Transport-wide feedback for a sender's bandwidth estimate.

draft-holmer-rmcat-transport-wide-cc-extensions-01, section 3: the sender numbers all packets of
a transport, the receiver tells it when each one arrived.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from sidecar.rtp.rtcp import TransportCcFeedback

INTERVAL_NS: Final = 100_000_000
MAX_JUMP_PACKETS: Final = 3000
"""A larger jump of the numbers, either way, is a new sequence, not loss or reordering."""

HISTORY_INTERVALS: Final = 5
"""A packet may be late by this many intervals with traffic and still be reported."""

MAX_RECEIVED_PER_FEEDBACK: Final = 200
"""At worst (each alone between losses, with a large delta) 200 packets take 1200 bytes."""

MAX_MISSING_PER_POLL: Final = MAX_JUMP_PACKETS
"""So many packets may be reported as missing at a time. Beyond it the numbers begin anew: a sender
that jumps ahead with every packet would otherwise have long lists made of nothing."""

MAX_FEEDBACKS_PER_POLL: Final = 16
"""Enough for 3200 packets in an interval; of more only the first ones are reported."""

_TICK_NS: Final = 250_000
_TICKS_PER_REFERENCE: Final = 256
_CYCLE: Final = 0x10000
_DELTA_MIN: Final = -0x8000
_DELTA_MAX: Final = 0x7FFF


class TransportCcGenerator:
    """Collects arrival times and turns them into feedback every 100 ms.

    A packet that arrives after it was reported as missing is reported again together with all
    that followed it; senders ignore what they already know.

    Attributes:
        next_timeout_ns: when to call :meth:`poll`; None while nothing has arrived.
    """

    __slots__ = (
        "_arrivals",
        "_arrived",
        "_feedback_count",
        "_forgotten_below",
        "_highest",
        "_history",
        "_oldest_late",
        "_unreported",
        "next_timeout_ns",
    )

    def __init__(self) -> None:
        self.next_timeout_ns: int | None = None
        # Any first number is just ahead of, just behind or far from -1: all three are handled.
        self._highest = -1
        self._arrived: list[tuple[int, int]] = []
        self._arrivals: dict[int, int] = {}
        self._history: deque[dict[int, int]] = deque()
        self._unreported: int | None = None
        self._oldest_late: int | None = None
        self._forgotten_below = -_CYCLE
        self._feedback_count = 0

    def on_packet(self, transport_sequence: int, now_ns: int) -> None:
        """Note the arrival of the packet with this 16-bit transport-wide number."""
        self._arrived.append((transport_sequence, now_ns))
        if self.next_timeout_ns is None:
            self.next_timeout_ns = now_ns + INTERVAL_NS

    def poll(self, now_ns: int, sender_ssrc: int, media_ssrc: int) -> list[TransportCcFeedback]:
        """Return the feedback that is due: mostly one message, several where it does not fit."""
        if self.next_timeout_ns is None or now_ns < self.next_timeout_ns:
            return []
        for transport_sequence, arrival_ns in self._arrived:
            self._sort_in(transport_sequence, arrival_ns)
        self._arrived.clear()
        if not self._arrivals:
            self.next_timeout_ns = None  # there were only duplicates
            return []
        arrivals = self._arrivals_to_report()
        received = sorted(arrivals)
        base = self._oldest_late
        if base is None:
            base = received[0] if self._unreported is None else self._unreported
        feedback = []
        for run in _split(received, arrivals, base):
            feedback.append(
                TransportCcFeedback(
                    sender_ssrc=sender_ssrc,
                    media_ssrc=media_ssrc,
                    base_sequence=run.base & 0xFFFF,
                    reference_time=run.reference_time,
                    feedback_count=self._feedback_count,
                    deltas=tuple(run.deltas),
                )
            )
            self._feedback_count = (self._feedback_count + 1) & 0xFF
        self._begin_interval(received[-1] + 1)
        return feedback

    def _sort_in(self, transport_sequence: int, now_ns: int) -> None:
        """Extend a number, and keep when it arrived unless that is known."""
        highest = self._highest
        ahead = (transport_sequence - highest) & 0xFFFF
        if 0 < ahead <= MAX_JUMP_PACKETS:
            ext_seq = self._highest = highest + ahead
        elif 0 < ahead < _CYCLE - MAX_JUMP_PACKETS:
            # More than a cycle above all before, so that old and new numbers do not mix.
            ext_seq = self._highest = (highest // _CYCLE + 2) * _CYCLE + transport_sequence
        else:
            ext_seq = highest - (-ahead & 0xFFFF)
            if not self._admit_late(ext_seq):
                return
        self._arrivals[ext_seq] = now_ns

    def _admit_late(self, ext_seq: int) -> bool:
        """Tell a packet that came out of order from a duplicate."""
        if ext_seq in self._arrivals or ext_seq < self._forgotten_below:
            return False
        if any(ext_seq in arrivals for arrivals in self._history):
            return False
        if self._unreported is not None and ext_seq < self._unreported:
            late = self._oldest_late
            self._oldest_late = ext_seq if late is None else min(late, ext_seq)
        return True

    def _arrivals_to_report(self) -> dict[int, int]:
        oldest = self._oldest_late
        if oldest is None:
            return self._arrivals
        return {
            seq: arrival_ns
            for arrivals in (*self._history, self._arrivals)
            for seq, arrival_ns in arrivals.items()
            if seq >= oldest
        }

    def _begin_interval(self, unreported: int) -> None:
        """Keep the arrivals just reported for a while, and collect new ones."""
        self._history.append(self._arrivals)
        if len(self._history) > HISTORY_INTERVALS:
            self._forgotten_below = max(self._forgotten_below, max(self._history.popleft()) + 1)
        self._arrivals = {}
        self._unreported = unreported
        self._oldest_late = None
        self.next_timeout_ns = None


class _Run(NamedTuple):
    """The content of one feedback message."""

    base: int
    reference_time: int
    deltas: list[int | None]


def _split(received: list[int], arrivals: dict[int, int], base: int) -> list[_Run]:
    """Cut what was received, in order of its numbers, into as many messages as it needs.

    Args:
        received: the extended numbers, ascending.
        arrivals: when each of them arrived.
        base: the number that the first message begins with, at most ``received[0]``.
    """
    runs: list[_Run] = []
    deltas: list[int | None] = []
    next_seq, last_tick, run_received, missing = base, 0, 0, 0
    for seq in received:
        tick = arrivals[seq] // _TICK_NS
        jumped = missing + seq - next_seq > MAX_MISSING_PER_POLL
        if (
            not runs
            or jumped
            or run_received == MAX_RECEIVED_PER_FEEDBACK
            or not _DELTA_MIN <= tick - last_tick <= _DELTA_MAX
        ):
            if len(runs) == MAX_FEEDBACKS_PER_POLL:
                break
            if jumped:
                next_seq = seq
            deltas, run_received = [], 0
            reference = tick // _TICKS_PER_REFERENCE
            last_tick = reference * _TICKS_PER_REFERENCE
            runs.append(_Run(next_seq, _signed_24_bits(reference), deltas))
        if seq > next_seq:
            missing += seq - next_seq
            deltas.extend([None] * (seq - next_seq))
        deltas.append(tick - last_tick)
        next_seq, last_tick = seq + 1, tick
        run_received += 1
    return runs


def _signed_24_bits(value: int) -> int:
    return ((value + 0x800000) & 0xFFFFFF) - 0x800000
