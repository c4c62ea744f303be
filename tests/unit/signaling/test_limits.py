from __future__ import annotations

from sidecar.signaling.limits import TokenBucket
from tests.unit.signaling.fakes import FakeClock


def taken(bucket: TokenBucket, attempts: int) -> int:
    return sum(bucket.take() for _ in range(attempts))


def test_a_burst_up_to_the_capacity() -> None:
    assert taken(TokenBucket(20, 10.0, FakeClock()), 30) == 20


def test_refills_steadily() -> None:
    clock = FakeClock()
    bucket = TokenBucket(20, 10.0, clock)
    taken(bucket, 20)
    clock.now_s += 0.25
    assert taken(bucket, 5) == 0
    clock.now_s += 0.25
    assert taken(bucket, 5) == 1
    clock.now_s += 5
    assert taken(bucket, 30) == 10


def test_never_holds_more_than_the_capacity() -> None:
    clock = FakeClock()
    bucket = TokenBucket(20, 10.0, clock)
    clock.now_s += 1_000_000
    assert taken(bucket, 30) == 20


def test_how_long_it_takes_until_there_is_a_token() -> None:
    clock = FakeClock()
    bucket = TokenBucket(2, 8.0, clock)
    assert bucket.wait_s() == 0
    bucket.take()
    assert bucket.wait_s() == 0
    bucket.take()
    assert bucket.wait_s() == 4
    clock.now_s += 2
    assert bucket.wait_s() == 2
    clock.now_s += 2
    assert bucket.wait_s() == 0


def test_what_is_spent_too_early_is_waited_for() -> None:
    clock = FakeClock()
    bucket = TokenBucket(20, 10.0, clock)
    assert bucket.spend(20) == 0
    assert bucket.spend(5) == 2.5
    clock.now_s += 2
    assert bucket.spend(0) == 0.5
    clock.now_s += 100
    assert bucket.spend(20) == 0
