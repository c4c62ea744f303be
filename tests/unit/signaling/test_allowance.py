from __future__ import annotations

from contextlib import ExitStack

from sidecar.classroom.errors import Fault
from sidecar.limits import Limits
from sidecar.signaling import allowance
from sidecar.signaling.allowance import Allowance, Allowances
from tests.unit.signaling.fakes import FakeClock

HERE, ELSEWHERE = "192.0.2.1", "192.0.2.2"


def chat(each: Allowance) -> int:
    """How many chat messages are carried out until one is refused."""
    count = 0
    while (fault := each.refusal("chatMessage")) is None:
        count += 1
    assert fault is Fault.TOO_MANY_CHAT_MESSAGES
    return count


def allowances(clock: FakeClock) -> Allowances:
    return Allowances(Limits(max_chat_messages=20), clock)


def test_who_hangs_up_and_connects_anew_goes_on_where_they_were() -> None:
    clock = FakeClock()
    lent = allowances(clock)
    with lent.lend(HERE) as first:
        assert chat(first) == 20
    for _ in range(5):
        with lent.lend(HERE) as again:
            assert chat(again) == 0
            assert again.refusal("join") is None
    clock.now_s += 5
    with lent.lend(HERE) as later:
        assert chat(later) == 10
    clock.now_s += 10
    with lent.lend(HERE) as much_later:
        assert chat(much_later) == 20


def test_connections_at_the_same_time_have_one_each() -> None:
    lent = allowances(FakeClock())
    with ExitStack() as stack:
        assert [chat(stack.enter_context(lent.lend(HERE))) for _ in range(50)] == [20] * 50
        assert chat(stack.enter_context(lent.lend(ELSEWHERE))) == 20
    with lent.lend(ELSEWHERE), lent.lend(ELSEWHERE) as second:
        assert chat(second) == 20


def test_the_one_with_most_left_comes_first() -> None:
    clock = FakeClock()
    lent = allowances(clock)
    with lent.lend(HERE) as early, lent.lend(HERE) as late:
        chat(late)
        clock.now_s += 1
        chat(early)
    with lent.lend(HERE) as again:
        assert chat(again) == 2


def test_nobody_makes_it_remember_without_end() -> None:
    clock = FakeClock()
    lent = allowances(clock)
    for number in range(allowance.MAX_ORIGINS + 1):
        with lent.lend(str(number)) as each:
            assert each.refusal("chatMessage") is None
    with lent.lend(str(allowance.MAX_ORIGINS)) as remembered:
        assert chat(remembered) == 19
    with lent.lend("0") as forgotten:
        assert chat(forgotten) == 20
