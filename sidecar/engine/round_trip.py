"""Round-trip times from report blocks (RFC 3550 6.4.1)."""

from __future__ import annotations

from sidecar.rtp.rtcp import ReportBlock


def round_trip_ns(block: ReportBlock, now_ntp32: int) -> int | None:
    """Return the round-trip time that a report block shows.

    Args:
        block: what the receiver says about a stream of ours.
        now_ntp32: its time of arrival, as the middle 32 bits of an NTP timestamp of the same
            clock that our sender reports carry.

    Returns:
        Nanoseconds, at least one tick of 1/65536 s; None if the receiver has no report of ours.
    """
    if block.last_sr == 0:
        return None
    ticks = (now_ntp32 - block.last_sr - block.delay_since_last_sr) & 0xFFFFFFFF
    if ticks == 0 or ticks >= 0x80000000:
        ticks = 1  # Rounding of the three timestamps can make a short time negative.
    return ticks * 1_000_000_000 >> 16


class RttEstimator:
    """A smoothed round-trip time (the 7/8 filter of RFC 6298).

    Attributes:
        rtt_ns: the estimate; None before the first sample.
    """

    __slots__ = ("rtt_ns",)

    def __init__(self) -> None:
        self.rtt_ns: int | None = None

    def on_report_block(self, block: ReportBlock, now_ntp32: int) -> None:
        """Take the sample that a report block holds, if any; see :func:`round_trip_ns`."""
        sample_ns = round_trip_ns(block, now_ntp32)
        if sample_ns is None:
            return
        self.rtt_ns = sample_ns if self.rtt_ns is None else (self.rtt_ns * 7 + sample_ns) // 8
