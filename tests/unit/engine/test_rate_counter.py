from __future__ import annotations

from sidecar.engine.rate_counter import RateCounter

MS = 1_000_000


def test_nothing_counted_is_no_rate() -> None:
    assert RateCounter().bits_per_second(123 * MS) == 0


def test_steady_stream_shows_its_rate() -> None:
    counter = RateCounter()
    for count in range(3000):
        counter.add(1000, count * MS)
    rate = counter.bits_per_second(3000 * MS)
    assert abs(rate - 8_000_000) < 8_000_000 * 0.01


def test_rate_falls_to_zero_after_the_window() -> None:
    counter = RateCounter()
    counter.add(1000, 0)
    assert counter.bits_per_second(900 * MS) > 0
    assert counter.bits_per_second(1000 * MS) == 0


def test_counts_again_after_a_long_pause() -> None:
    counter = RateCounter()
    counter.add(5000, 0)
    resumed_ns = 10**18
    counter.add(1000, resumed_ns)
    assert counter.bits_per_second(resumed_ns + 500 * MS) * 950 // 1000 in range(7999, 8001)


def test_window_can_be_chosen() -> None:
    counter = RateCounter(200 * MS)
    counter.add(1000, 0)
    assert counter.bits_per_second(190 * MS) > 0
    assert counter.bits_per_second(200 * MS) == 0
