from __future__ import annotations

import pytest

from sidecar.engine.transport_cc_generator import (
    HISTORY_INTERVALS,
    MAX_FEEDBACKS_PER_POLL,
    MAX_JUMP_PACKETS,
    MAX_MISSING_PER_POLL,
    MAX_RECEIVED_PER_FEEDBACK,
    TransportCcGenerator,
)
from sidecar.rtp.rtcp import TransportCcFeedback, parse_rtcp

MS = 1_000_000
TICK_NS = 250_000
STARTS = [0, 1, 127, 32767, 32768, 65534, 65535]


@pytest.fixture
def generator() -> TransportCcGenerator:
    return TransportCcGenerator()


def poll(generator: TransportCcGenerator, now_ns: int) -> list[TransportCcFeedback]:
    """Poll, and check that what comes out can be sent."""
    messages = generator.poll(now_ns, 1, 2)
    for message in messages:
        data = message.to_bytes()
        assert len(data) <= 1232
        assert parse_rtcp(data) == [message]
    return messages


def arrivals(messages: list[TransportCcFeedback]) -> dict[int, int | None]:
    """Decode as a sender does: sequence number to time of arrival in ticks, None if lost."""
    decoded: dict[int, int | None] = {}
    for message in messages:
        tick = message.reference_time * 256
        for index, delta in enumerate(message.deltas):
            if delta is not None:
                tick += delta
            decoded[(message.base_sequence + index) & 0xFFFF] = None if delta is None else tick
    return decoded


def test_nothing_to_report_before_a_packet(generator: TransportCcGenerator) -> None:
    assert generator.next_timeout_ns is None
    assert poll(generator, 1000 * MS) == []


def test_feedback_is_due_a_tenth_of_a_second_after_a_packet(
    generator: TransportCcGenerator,
) -> None:
    generator.on_packet(5, 30 * MS)
    generator.on_packet(6, 40 * MS)
    assert generator.next_timeout_ns == 130 * MS
    assert poll(generator, 130 * MS - 1) == []
    assert len(poll(generator, 130 * MS)) == 1
    assert generator.next_timeout_ns is None
    generator.on_packet(7, 150 * MS)
    assert generator.next_timeout_ns == 250 * MS


@pytest.mark.parametrize("start", STARTS)
def test_arrivals_are_reported_from_the_first_packet_on(
    generator: TransportCcGenerator, start: int
) -> None:
    for count in range(50):
        generator.on_packet((start + count) & 0xFFFF, 1000 * MS + count * MS)
    messages = poll(generator, 1100 * MS)
    assert [message.base_sequence for message in messages] == [start]
    assert (messages[0].sender_ssrc, messages[0].media_ssrc) == (1, 2)
    assert arrivals(messages) == {
        (start + count) & 0xFFFF: (1000 + count) * 4 for count in range(50)
    }


def test_each_arrival_is_reported_once_however_many_follow(generator: TransportCcGenerator) -> None:
    per_interval = MAX_JUMP_PACKETS // 4
    for interval in range(10):
        first = interval * per_interval
        for number in range(first, first + per_interval):
            generator.on_packet(number & 0xFFFF, interval * 200 * MS)
        messages = poll(generator, (interval * 200 + 100) * MS)
        assert list(arrivals(messages)) == list(range(first, first + per_interval))


@pytest.mark.parametrize("start", STARTS)
def test_losses_are_reported_also_at_the_start_of_an_interval(
    generator: TransportCcGenerator, start: int
) -> None:
    for offset in (0, 1, 4):
        generator.on_packet((start + offset) & 0xFFFF, 0)
    poll(generator, 100 * MS)
    for offset in (7, 8):
        generator.on_packet((start + offset) & 0xFFFF, 100 * MS)
    messages = poll(generator, 200 * MS)
    assert messages[0].base_sequence == (start + 5) & 0xFFFF
    assert [delta is None for delta in messages[0].deltas] == [True, True, False, False]


@pytest.mark.parametrize("start", STARTS)
def test_reordered_packet_within_an_interval_is_received(
    generator: TransportCcGenerator, start: int
) -> None:
    for offset, now_ms in ((0, 0), (2, 1), (-1, 2), (1, 3)):
        generator.on_packet((start + offset) & 0xFFFF, now_ms * MS)
    messages = poll(generator, 100 * MS)
    assert messages[0].base_sequence == (start - 1) & 0xFFFF
    assert messages[0].deltas == (8, -8, 12, -8)


@pytest.mark.parametrize("start", STARTS)
def test_packet_reported_lost_is_reported_again_when_it_comes(
    generator: TransportCcGenerator, start: int
) -> None:
    for offset in (0, 2, 3):
        generator.on_packet((start + offset) & 0xFFFF, 0)
    poll(generator, 100 * MS)
    generator.on_packet((start + 1) & 0xFFFF, 110 * MS)
    generator.on_packet((start + 4) & 0xFFFF, 120 * MS)
    messages = poll(generator, 210 * MS)
    assert messages[0].base_sequence == (start + 1) & 0xFFFF
    assert arrivals(messages) == {
        (start + offset) & 0xFFFF: tick for offset, tick in ((1, 440), (2, 0), (3, 0), (4, 480))
    }


