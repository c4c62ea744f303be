"""Sender reports for receivers that keep the sender's own NTP to RTP relation (RFC 3550 6.4.1).

Receivers synchronise audio and video by comparing the (NTP, RTP) pairs of their sender reports.
Only the sender knows the true pairs, so the SFU passes its relation on instead of making one up
from arrival times, which differ by the delay of each stream.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from sidecar.engine.ntp import NTP_MASK, ntp_difference, ntp_interval

MAX_SLEW_NS: Final = 1_000_000
"""How far one report may move the clock offset: far more than real clocks drift in between."""

STEP_NS: Final = 1_000_000_000
"""A larger difference is a sender whose clock was set, and followed at once."""

_MAX_SLEW: Final = ntp_interval(MAX_SLEW_NS)
_STEP: Final = ntp_interval(STEP_NS)


class _Relation(NamedTuple):
    """The last (NTP, RTP) pair of a stream."""

    ntp_timestamp: int
    rtp_timestamp: int
    clock_rate: int


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
        self._relations[ssrc] = _Relation(ntp_timestamp, rtp_timestamp, clock_rate)
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
        elapsed = ntp_difference(ntp_now, relation.ntp_timestamp)
        elapsed_ticks = (elapsed * relation.clock_rate + (1 << 31)) >> 32
        return ntp_now, (relation.rtp_timestamp + elapsed_ticks) & 0xFFFFFFFF

    def forget(self, ssrc: int) -> None:
        """Drop a stream that has ended."""
        self._relations.pop(ssrc, None)
