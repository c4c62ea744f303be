from __future__ import annotations

from itertools import pairwise

import pytest

from sidecar.engine.sequence_rewriter import (
    MAX_BEHIND_PACKETS,
    MAX_FIRST_SEQUENCE,
    MAX_SEGMENTS,
    SQUEEZED_MS,
    SequenceRewriter,
)

MS = 1_000_000
FRAME_NS = 40 * MS
FRAME_TICKS = 3600
STARTS = [0, 1, 127, 32767, 32768, 65534, 65535]
INITIALS = [0, 1, 127, 32767, 32768, MAX_FIRST_SEQUENCE]
TO_WRAP_AROUND = 0xFFFF - MAX_FIRST_SEQUENCE


def starting(
    ext_seq: int, timestamp: int, initial: int, initial_timestamp: int
) -> SequenceRewriter:
    """One that gives this packet these numbers, if it is the first."""
    return SequenceRewriter(90_000, initial - ext_seq, initial_timestamp - timestamp)


def forward(
    rewriter: SequenceRewriter, ext_seq: int, timestamp: int, now_ns: int
) -> tuple[int, int]:
    """Send one packet as the forwarding loop does; return its output numbers."""
    output = (ext_seq + rewriter.seq_offset) & 0xFFFF
    output_timestamp = (timestamp + rewriter.timestamp_offset) & 0xFFFFFFFF
    rewriter.note_sent(ext_seq, timestamp, now_ns)
    return output, output_timestamp


def source_sequence(rewriter: SequenceRewriter, sequence_number: int) -> int | None:
    source = rewriter.source(sequence_number)
    return source.ext_seq if source is not None else None


@pytest.fixture
def rewriter() -> SequenceRewriter:
    return starting(70_000, 0, 1000, 50_000)


def test_nothing_passes_before_the_start(rewriter: SequenceRewriter) -> None:
    assert rewriter.sync_seq > 1 << 48


@pytest.mark.parametrize("source", STARTS)
@pytest.mark.parametrize("initial", INITIALS)
def test_output_starts_at_the_initial_numbers_and_is_continuous(source: int, initial: int) -> None:
    first = 65536 + source
    rewriter = starting(first, 123_456, initial, 0xFFFF_FFFF)
    rewriter.synchronise(first, 123_456, 0)
    assert rewriter.sync_seq == first
    for count in range(TO_WRAP_AROUND + 300):
        assert forward(rewriter, first + count, 123_456 + count, 0) == (
            (initial + count) & 0xFFFF,
            (0xFFFF_FFFF + count) & 0xFFFF_FFFF,
        )


def test_output_never_starts_near_the_wrap_around(rewriter: SequenceRewriter) -> None:
    last = 70_000 - 1000 + MAX_FIRST_SEQUENCE
    rewriter.synchronise(last, 0, 0)
    assert forward(starting(last, 0, MAX_FIRST_SEQUENCE, 0), last, 0, 0)[0] == MAX_FIRST_SEQUENCE
    rewriter.synchronise(last + 1, 0, 0)
    first_after = forward(rewriter, last + 1, 0, 0)
    assert first_after == ((MAX_FIRST_SEQUENCE + 1) ^ 0x8000, 50_000)


def test_all_that_start_at_the_same_packet_or_another_have_the_same_offsets() -> None:
    early, late = (SequenceRewriter(90_000, 500, 600) for _ in range(2))
    early.synchronise(70_000, 0, 0)
    forward(early, 70_000, 0, 0)
    late.synchronise_to_replay(70_010, 100_000, 70_040, 300_000, 0)
    assert (late.seq_offset, late.timestamp_offset) == (early.seq_offset, early.timestamp_offset)


def test_loss_and_reordering_of_the_input_show_in_the_output(rewriter: SequenceRewriter) -> None:
    rewriter.synchronise(70_000, 0, 0)
    assert [forward(rewriter, seq, 0, 0)[0] for seq in (70_000, 70_003, 70_002)] == [
        1000,
        1003,
        1002,
    ]
    rewriter.synchronise(80_000, 0, 0)
    assert forward(rewriter, 80_000, 0, 0)[0] == 1004


@pytest.mark.parametrize("source", STARTS)
@pytest.mark.parametrize("initial", INITIALS)
def test_restart_goes_on_after_the_last_output(source: int, initial: int) -> None:
    rewriter = starting(65536 + source, 7000, initial, 50_000)
    rewriter.synchronise(65536 + source, 7000, 0)
    forward(rewriter, 65536 + source, 7000, 0)
    rewriter.synchronise(70_000 + source, 999_999, 3 * FRAME_NS)
    assert forward(rewriter, 70_000 + source, 999_999, 3 * FRAME_NS) == (
        (initial + 1) & 0xFFFF,
        50_000 + 3 * FRAME_TICKS,
    )


