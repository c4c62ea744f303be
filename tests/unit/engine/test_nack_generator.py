from __future__ import annotations

import pytest

from sidecar.engine.nack_generator import MAX_HOLES, MAX_PACKETS_PER_POLL, NackGenerator

MS = 1_000_000
STARTS = [65536 + start for start in (0, 1, 127, 32767, 32768, 65534, 65535)]


@pytest.fixture
def nack() -> NackGenerator:
    return NackGenerator()


def drain(nack: NackGenerator, until_ns: int) -> list[tuple[int, list[int]]]:
    """Run the timer up to a time; return what was asked for and when."""
    requests = []
    while nack.next_timeout_ns is not None and nack.next_timeout_ns <= until_ns:
        now_ns = nack.next_timeout_ns
        if lost := nack.poll(now_ns):
            requests.append((now_ns, lost))
    return requests


@pytest.mark.parametrize("start", STARTS)
def test_packets_in_order_need_nothing(nack: NackGenerator, start: int) -> None:
    assert not any(nack.on_packet(start + count, 0) for count in range(100))
    assert nack.next_timeout_ns is None
    assert nack.poll(1000 * MS) == []


@pytest.mark.parametrize("start", STARTS)
def test_hole_is_asked_for_at_once(nack: NackGenerator, start: int) -> None:
    nack.on_packet(start, 0)
    assert nack.on_packet(start + 3, 5 * MS) is False
    assert nack.next_timeout_ns == 5 * MS
    assert nack.poll(5 * MS) == [start + 1, start + 2]
    assert nack.poll(5 * MS) == []


@pytest.mark.parametrize("start", STARTS)
def test_filled_hole_is_not_asked_for_again(nack: NackGenerator, start: int) -> None:
    nack.on_packet(start, 0)
    nack.on_packet(start + 3, 0)
    nack.poll(0)
    assert nack.on_packet(start + 1, 50 * MS) is True
    assert nack.on_packet(start + 1, 51 * MS) is False
    assert nack.poll(100 * MS) == [start + 2]
    assert nack.on_packet(start + 2, 150 * MS) is True
    assert nack.next_timeout_ns is None


@pytest.mark.parametrize(("rtt_ms", "spacing_ms"), [(0, 20), (5, 20), (20, 20), (80, 80)])
def test_repetitions_are_spaced_by_the_round_trip_time(rtt_ms: int, spacing_ms: int) -> None:
    nack = NackGenerator(rtt_ms * MS)
    nack.on_packet(70_000, 0)
    nack.on_packet(70_002, 0)
    times = [when for when, _ in drain(nack, 10_000 * MS)]
    assert times == [count * spacing_ms * MS for count in range(10)]


def test_round_trip_time_is_learnt_from_answers(nack: NackGenerator) -> None:
    ext_seq, now_ns = 70_000, 0
    nack.on_packet(ext_seq, now_ns)
    for _ in range(60):
        ext_seq += 2
        nack.on_packet(ext_seq, now_ns)
        assert nack.poll(now_ns) == [ext_seq - 1]
        now_ns += 40 * MS
        assert nack.on_packet(ext_seq - 1, now_ns, recovered=True)
    assert abs(nack.rtt_ns - 40 * MS) < MS
    nack.on_packet(ext_seq + 2, now_ns)
    assert [when - now_ns for when, _ in drain(nack, now_ns + 100 * MS)][1] == nack.rtt_ns


def test_answers_to_repeated_requests_teach_nothing(nack: NackGenerator) -> None:
    nack.on_packet(70_000, 0)
    nack.on_packet(70_002, 0)
    assert len(drain(nack, 150 * MS)) == 2
    assert nack.on_packet(70_001, 160 * MS, recovered=True)
    assert nack.rtt_ns == 100 * MS


def test_reordering_teaches_nothing(nack: NackGenerator) -> None:
    nack.on_packet(70_000, 0)
    nack.on_packet(70_002, 0)
    assert nack.poll(0) == [70_001]
    assert nack.on_packet(70_001, 1 * MS)
    assert nack.rtt_ns == 100 * MS


def test_gives_up_after_ten_requests_and_wants_a_key_frame(nack: NackGenerator) -> None:
    nack.on_packet(70_000, 0)
    nack.on_packet(70_002, 0)
    assert len(drain(nack, 950 * MS)) == 10
    assert not nack.take_key_frame_needed()
    assert drain(nack, 10_000 * MS) == []
    assert nack.next_timeout_ns is None
    assert nack.take_key_frame_needed()
    assert not nack.take_key_frame_needed()


def test_gives_up_after_two_seconds() -> None:
    nack = NackGenerator(900 * MS)
    nack.on_packet(70_000, 0)
    nack.on_packet(70_002, 0)
    assert len(drain(nack, 60_000 * MS)) == 3
    assert nack.take_key_frame_needed()


def test_holes_have_their_own_timers(nack: NackGenerator) -> None:
    nack.on_packet(70_000, 0)
    nack.on_packet(70_002, 0)
    assert nack.poll(0) == [70_001]
    nack.on_packet(70_004, 30 * MS)
    assert drain(nack, 199 * MS) == [
        (30 * MS, [70_003]),
        (100 * MS, [70_001]),
        (130 * MS, [70_003]),
    ]


def test_too_large_a_hole_wants_a_key_frame_instead(nack: NackGenerator) -> None:
    nack.on_packet(70_000, 0)
    nack.on_packet(70_000 + MAX_HOLES + 2, 7)
    assert nack.next_timeout_ns == 7, "whoever takes the need is called at once"
    assert nack.poll(7) == []
    assert nack.next_timeout_ns is None
    assert nack.take_key_frame_needed()
    nack.on_packet(70_000 + MAX_HOLES + 4, 0)
    assert nack.poll(0) == [70_000 + MAX_HOLES + 3]


def test_number_of_holes_is_bounded(nack: NackGenerator) -> None:
    for seq in range(70_000, 70_000 + 2 * MAX_HOLES + 1, 2):
        nack.on_packet(seq, 0)
    assert not nack.take_key_frame_needed()
    nack.on_packet(70_000 + 2 * MAX_HOLES + 2, 0)
    assert nack.poll(0) == []
    assert nack.take_key_frame_needed()
    assert nack.next_timeout_ns is None


def test_many_holes_are_asked_for_in_several_messages(nack: NackGenerator) -> None:
    nack.on_packet(70_000, 0)
    nack.on_packet(70_601, 0)
    requests = drain(nack, 0)
    assert [len(lost) for _, lost in requests] == [MAX_PACKETS_PER_POLL, MAX_PACKETS_PER_POLL, 100]
    assert [seq for _, lost in requests for seq in lost] == list(range(70_001, 70_601))


def test_key_frame_ends_interest_in_what_was_before(nack: NackGenerator) -> None:
    nack.on_packet(70_000, 0)
    nack.on_packet(70_002, 0)
    nack.on_packet(70_010, 0)
    nack.on_key_frame(70_008)
    assert nack.poll(0) == [70_008, 70_009]
    nack.on_key_frame(70_010)
    assert nack.next_timeout_ns is None
    assert not nack.take_key_frame_needed()


def test_packet_older_than_the_first_is_nothing(nack: NackGenerator) -> None:
    nack.on_packet(70_000, 0)
    assert nack.on_packet(69_999, 0) is False
    assert nack.next_timeout_ns is None
