from __future__ import annotations

from sidecar.engine.sampled_rate import SampledRate

S = 1_000_000_000


def test_is_zero_before_the_first_sample() -> None:
    assert SampledRate().bits_per_second(1000, 5 * S) == 0


def test_is_that_since_the_last_sample_but_one() -> None:
    rate = SampledRate()
    rate.sample(1_000, 1 * S)
    assert rate.bits_per_second(11_000, 2 * S) == 80_000
    rate.sample(11_000, 2 * S)
    assert rate.bits_per_second(11_000, 2 * S) == 80_000
    rate.sample(31_000, 3 * S)
    assert rate.bits_per_second(31_000, 3 * S) == 160_000
    assert rate.bits_per_second(31_000, 4 * S) == 80_000


def test_burst_right_after_the_first_sample_is_no_rate() -> None:
    rate = SampledRate()
    rate.sample(0, 1 * S)
    assert rate.bits_per_second(10_000, 1 * S) == 800_000


def test_stream_that_has_stopped_comes_down_to_zero() -> None:
    rate = SampledRate()
    for second in range(3):
        rate.sample(1_000, second * S)
    assert rate.bits_per_second(1_000, 3 * S) == 0