@pytest.mark.parametrize("jump", [-1_000_000, 0, 1_000_000, 0x8000_0000])
def test_timestamp_follows_our_clock_not_the_jump_of_the_producer(
    rewriter: SequenceRewriter, jump: int
) -> None:
    rewriter.synchronise(70_000, 0, 0)
    forward(rewriter, 70_000, 0, 0)
    resumed = jump & 0xFFFF_FFFF
    rewriter.synchronise(70_500, resumed, 1000 * MS)
    assert forward(rewriter, 70_500, resumed, 1000 * MS)[1] == 50_000 + 90_000
    later = (resumed + FRAME_TICKS) & 0xFFFF_FFFF
    assert forward(rewriter, 70_501, later, 1040 * MS)[1] == 50_000 + 90_000 + FRAME_TICKS


def test_timestamp_grows_even_when_no_time_has_passed(rewriter: SequenceRewriter) -> None:
    rewriter.synchronise(70_000, 0, 0)
    forward(rewriter, 70_000, 0, 0)
    rewriter.synchronise(70_500, 0, 0)
    assert forward(rewriter, 70_500, 0, 0)[1] == 50_001


def test_start_without_anything_sent_leaves_no_trace(rewriter: SequenceRewriter) -> None:
    rewriter.synchronise(70_000, 0, 0)
    rewriter.synchronise(80_000, 0, 5000 * MS)
    assert forward(rewriter, 80_000, 0, 5000 * MS) == (11_000, 50_000)
    assert source_sequence(rewriter, 11_000) == 80_000
    assert source_sequence(rewriter, 10_999) is None


def test_batch_of_late_packets_does_not_move_the_end_back(rewriter: SequenceRewriter) -> None:
    rewriter.synchronise(70_000, 0, 0)
    rewriter.note_sent(70_009, 900, 10 * MS)
    rewriter.note_sent(70_004, 400, 11 * MS)
    rewriter.synchronise(80_000, 0, 20 * MS)
    assert forward(rewriter, 80_000, 0, 20 * MS) == (1010, 50_000 + 900 + 900)


class TestSourceSequence:
    def test_before_the_start_there_is_none(self, rewriter: SequenceRewriter) -> None:
        assert source_sequence(rewriter, 999) is None
        assert source_sequence(rewriter, 1000) is None

    @pytest.mark.parametrize("initial", INITIALS)
    def test_every_sent_number_leads_back_to_its_packet(self, initial: int) -> None:
        rewriter = starting(69_000, 0, initial, 0)
        rewriter.synchronise(69_000, 0, 0)
        rewriter.note_sent(69_000 + TO_WRAP_AROUND - 50, 0, 0)
        sent: dict[int, int] = {}
        for start in (71_000, 72_000, 200_000, 200_500):
            rewriter.synchronise(start, 0, 0)
            for seq in range(start, start + 100):
                sent[forward(rewriter, seq, 0, 0)[0]] = seq
        assert {output: source_sequence(rewriter, output) for output in sent} == sent
        assert len(sent) == 400

    def test_packet_from_before_a_restart_keeps_its_timestamp(
        self, rewriter: SequenceRewriter
    ) -> None:
        rewriter.synchronise(70_000, 7000, 0)
        before = forward(rewriter, 70_000, 7000, 0)
        rewriter.synchronise(80_000, 9_999_999, 500 * MS)
        after = forward(rewriter, 80_000, 9_999_999, 500 * MS)
        for (output, timestamp), source_timestamp in ((before, 7000), (after, 9_999_999)):
            source = rewriter.source(output)
            assert source is not None
            assert (source_timestamp + source.timestamp_offset) & 0xFFFF_FFFF == timestamp

    def test_number_not_sent_yet_has_none(self, rewriter: SequenceRewriter) -> None:
        rewriter.synchronise(70_000, 0, 0)
        rewriter.note_sent(70_010, 0, 0)
        assert source_sequence(rewriter, 1010) == 70_010
        assert source_sequence(rewriter, 1011) is None

    def test_number_too_far_behind_has_none(self, rewriter: SequenceRewriter) -> None:
        rewriter.synchronise(70_000, 0, 0)
        rewriter.note_sent(70_000 + MAX_BEHIND_PACKETS, 0, 0)
        assert source_sequence(rewriter, 1000) is None
        assert source_sequence(rewriter, 1001) == 70_001

    def test_number_from_before_the_start_has_none(self, rewriter: SequenceRewriter) -> None:
        rewriter.synchronise(70_000, 0, 0)
        rewriter.note_sent(70_010, 0, 0)
        assert source_sequence(rewriter, 999) is None

    def test_starts_without_anything_sent_do_not_use_up_the_history(
        self, rewriter: SequenceRewriter
    ) -> None:
        rewriter.synchronise(70_000, 0, 0)
        rewriter.note_sent(70_000, 0, 0)
        for attempt in range(2 * MAX_SEGMENTS):
            rewriter.synchronise(80_000 + attempt, 0, 0)
        assert source_sequence(rewriter, 1000) == 70_000

    def test_history_is_bounded(self, rewriter: SequenceRewriter) -> None:
        for start in range(MAX_SEGMENTS + 1):
            rewriter.synchronise(70_000 + 10 * start, 0, 0)
            rewriter.note_sent(70_000 + 10 * start, 0, 0)
        assert source_sequence(rewriter, 1000) is None
        assert source_sequence(rewriter, 1001) == 70_010
        assert source_sequence(rewriter, 1000 + MAX_SEGMENTS) == 70_000 + 10 * MAX_SEGMENTS


