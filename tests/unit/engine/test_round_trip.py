from __future__ import annotations

import pytest

from sidecar.engine.round_trip import RttEstimator, round_trip_ns
from sidecar.rtp.rtcp import ReportBlock

SECOND = 0x10000
MS = 1_000_000


def block(last_sr: int, delay: int) -> ReportBlock:
    return ReportBlock(
        ssrc=1,
        fraction_lost=0,
        packets_lost=0,
        highest_sequence=0,
        jitter=0,
        last_sr=last_sr,
        delay_since_last_sr=delay,
    )


def test_example_of_rfc_3550_figure_2() -> None:
    # A = 0xb710:8000, LSR = 0xb705:2000, DLSR = 0x0005:4000: the delay is 0x0006:2000 (6.125 s).
    assert round_trip_ns(block(0xB705_2000, 0x0005_4000), 0xB710_8000) == 6_125 * MS


def test_receiver_without_a_report_of_ours_has_none() -> None:
    assert round_trip_ns(block(0, 0), 12345) is None


def test_time_wraps() -> None:
    assert round_trip_ns(block(0xFFFF_FF00, 0), 0x0000_0100) == 0x200 * 1_000_000_000 // 65536


@pytest.mark.parametrize("now", [SECOND, SECOND - 1, SECOND - 100])
def test_is_never_zero_or_negative(now: int) -> None:
    assert round_trip_ns(block(SECOND // 2, SECOND // 2), now) == 15258


def test_estimate_starts_with_the_first_sample_and_follows_slowly() -> None:
    estimator = RttEstimator()
    assert estimator.rtt_ns is None
    estimator.on_report_block(block(0, 0), 5 * SECOND)
    assert estimator.rtt_ns is None
    estimator.on_report_block(block(4 * SECOND, 0), 5 * SECOND)
    assert estimator.rtt_ns == 1000 * MS
    estimator.on_report_block(block(3 * SECOND, 0), 5 * SECOND)
    assert estimator.rtt_ns == 1125 * MS