def test_duplicate_keeps_the_first_arrival(generator: TransportCcGenerator) -> None:
    generator.on_packet(5, 10 * MS)
    generator.on_packet(6, 20 * MS)
    generator.on_packet(5, 30 * MS)
    generator.on_packet(6, 40 * MS)
    assert arrivals(poll(generator, 110 * MS)) == {5: 40, 6: 80}
    generator.on_packet(5, 120 * MS)
    assert poll(generator, 220 * MS) == []
    assert generator.next_timeout_ns is None


def test_duplicate_from_before_the_history_is_ignored(generator: TransportCcGenerator) -> None:
    for interval in range(HISTORY_INTERVALS + 1):
        generator.on_packet(100 + 2 * interval, interval * 100 * MS)
        poll(generator, (interval + 1) * 100 * MS)
    generator.on_packet(100, 2000 * MS)
    assert poll(generator, 2100 * MS) == []
    generator.on_packet(101, 2200 * MS)
    assert poll(generator, 2300 * MS) != []


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("jump", [MAX_JUMP_PACKETS + 1, 32768, -MAX_JUMP_PACKETS - 1])
def test_large_jump_is_a_new_sequence_not_loss(
    generator: TransportCcGenerator, start: int, jump: int
) -> None:
    numbers = [start, (start + 1) & 0xFFFF]
    again = [(start + 1 + jump) & 0xFFFF, (start + 2 + jump) & 0xFFFF]
    for number in numbers + again:
        generator.on_packet(number, 0)
    messages = poll(generator, 100 * MS)
    assert [message.base_sequence for message in messages] == [numbers[0], again[0]]
    assert [len(message.deltas) for message in messages] == [2, 2]


def test_large_jump_between_intervals_is_not_loss(generator: TransportCcGenerator) -> None:
    generator.on_packet(10, 0)
    poll(generator, 100 * MS)
    generator.on_packet(20_000, 200 * MS)
    generator.on_packet(20_001, 200 * MS)
    messages = poll(generator, 300 * MS)
    assert [(message.base_sequence, len(message.deltas)) for message in messages] == [(20_000, 2)]


def test_longest_gap_that_is_loss(generator: TransportCcGenerator) -> None:
    generator.on_packet(10, 0)
    poll(generator, 100 * MS)
    generator.on_packet(10 + MAX_JUMP_PACKETS, 200 * MS)
    messages = poll(generator, 300 * MS)
    assert [message.base_sequence for message in messages] == [11]
    assert messages[0].deltas[:-1] == (None,) * (MAX_JUMP_PACKETS - 1)


def test_many_packets_take_several_messages(generator: TransportCcGenerator) -> None:
    for number in range(500):
        generator.on_packet(number, number * TICK_NS)
    messages = poll(generator, 200 * MS)
    assert [len(message.deltas) for message in messages] == [
        MAX_RECEIVED_PER_FEEDBACK,
        MAX_RECEIVED_PER_FEEDBACK,
        100,
    ]
    assert [message.feedback_count for message in messages] == [0, 1, 2]
    assert arrivals(messages) == {number: number for number in range(500)}


def test_gaps_between_messages_are_reported(generator: TransportCcGenerator) -> None:
    numbers = range(0, 500 * 6, 6)
    for number in numbers:
        generator.on_packet(number, 0)
    messages = poll(generator, 100 * MS)
    assert len(messages) == 3
    decoded = arrivals(messages)
    assert sorted(decoded) == list(range(499 * 6 + 1))
    assert [number for number, tick in decoded.items() if tick is not None] == list(numbers)


def test_numbers_that_jump_with_every_packet_make_no_long_lists(
    generator: TransportCcGenerator,
) -> None:
    for number in range(0, 300 * MAX_JUMP_PACKETS, MAX_JUMP_PACKETS):
        generator.on_packet(number & 0xFFFF, 0)
    messages = poll(generator, 100 * MS)
    assert len(messages) == MAX_FEEDBACKS_PER_POLL
    assert sum(len(message.deltas) for message in messages) <= MAX_MISSING_PER_POLL + 300
    # What comes next is reported as ever.
    first = 300 * MAX_JUMP_PACKETS
    for number in range(first, first + 3):
        generator.on_packet(number & 0xFFFF, 101 * MS)
    (message,) = poll(generator, 300 * MS)
    assert message.deltas[-3:].count(None) == 0


def test_time_between_packets_that_no_delta_can_hold(generator: TransportCcGenerator) -> None:
    generator.on_packet(1, 0)
    generator.on_packet(2, 32767 * TICK_NS)
    generator.on_packet(3, (32767 + 32768) * TICK_NS)
    messages = poll(generator, 60_000 * MS)
    assert [len(message.deltas) for message in messages] == [2, 1]
    assert arrivals(messages) == {1: 0, 2: 32767, 3: 65535}


@pytest.mark.parametrize(("now_ms", "reference"), [(0, 0), (640, 10), (64 * 0x800000, -0x800000)])
def test_reference_time_is_in_units_of_64_ms_and_wraps(
    generator: TransportCcGenerator, now_ms: int, reference: int
) -> None:
    generator.on_packet(1, now_ms * MS)
    (message,) = poll(generator, (now_ms + 100) * MS)
    assert (message.reference_time, message.deltas) == (reference, (0,))


def test_feedback_count_wraps(generator: TransportCcGenerator) -> None:
    counts = []
    for number in range(258):
        generator.on_packet(number, number * 100 * MS)
        counts += [message.feedback_count for message in poll(generator, (number + 1) * 100 * MS)]
    assert counts == [*range(256), 0, 1]
