"""Sender reports for receivers that keep the sender's own NTP to RTP relation (RFC 3550 6.4.1).

Receivers synchronise audio and video by comparing the (NTP, RTP) pairs of their sender reports.
Only the sender knows the true pairs, so the SFU passes its relation on instead of making one up
from arrival times, which differ by the delay of each stream.

But a browser extrapolates its reports while a stream has no source (``replaceTrack(null)``), and an
audio stream's RTP clock stands still then. When it goes on, the last report is wrong by the whole
pause, for up to 7.5 s more. So each relation is checked against the packets. Those are right about
where the media clock is, if not to the millisecond.
"""

from __future__ import annotations

from typing import Final

from sidecar.engine.ntp import NTP_MASK, ntp_difference, ntp_interval

MAX_SLEW_NS: Final = 1_000_000
"""How far one report may move the clock offset: far more than real clocks drift in between."""

STEP_NS: Final = 1_000_000_000
"""A larger difference is a sender whose clock was set, and followed at once."""

MAX_ERROR_MS: Final = 1_500
"""Packets that are farther from where the reports say are right. No browser queues for so long."""

_TIMESTAMP_MASK: Final = 0xFFFFFFFF
_MAX_SLEW: Final = ntp_interval(MAX_SLEW_NS)
_STEP: Final = ntp_interval(STEP_NS)


class _Relation:
    """What is known of a stream's media clock.

    Attributes:
        ntp_timestamp: Of its last report, 64 bits;
        rtp_timestamp: what its media clock said then.
        clock_rate: Of the media clock, in Hz.
        shift_ticks: By how much its packets say otherwise; 0 while they agree.
        usual_ticks: How far its packets are from what the reports say, because they take their
            time; None until known.
        checked_ns: When the packet came that was compared last.
    """

    __slots__ = (
        "checked_ns",
        "clock_rate",
        "ntp_timestamp",
        "rtp_timestamp",
        "shift_ticks",
        "usual_ticks",
    )

    def __init__(self, ntp_timestamp: int, rtp_timestamp: int, clock_rate: int) -> None:
        self.ntp_timestamp = ntp_timestamp
        self.rtp_timestamp = rtp_timestamp
        self.clock_rate = clock_rate
        self.shift_ticks = 0
        self.usual_ticks: int | None = None
        self.checked_ns: int | None = None

    def on_report(self, ntp_timestamp: int, rtp_timestamp: int) -> None:
        """Take the latest pair; what the packets have said holds until they agree with it."""
        if self.shift_ticks:
            self.shift_ticks = _difference(self.rtp_at(ntp_timestamp), rtp_timestamp)
        self.ntp_timestamp, self.rtp_timestamp = ntp_timestamp, rtp_timestamp
        self.checked_ns = None

    def rtp_at(self, ntp_timestamp: int) -> int:
        """Return the RTP timestamp, 32 bits, of a moment of the sender's NTP clock."""
        elapsed = ntp_difference(ntp_timestamp, self.ntp_timestamp)
        elapsed_ticks = (elapsed * self.clock_rate + (1 << 31)) >> 32
        return (self.rtp_timestamp + elapsed_ticks + self.shift_ticks) & _TIMESTAMP_MASK

    def check(self, rtp_timestamp: int, ntp_timestamp: int) -> None:
        """Compare with a packet that came at that time of the sender's clock."""
        ticks = _difference(rtp_timestamp, self.rtp_at(ntp_timestamp)) + self.shift_ticks
        error_ticks = ticks - (self.usual_ticks or 0)
        limit_ticks = self.clock_rate * MAX_ERROR_MS // 1000
        if abs(error_ticks) <= (limit_ticks // 2 if self.shift_ticks else limit_ticks):
            self.shift_ticks = 0
            smoothed = 0 if self.usual_ticks is None else error_ticks * 7 // 8
            self.usual_ticks = ticks - smoothed
        elif abs(error_ticks - self.shift_ticks) > limit_ticks:
            self.shift_ticks = error_ticks


def _difference(later: int, earlier: int) -> int:
    """Return ``later - earlier`` of two RTP timestamps, correct over the wrap-around."""
    return ((later - earlier + (1 << 31)) & _TIMESTAMP_MASK) - (1 << 31)


class SenderReportMapper:
    """Relates one sender's NTP clock to our monotonic clock, for all of its streams together.

    The offset between the clocks is taken from the first report and then moved only slowly, so
    that round-trip times measured with it are not disturbed by the delay of a single report.
    """

    __slots__ = ("_offset", "_relations")

    def __init__(self) -> None:
        self._offset: int | None = None
        self._relations: dict[int, _Relation] = {}

    def on_sender_report(
        self, ssrc: int, ntp_timestamp: int, rtp_timestamp: int, now_ns: int, clock_rate: int
    ) -> None:
        """Take a stream's latest pair from a sender report.

        Args:
            ssrc: the stream's.
            ntp_timestamp: 64 bits, of the sender's clock.
            rtp_timestamp: the same instant in the stream's media clock.
            now_ns: when the report arrived.
            clock_rate: of the media clock, in Hz.
        """
        relation = self._relations.get(ssrc)
        if relation is None:
            self._relations[ssrc] = _Relation(ntp_timestamp, rtp_timestamp, clock_rate)
        else:
            relation.on_report(ntp_timestamp, rtp_timestamp)
        offset = (ntp_timestamp - ntp_interval(now_ns)) & NTP_MASK
        if self._offset is None:
            self._offset = offset
            return
        error = ntp_difference(offset, self._offset)
        if abs(error) > _STEP:
            self._offset = offset
        else:
            slew = min(max(error, -_MAX_SLEW), _MAX_SLEW)
            self._offset = (self._offset + slew) & NTP_MASK

    def on_packet(self, ssrc: int, rtp_timestamp: int, arrival_ns: int) -> None:
        """Check a stream's relation against its newest packet.

        Where they differ widely the packet is right, until the reports agree with it again. To be
        called before `report_at`; the same packet counts once.

        Args:
            ssrc: the stream's.
            rtp_timestamp: the packet's.
            arrival_ns: when it came.
        """
        relation = self._relations.get(ssrc)
        ntp = self.ntp_at(arrival_ns)
        if relation is None or ntp is None or relation.checked_ns == arrival_ns:
            return
        relation.checked_ns = arrival_ns
        relation.check(rtp_timestamp, ntp)

    def ntp_at(self, now_ns: int) -> int | None:
        """Return the sender's 64-bit NTP time at a monotonic time; None before any report."""
        if self._offset is None:
            return None
        return (self._offset + ntp_interval(now_ns)) & NTP_MASK

    def report_at(self, ssrc: int, now_ns: int) -> tuple[int, int] | None:
        """Return the (NTP, RTP) pair of a stream for a sender report at ``now_ns``.

        Returns:
            The 64-bit NTP and the 32-bit RTP timestamp, both as the sender would count them;
            None until the sender has reported on this stream.
        """
        relation = self._relations.get(ssrc)
        ntp_now = self.ntp_at(now_ns)
        if relation is None or ntp_now is None:
            return None
        return ntp_now, relation.rtp_at(ntp_now)

    def forget(self, ssrc: int) -> None:
        """Drop a stream that has ended."""
        self._relations.pop(ssrc, None)
