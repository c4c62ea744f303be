"""NACK, retransmission and reception statistics over a lossy link."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.sim.link import MS, Link, S, run
from tests.sim.stream import Packet, Path

STARTS = [0, 1, 127, 32767, 32768, 65534, 65535]
LESSON_NS = 60 * S


def lossy(seed: int, loss: float, **faults: float) -> Link[Packet]:
    return Link(
        seed,
        loss=loss,
        jitter_ns=20 * MS,
        reorder=faults.get("reorder", 0.0),
        duplicate=faults.get("duplicate", 0.0),
    )


def back(seed: int, loss: float) -> Link[list[int]]:
    return Link(seed + 1000, loss=loss, jitter_ns=20 * MS)


def expected(path: Path) -> set[int]:
    """Return what a receiver can know of: loss at either end leaves no hole."""
    received = path.receiver.received
    return set(range(min(received), max(received) + 1))


@pytest.mark.parametrize("start", STARTS)
def test_every_hole_is_filled_at_five_percent_loss(start: int) -> None:
    path = Path(lossy(1, 0.05), back(1, 0.05), first_sequence=start)
    run(path.step, path.next_timeout, LESSON_NS)
    assert path.uplink.lost > 50
    assert sorted(path.receiver.received) == sorted(expected(path))
    assert len(path.receiver.received) > 1990
    assert not path.receiver.key_frame_needed
    assert path.receiver.nack.next_timeout_ns is None


@pytest.mark.parametrize("seed", range(5))
def test_few_holes_are_left_to_a_key_frame_at_thirty_percent_loss(seed: int) -> None:
    path = Path(lossy(seed, 0.3), back(seed, 0.3))
    run(path.step, path.next_timeout, LESSON_NS)
    # Half of the requests or their answers get lost: ten of them fail once in a thousand holes.
    missing = expected(path) - set(path.receiver.received)
    assert len(missing) <= 3
    assert path.receiver.key_frame_needed or not missing


@pytest.mark.parametrize("start", STARTS)
def test_no_packet_is_delivered_twice(start: int) -> None:
    link = lossy(2, 0.05, reorder=0.05, duplicate=0.1)
    path = Path(link, back(2, 0.05), first_sequence=start)
    run(path.step, path.next_timeout, LESSON_NS)
    assert sorted(path.receiver.received) == sorted(expected(path))
    assert path.receiver.statistics.packets == len(path.receiver.received)


def test_nothing_is_asked_for_over_a_good_link() -> None:
    path = Path(Link(3), Link(3))
    run(path.step, path.next_timeout, LESSON_NS)
    assert path.receiver.requests == []
    assert path.receiver.received == list(range(2000))
    assert path.receiver.statistics.packets_lost == 0


def test_stream_over_two_wrap_arounds_stays_whole() -> None:
    path = Path(lossy(4, 0.02), back(4, 0.02), first_sequence=65_000, packets=67_000)
    run(path.step, path.next_timeout, 67_000 * 8 * MS + LESSON_NS)
    assert sorted(path.receiver.received) == sorted(expected(path))
    block = path.receiver.statistics.report_block(1, 0)
    assert block.highest_sequence == 65_000 + max(path.receiver.received)


@pytest.mark.parametrize("rtt_ms", [5, 60, 200])
def test_one_packet_is_never_asked_for_twice_within_a_round_trip(rtt_ms: int) -> None:
    path = Path(lossy(5, 0.2), back(5, 0.2), rtt_ns=rtt_ms * MS)
    run(path.step, path.next_timeout, LESSON_NS)
    times: dict[int, list[int]] = {}
    for now_ns, seq in path.receiver.requests:
        times.setdefault(seq, []).append(now_ns)
    spacings = [later - earlier for asked in times.values() for earlier, later in pairwise(asked)]
    assert spacings
    assert min(spacings) >= max(rtt_ms, 20) * MS
    assert max(map(len, times.values())) <= 10


def test_repair_costs_little_more_than_what_was_lost() -> None:
    path = Path(Link(6, loss=0.05), Link(6), rtt_ns=50 * MS)
    run(path.step, path.next_timeout, LESSON_NS)
    assert path.sender.retransmitted == path.uplink.lost


def test_long_outage_wants_a_key_frame_and_then_goes_on() -> None:
    path = Path(Link(7), Link(7), packets=6000)
    run(path.step, path.next_timeout, 8 * S)
    path.uplink.loss = 1.0
    run(path.step, path.next_timeout, 20 * S)
    path.uplink.loss = 0.0
    run(path.step, path.next_timeout, 60 * S)
    assert path.receiver.key_frame_needed
    assert path.receiver.received[-1000:] == list(range(5000, 6000))


@pytest.mark.parametrize("start", STARTS)
def test_loss_without_repair_is_reported_as_it_was(start: int) -> None:
    uplink = lossy(8, 0.05)
    path = Path(uplink, back(8, 1.0), first_sequence=start)
    run(path.step, path.next_timeout, LESSON_NS)
    statistics = path.receiver.statistics
    # Loss before the first and after the last packet received can not be seen.
    assert 0 <= uplink.lost - statistics.packets_lost <= 3
    assert abs(statistics.report_block(1, 0).fraction_lost / 256 - uplink.lost / 2000) < 0.01


def test_jitter_is_that_of_the_link_whatever_is_lost() -> None:
    clean = Path(Link(9, jitter_ns=20 * MS), Link(9))
    repaired = Path(Link(9, jitter_ns=20 * MS, loss=0.2), Link(9))
    for path in (clean, repaired):
        run(path.step, path.next_timeout, LESSON_NS)
        # The mean difference of two delays drawn evenly from 20 ms is 6.7 ms.
        assert 2 < path.receiver.statistics.jitter_ms < 12
