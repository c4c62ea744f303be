from __future__ import annotations

import random

import pytest

from sidecar.engine.receive_statistics import MAX_JUMP_PACKETS, ReceiveStatistics
from sidecar.engine.sequence_unwrapper import SequenceUnwrapper
from sidecar.rtp.rtcp import SenderReport

MS = 1_000_000
STARTS = [65536 + start for start in (0, 1, 127, 32767, 32768, 65534, 65535)]
SSRC = 0x1234


def receive(statistics: ReceiveStatistics, *sequences: int) -> list[bool]:
    return [statistics.on_packet(seq, 0, 100, 0) for seq in sequences]


@pytest.fixture
def statistics() -> ReceiveStatistics:
    return ReceiveStatistics(90_000)


@pytest.mark.parametrize("start", STARTS)
def test_packets_in_order_are_all_received(statistics: ReceiveStatistics, start: int) -> None:
    assert all(receive(statistics, *range(start, start + 50)))
    block = statistics.report_block(SSRC, 0)
    assert (block.ssrc, block.fraction_lost, block.packets_lost) == (SSRC, 0, 0)
    assert block.highest_sequence == start + 49 - 65536
    assert (statistics.packets, statistics.bytes) == (50, 5000)


@pytest.mark.parametrize("start", STARTS)
def test_loss_is_reported_as_fraction_of_the_interval(
    statistics: ReceiveStatistics, start: int
) -> None:
    receive(statistics, start, start + 1, start + 3)
    block = statistics.report_block(SSRC, 0)
    assert (block.fraction_lost, block.packets_lost) == (64, 1)
    assert statistics.fraction_lost == 0.25
    receive(statistics, start + 4)
    block = statistics.report_block(SSRC, 0)
    assert (block.fraction_lost, block.packets_lost) == (0, 1)


@pytest.mark.parametrize("start", STARTS)
def test_duplicate_is_refused_and_does_not_hide_loss(
    statistics: ReceiveStatistics, start: int
) -> None:
    assert receive(statistics, start, start, start + 2, start + 2) == [True, False, True, False]
    assert statistics.packets == 2
    assert statistics.packets_lost == 1


@pytest.mark.parametrize("start", STARTS)
def test_late_packet_counts_once(statistics: ReceiveStatistics, start: int) -> None:
    assert receive(statistics, start, start + 2, start + 1, start + 1) == [True, True, True, False]
    assert statistics.packets_lost == 0


@pytest.mark.parametrize("start", STARTS)
def test_packet_older_than_the_first_is_accepted(statistics: ReceiveStatistics, start: int) -> None:
    assert receive(statistics, start, start - 2, start - 1, start - 2) == [True, True, True, False]
    assert statistics.packets_lost == 0


def test_packet_much_older_than_the_first_is_refused(statistics: ReceiveStatistics) -> None:
    assert receive(statistics, 70_000, 69_899) == [True, False]


def test_late_packets_leave_no_negative_fraction(statistics: ReceiveStatistics) -> None:
    receive(statistics, 70_000, 70_003)
    statistics.report_block(SSRC, 0)
    receive(statistics, 70_001, 70_002, 70_004)
    assert statistics.report_block(SSRC, 0).fraction_lost == 0


def test_loss_of_nearly_everything_fits_the_field(statistics: ReceiveStatistics) -> None:
    receive(statistics, 70_000)
    statistics.report_block(SSRC, 0)
    receive(statistics, 70_000 + MAX_JUMP_PACKETS)
    assert statistics.report_block(SSRC, 0).fraction_lost == 255


def test_losses_are_not_remembered_for_ever(statistics: ReceiveStatistics) -> None:
    sequences = range(70_000, 90_000, 2)
    receive(statistics, *sequences)
    assert receive(statistics, 89_997, 70_001) == [True, False]
    assert statistics._missing.bit_length() <= MAX_JUMP_PACKETS


def test_every_packet_counts_once_whatever_its_order(statistics: ReceiveStatistics) -> None:
    """Compared with a set of all that has been received."""
    rng = random.Random(7)
    known: set[int] = set()
    newest = first = 70_000
    for _ in range(30_000):
        step = rng.choice((1, 1, 1, 1, 2, 5, -1, -3, -40, -900, 300, 2999))
        sequence = newest + step if known else first
        expected = sequence not in known and sequence > newest - MAX_JUMP_PACKETS
        if sequence < first:  # such are admitted only if they come close before the first
            continue
        assert receive(statistics, sequence) == [expected or not known]
        known.add(sequence)
        newest = max(newest, sequence)
    assert statistics.packets == len(known)


def test_report_before_any_packet_is_empty(statistics: ReceiveStatistics) -> None:
    block = statistics.report_block(SSRC, 0)
    assert (block.fraction_lost, block.packets_lost, block.highest_sequence) == (0, 0, 0)


class TestSenderReports:
    def test_block_without_one_has_no_lsr(self, statistics: ReceiveStatistics) -> None:
        receive(statistics, 70_000)
        block = statistics.report_block(SSRC, 5000 * MS)
        assert (block.last_sr, block.delay_since_last_sr) == (0, 0)

    def test_block_names_the_last_one_and_its_age(self, statistics: ReceiveStatistics) -> None:
        report = SenderReport(SSRC, 0x0123_4567_89AB_CDEF, 0, 0, 0, ())
        statistics.on_sender_report(report, 1000 * MS)
        block = statistics.report_block(SSRC, 1500 * MS)
        assert block.last_sr == 0x4567_89AB
        assert block.delay_since_last_sr == 0x8000