REPLAYED_FRAMES = 30


def start_replay(
    rewriter: SequenceRewriter, first: int, timestamp: int, frame_ticks: int = FRAME_TICKS
) -> None:
    """Start with frames of one packet each, the last of which is the newest there is."""
    last = REPLAYED_FRAMES - 1
    rewriter.synchronise_to_replay(
        first,
        timestamp & 0xFFFF_FFFF,
        first + last,
        (timestamp + last * frame_ticks) & 0xFFFF_FFFF,
        0,
    )


def send_replayed(rewriter: SequenceRewriter, ext_seq: int, timestamp: int) -> tuple[int, int]:
    """Send one packet as the replay does; return its output numbers."""
    squeezed = rewriter.squeezed(ext_seq, timestamp & 0xFFFF_FFFF)
    return forward(rewriter, ext_seq, squeezed, 0)


class TestReplay:
    @pytest.mark.parametrize("frame_ticks", [1500, FRAME_TICKS, 90_000, 180_000])
    @pytest.mark.parametrize("timestamp", [0, 0xFFFF_0000, 0x7FFF_0000])
    @pytest.mark.parametrize("source", STARTS)
    def test_numbers_are_continuous_and_each_frame_keeps_a_time_of_its_own(
        self, source: int, timestamp: int, frame_ticks: int
    ) -> None:
        first = 65536 + source
        last_timestamp = timestamp + (REPLAYED_FRAMES - 1) * frame_ticks
        rewriter = starting(first, last_timestamp, 30_000, 0xFFFF_FFF0)
        start_replay(rewriter, first, timestamp, frame_ticks)
        assert rewriter.start_seq == first
        assert rewriter.sync_seq == first + REPLAYED_FRAMES
        sent = [
            send_replayed(rewriter, first + count, timestamp + count * frame_ticks)
            for count in range(REPLAYED_FRAMES + 10)
        ]
        assert [number for number, _ in sent] == [
            30_000 + count for count in range(REPLAYED_FRAMES + 10)
        ]
        assert sent[REPLAYED_FRAMES - 1][1] == 0xFFFF_FFF0
        steps = [(later[1] - earlier[1]) & 0xFFFF_FFFF for earlier, later in pairwise(sent)]
        assert all(0 < step < frame_ticks for step in steps[: REPLAYED_FRAMES - 1])
        assert set(steps[REPLAYED_FRAMES - 1 :]) == {frame_ticks}

    def test_takes_hardly_any_time(self, rewriter: SequenceRewriter) -> None:
        start_replay(rewriter, 70_000, 0)
        last = REPLAYED_FRAMES - 1
        _, start = send_replayed(rewriter, 70_000, 0)
        _, end = send_replayed(rewriter, 70_000 + last, last * FRAME_TICKS)
        assert 0 < end - start <= 90 * SQUEEZED_MS

    def test_of_an_instant_is_not_squeezed(self, rewriter: SequenceRewriter) -> None:
        start_replay(rewriter, 70_000, 0, frame_ticks=90)
        assert send_replayed(rewriter, 70_001, 90) == (1001, 50_090)

    def test_every_sent_number_leads_back_to_its_packet_and_timestamp(
        self, rewriter: SequenceRewriter
    ) -> None:
        start_replay(rewriter, 70_000, 7)
        for count in range(2 * REPLAYED_FRAMES):
            timestamp = 7 + count * FRAME_TICKS
            number, output_timestamp = send_replayed(rewriter, 70_000 + count, timestamp)
            source = rewriter.source(number)
            assert source is not None
            assert source.ext_seq == 70_000 + count
            assert source.output_timestamp(timestamp) == output_timestamp

    def test_that_is_broken_off_leaves_no_gap_and_no_trace(
        self, rewriter: SequenceRewriter
    ) -> None:
        start_replay(rewriter, 70_000, 0)
        number, timestamp = send_replayed(rewriter, 70_000, 0)
        rewriter.synchronise(80_000, 0, 0)
        after = forward(rewriter, 80_000, 0, 0)
        assert after == (number + 1, timestamp + 1)
        assert source_sequence(rewriter, number) == 70_000
        assert source_sequence(rewriter, number + 1) == 80_000
        assert rewriter.squeezed(79_999, 5) == 5

    def test_tells_what_the_newest_packet_sent_was(self, rewriter: SequenceRewriter) -> None:
        assert rewriter.newest_sent_seq == -1
        start_replay(rewriter, 70_000, 0)
        assert rewriter.newest_sent_seq == -1
        send_replayed(rewriter, 70_000, 0)
        assert rewriter.newest_sent_seq == 70_000
