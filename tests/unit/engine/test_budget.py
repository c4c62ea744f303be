"""Budgets: what may be used at once, and over time."""

from __future__ import annotations

from sidecar.engine.budget import REFILL_INTERVAL_NS, Budget

S = 1_000_000_000


def used_up(budget: Budget, now_ns: int) -> int:
    """Takes one by one, as long as there is any."""
    count = 0
    while budget.take(1, now_ns):
        count += 1
    return count


def test_a_burst_is_granted_and_then_so_much_a_second() -> None:
    budget = Budget(100, 50)
    assert budget.take(50, 0)
    used_up(budget, 0)
    assert used_up(budget, S // 2) == 50
    assert used_up(budget, S // 2 + S // 4) == 25


def test_however_long_nothing_is_used_there_is_no_more_than_a_burst() -> None:
    budget = Budget(100, 50)
    used_up(budget, 0)
    assert used_up(budget, 1000 * S) == 50


def test_a_slow_use_of_all_that_is_earned_is_never_refused() -> None:
    budget = Budget(100, 50)
    assert all(budget.take(1, number * S // 90) for number in range(10_000))


def test_what_is_refused_uses_up_nothing() -> None:
    budget = Budget(100, 50)
    assert not budget.take(51, 0)
    assert budget.take(50, 0)


def test_whoever_has_used_up_all_gets_nothing_for_a_while() -> None:
    budget = Budget(1_000_000, 100)
    used_up(budget, 0)
    assert used_up(budget, REFILL_INTERVAL_NS - 1) == 0
    assert used_up(budget, REFILL_INTERVAL_NS) == 100


def test_some_is_better_than_nothing() -> None:
    budget = Budget(100, 50)
    assert budget.take_some(20, 0) == 20
    assert budget.take_some(60, 0) == 50
    assert budget.take_some(60, 0) == 0
    assert budget.take_some(60, S // 4) == 25