class TestJitter:
    def test_steady_stream_has_none(self, statistics: ReceiveStatistics) -> None:
        for frame in range(100):
            statistics.on_packet(70_000 + frame, frame * 900, 100, frame * 10 * MS)
        assert statistics.jitter_ms == 0

    def test_one_change_counts_a_sixteenth(self, statistics: ReceiveStatistics) -> None:
        statistics.on_packet(70_000, 0, 100, 0)
        statistics.on_packet(70_001, 900, 100, 26 * MS)  # 16 ms late: 1440 ticks
        assert statistics.jitter_ms == 1
        assert statistics.report_block(SSRC, 0).jitter == 90

    @pytest.mark.parametrize("timestamp", [0xFFFF_FFFF, 0xFFFF_FC7C, 0x7FFF_FFFF, 0])
    def test_timestamp_wraps(self, statistics: ReceiveStatistics, timestamp: int) -> None:
        for frame in range(10):
            rtp_timestamp = (timestamp + frame * 900) & 0xFFFF_FFFF
            statistics.on_packet(70_000 + frame, rtp_timestamp, 100, frame * 10 * MS)
        assert statistics.jitter_ms == 0

    def test_paced_packets_of_one_frame_do_not_count(self, statistics: ReceiveStatistics) -> None:
        for packet in range(10):
            statistics.on_packet(70_000 + packet, 0, 100, packet * 5 * MS)
        assert statistics.jitter_ms == 0

    def test_late_and_recovered_packets_do_not_count(self, statistics: ReceiveStatistics) -> None:
        statistics.on_packet(70_000, 0, 100, 0)
        statistics.on_packet(70_003, 2700, 100, 30 * MS)
        assert statistics.on_packet(70_001, 900, 100, 200 * MS)
        assert statistics.on_packet(70_002, 1800, 100, 250 * MS, recovered=True)
        assert statistics.on_packet(70_004, 3600, 100, 300 * MS, recovered=True)
        assert statistics.jitter_ms == 0
        assert statistics.packets_lost == 0

    def test_jump_of_media_time_does_not_count(self, statistics: ReceiveStatistics) -> None:
        statistics.on_packet(70_000, 0, 100, 0)
        statistics.on_packet(70_001, 0x4000_0000, 100, 10 * MS)
        assert statistics.jitter_ms == 0


class TestRestart:
    @pytest.mark.parametrize("jump", [-MAX_JUMP_PACKETS - 3, MAX_JUMP_PACKETS, 20_000, -20_000])
    def test_two_neighbours_far_away_are_one(
        self, statistics: ReceiveStatistics, jump: int
    ) -> None:
        receive(statistics, 100_000, 100_001)
        assert receive(statistics, 100_002 + jump) == [False]
        assert not statistics.take_restart()
        assert receive(statistics, 100_003 + jump) == [False]
        assert statistics.take_restart()
        assert not statistics.take_restart()

    @pytest.mark.parametrize("behind", [2, 50, MAX_JUMP_PACKETS])
    def test_after_a_long_silence_neighbours_behind_are_one(
        self, statistics: ReceiveStatistics, behind: int
    ) -> None:
        receive(statistics, 100_000, 100_001)
        statistics.expect_restart()
        seq = 100_002 - behind
        assert receive(statistics, seq - 1, seq) == [False, False]
        assert statistics.take_restart()

    def test_after_a_long_silence_the_same_sequence_goes_on(
        self, statistics: ReceiveStatistics
    ) -> None:
        receive(statistics, 100_000, 100_001)
        statistics.expect_restart()
        assert receive(statistics, 100_004, 100_002, 100_003) == [True, True, True]
        assert not statistics.take_restart()

    def test_new_sequence_that_is_known_to_be_one_counts_from_its_first_packet(
        self, statistics: ReceiveStatistics
    ) -> None:
        receive(statistics, 100_000, 100_002)
        statistics.begin_sequence()
        assert receive(statistics, 300_000, 300_001) == [True, True]
        assert (statistics.packets, statistics.packets_lost) == (4, 1)

    def test_stray_packets_are_not(self, statistics: ReceiveStatistics) -> None:
        receive(statistics, 100_000, 110_000, 100_001, 110_001, 120_000, 130_000)
        assert not statistics.take_restart()
        assert statistics.packets == 2
        assert statistics.packets_lost == 0

    def test_stray_packet_repeated_is_not(self, statistics: ReceiveStatistics) -> None:
        receive(statistics, 100_000, 110_000, 110_000)
        assert not statistics.take_restart()

    def test_recovered_packets_are_not(self, statistics: ReceiveStatistics) -> None:
        receive(statistics, 100_000)
        for seq in (90_000, 90_001, 90_002):
            assert not statistics.on_packet(seq, 0, 100, 0, recovered=True)
        assert not statistics.take_restart()

    @pytest.mark.parametrize("again", [0, 1, 127, 20_000, 32767, 32768, 65534, 65535])
    def test_producer_goes_on_with_the_new_sequence(
        self, statistics: ReceiveStatistics, again: int
    ) -> None:
        unwrapper = SequenceUnwrapper()
        receive(statistics, *(unwrapper.unwrap(seq) for seq in (50_000, 50_002)))
        assert receive(statistics, unwrapper.unwrap(again)) == [False]
        second = (again + 1) & 0xFFFF
        assert receive(statistics, unwrapper.unwrap(second)) == [False]
        assert statistics.take_restart()
        restarted = unwrapper.restart(second)
        assert receive(statistics, restarted) == [True]
        assert receive(statistics, unwrapper.unwrap((again + 2) & 0xFFFF)) == [True]
        assert (statistics.packets, statistics.packets_lost) == (4, 1)
        block = statistics.report_block(SSRC, 0)
        assert block.highest_sequence & 0xFFFF == (again + 2) & 0xFFFF
