from __future__ import annotations

import pytest

from sidecar.engine.sequence_unwrapper import SequenceUnwrapper

STARTS = [0, 1, 127, 32767, 32768, 65534, 65535]


@pytest.mark.parametrize("start", STARTS)
def test_first_number_lies_in_the_first_cycle(start: int) -> None:
    assert SequenceUnwrapper().unwrap(start) == 65536 + start


@pytest.mark.parametrize("start", STARTS)
def test_numbers_in_order_grow_by_one_over_three_cycles(start: int) -> None:
    unwrapper = SequenceUnwrapper()
    for count in range(3 * 65536):
        assert unwrapper.unwrap((start + count) & 0xFFFF) == 65536 + start + count


@pytest.mark.parametrize("start", STARTS)
def test_older_number_stays_older_and_positive(start: int) -> None:
    unwrapper = SequenceUnwrapper()
    first = unwrapper.unwrap(start)
    assert unwrapper.unwrap((start - 100) & 0xFFFF) == first - 100
    assert unwrapper.unwrap((start + 1) & 0xFFFF) == first + 1


@pytest.mark.parametrize("start", STARTS)
def test_less_than_half_a_cycle_ahead_is_newer(start: int) -> None:
    unwrapper = SequenceUnwrapper()
    first = unwrapper.unwrap(start)
    assert unwrapper.unwrap((start + 32767) & 0xFFFF) == first + 32767


@pytest.mark.parametrize("start", STARTS)
def test_half_a_cycle_ahead_is_older(start: int) -> None:
    unwrapper = SequenceUnwrapper()
    first = unwrapper.unwrap(start)
    assert unwrapper.unwrap((start + 32768) & 0xFFFF) == first - 32768
    assert first - 32768 > 0


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("again", STARTS)
def test_restart_goes_on_above_everything_before(start: int, again: int) -> None:
    unwrapper = SequenceUnwrapper()
    first = unwrapper.unwrap(start)
    restarted = unwrapper.restart(again)
    assert restarted & 0xFFFF == again
    assert restarted - first > 65536
    assert unwrapper.unwrap((again + 1) & 0xFFFF) == restarted + 1


def test_restart_of_an_unused_unwrapper_is_its_start() -> None:
    assert SequenceUnwrapper().restart(7) == 65543


@pytest.mark.parametrize("again", [0, 1, 32767, 32768, 65535])
def test_next_number_of_a_new_sequence_lies_above_everything_before(again: int) -> None:
    unwrapper = SequenceUnwrapper()
    first = unwrapper.unwrap(50_000)
    unwrapper.expect_new_sequence()
    unwrapper.expect_new_sequence()
    restarted = unwrapper.unwrap(again)
    assert restarted & 0xFFFF == again
    assert restarted - first > 65536
    assert unwrapper.unwrap((again + 1) & 0xFFFF) == restarted + 1
