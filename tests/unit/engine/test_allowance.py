"""Allowances: a few times in a row, and then once in a while."""

from __future__ import annotations

from sidecar.engine.allowance import Allowance

S = 1_000_000_000


def test_a_few_are_granted_in_a_row_and_then_one_in_every_interval() -> None:
    allowance = Allowance(12, 3)
    granted = [second for second in range(60) if allowance.take(second * S)]
    assert granted == [0, 1, 2, *range(5, 60, 5)]


def test_it_says_when_it_grants_the_next_one() -> None:
    allowance = Allowance(12, 2)
    assert allowance.next_ns <= 0
    assert allowance.take(0)
    assert allowance.take(0)
    assert not allowance.take(allowance.next_ns - 1)
    assert allowance.take(allowance.next_ns)


def test_what_is_not_used_is_not_saved_up() -> None:
    allowance = Allowance(60, 4)
    assert [allowance.take(1000 * S) for _ in range(5)] == [True] * 4 + [False]
    assert [allowance.take(9000 * S) for _ in range(5)] == [True] * 4 + [False]
