from __future__ import annotations

import pytest

from sidecar.engine.sequence_rewriter import (
    MAX_BEHIND_PACKETS,
    MAX_SEGMENTS,
    SequenceRewriter,
)

MS = 1_000_000
FRAME_NS = 40 * MS
FRAME_TICKS = 3600
STARTS = [0, 1, 127, 32767, 32768, 65534, 65535]


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
    return SequenceRewriter(90_000, 1000, 50_000)


def test_nothing_passes_before_the_start(rewriter: SequenceRewriter) -> None:
    assert rewriter.sync_seq > 1 << 48


@pytest.mark.parametrize("source", STARTS)
@pytest.mark.parametrize("initial", STARTS)
def test_output_starts_at_the_initial_numbers_and_is_continuous(source: int, initial: int) -> None:
    rewriter = SequenceRewriter(90_000, initial, 0xFFFF_FFFF)
    first = 65536 + source
    rewriter.synchronise(first, 123_456, 0)
    assert rewriter.sync_seq == first
    for count in range(300):
        assert forward(rewriter, first + count, 123_456 + count, 0) == (
            (initial + count) & 0xFFFF,
            (0xFFFF_FFFF + count) & 0xFFFF_FFFF,
        )


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
@pytest.mark.parametrize("initial", STARTS)
def test_restart_goes_on_after_the_last_output(source: int, initial: int) -> None:
    rewriter = SequenceRewriter(90_000, initial, 50_000)
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
    assert forward(rewriter, 80_000, 0, 5000 * MS) == (1000, 50_000)
    assert source_sequence(rewriter, 1000) == 80_000


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

    @pytest.mark.parametrize("initial", STARTS)
    def test_every_sent_number_leads_back_to_its_packet(self, initial: int) -> None:
        rewriter = SequenceRewriter(90_000, initial, 0)
        sent: dict[int, int] = {}
        for start in (70_000, 71_000, 200_000, 200_500):
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
