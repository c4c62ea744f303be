from __future__ import annotations

import pytest

from sidecar.engine import ntp

S = 1_000_000_000


@pytest.mark.parametrize(("duration_ns", "units"), [(0, 0), (S, 1 << 32), (-S // 2, -(1 << 31))])
def test_intervals_are_in_units_of_two_to_the_minus_32_seconds(
    duration_ns: int, units: int
) -> None:
    assert ntp.ntp_interval(duration_ns) == units


@pytest.mark.parametrize(
    ("duration_ns", "ticks"), [(0, 0), (S, 65536), (-S, 0), (100_000 * S, 0xFFFF_FFFF)]
)
def test_short_interval_is_clamped(duration_ns: int, ticks: int) -> None:
    assert ntp.ntp_interval_32(duration_ns) == ticks


def test_middle_bits() -> None:
    assert ntp.middle_32_bits(0x0123_4567_89AB_CDEF) == 0x4567_89AB


def test_difference_is_correct_over_the_change_of_era() -> None:
    before, after = (1 << 64) - 5, 10
    assert ntp.ntp_difference(after, before) == 15
    assert ntp.ntp_difference(before, after) == -15
