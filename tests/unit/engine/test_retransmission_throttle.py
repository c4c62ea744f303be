from __future__ import annotations

import pytest

from sidecar.engine.retransmission_throttle import RetransmissionThrottle

MS = 1_000_000


@pytest.mark.parametrize(("rtt_ms", "interval_ms"), [(0, 10), (4, 10), (10, 10), (70, 70)])
def test_same_packet_waits_for_a_round_trip(rtt_ms: int, interval_ms: int) -> None:
    throttle = RetransmissionThrottle(rtt_ms * MS)
    assert throttle.allow(1, 100, 0)
    assert not throttle.allow(1, 100, interval_ms * MS - 1)
    assert throttle.allow(1, 100, interval_ms * MS)
    assert not throttle.allow(1, 100, 2 * interval_ms * MS - 1)


def test_other_packets_do_not_wait() -> None:
    throttle = RetransmissionThrottle(70 * MS)
    assert all(throttle.allow(seq, 100, 0) for seq in range(50))


def test_new_round_trip_time_holds_at_once() -> None:
    throttle = RetransmissionThrottle(100 * MS)
    throttle.allow(1, 100, 0)
    throttle.set_rtt(20 * MS)
    assert throttle.allow(1, 100, 20 * MS)


def test_budget_is_a_burst_of_one_second_and_then_its_rate() -> None:
    throttle = RetransmissionThrottle(budget_bps=80_000)
    assert [throttle.allow(seq, 1000, 0) for seq in range(12)] == [True] * 10 + [False] * 2
    assert not throttle.allow(100, 1000, 99 * MS)
    assert throttle.allow(100, 1000, 100 * MS)
    assert not throttle.allow(101, 1000, 100 * MS)


def test_unused_budget_does_not_pile_up() -> None:
    throttle = RetransmissionThrottle(budget_bps=80_000)
    throttle.allow(0, 1000, 0)
    allowed = [throttle.allow(seq, 1000, 60_000 * MS) for seq in range(1, 20)]
    assert sum(allowed) == 10


def test_refused_packet_is_not_counted_as_sent() -> None:
    throttle = RetransmissionThrottle(100 * MS, budget_bps=8_000)
    assert throttle.allow(1, 1000, 0)
    assert not throttle.allow(2, 500, 499 * MS)
    assert throttle.allow(2, 500, 500 * MS)


def test_packets_stay_throttled_while_old_ones_are_forgotten() -> None:
    throttle = RetransmissionThrottle(100 * MS, budget_bps=1_000_000_000)
    for seq in range(2000):
        assert throttle.allow(seq, 100, seq * MS)
        if seq >= 99:
            assert not throttle.allow(seq - 99, 100, seq * MS)
