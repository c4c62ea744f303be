"""Audio and video of one sender stay in sync through sender reports that are made anew."""

from __future__ import annotations

import pytest

from sidecar.engine.ntp import middle_32_bits, ntp_difference, ntp_interval, ntp_interval_32
from sidecar.engine.round_trip import RttEstimator
from sidecar.engine.sender_report_mapper import SenderReportMapper
from sidecar.rtp.rtcp import ReportBlock
from tests.sim.link import MS, Link, S

NTP_START = 0xFFFF_FFF0 << 32  # 16 s before the era ends
CLOCK_RATES = {1: 90_000, 2: 48_000}
FIRST_TIMESTAMP = {1: 0xFFFF_0000, 2: 12_345}


def media_time_ntp(ssrc: int, report: tuple[int, int]) -> int:
    """Return the NTP time at which the stream's first sample was taken, as a receiver does."""
    ntp_timestamp, rtp_timestamp = report
    ticks = (rtp_timestamp - FIRST_TIMESTAMP[ssrc]) & 0xFFFF_FFFF
    return ntp_timestamp - (ticks << 32) // CLOCK_RATES[ssrc]


@pytest.mark.parametrize("seed", range(5))
def test_reports_never_disagree_by_a_millisecond(seed: int) -> None:
    mapper = SenderReportMapper()
    link: Link[tuple[int, int, int]] = Link(seed, loss=0.1, jitter_ns=200 * MS)
    checked = 0
    for now_ms in range(0, 60_000, 50):
        now_ns = now_ms * MS
        if now_ms % 1000 == 0:
            for ssrc, clock_rate in CLOCK_RATES.items():
                ntp = (NTP_START + ntp_interval(now_ns)) & (1 << 64) - 1
                ticks = FIRST_TIMESTAMP[ssrc] + now_ms * clock_rate // 1000
                link.send((ssrc, ntp, ticks & 0xFFFF_FFFF), now_ns)
        for ssrc, ntp, rtp_timestamp in link.receive(now_ns):
            mapper.on_sender_report(ssrc, ntp, rtp_timestamp, now_ns, CLOCK_RATES[ssrc])
        video, audio = mapper.report_at(1, now_ns), mapper.report_at(2, now_ns)
        if video is not None and audio is not None:
            skew = ntp_difference(media_time_ntp(1, video), media_time_ntp(2, audio))
            assert abs(skew) < ntp_interval(1 * MS)
            checked += 1
    assert checked > 1000


def test_round_trip_time_is_right_though_reports_carry_the_senders_clock() -> None:
    mapper = SenderReportMapper()
    estimator = RttEstimator()
    link: Link[int] = Link(1, jitter_ns=200 * MS)
    for second in range(60):
        link.send(NTP_START + (second << 32), second * S)
        now_ns = second * S + 500 * MS
        for ntp in link.receive(now_ns):
            mapper.on_sender_report(1, ntp & (1 << 64) - 1, 0, now_ns, 90_000)
        sent_ntp = mapper.ntp_at(now_ns)
        now_ntp = mapper.ntp_at(now_ns + 340 * MS)
        assert sent_ntp is not None
        assert now_ntp is not None
        block = ReportBlock(
            ssrc=1,
            fraction_lost=0,
            packets_lost=0,
            highest_sequence=0,
            jitter=0,
            last_sr=middle_32_bits(sent_ntp),
            delay_since_last_sr=ntp_interval_32(300 * MS),
        )
        estimator.on_report_block(block, middle_32_bits(now_ntp))
    assert estimator.rtt_ns is not None
    assert abs(estimator.rtt_ns - 40 * MS) < MS
