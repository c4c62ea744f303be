from __future__ import annotations

import pytest

from sidecar.engine.ntp import ntp_difference, ntp_interval
from sidecar.engine.sender_report_mapper import SenderReportMapper

MS = 1_000_000
S = 1_000 * MS
NTP = 0xE000_0000 << 32
VIDEO, AUDIO = 1, 2


@pytest.fixture
def mapper() -> SenderReportMapper:
    return SenderReportMapper()


def test_unknown_stream_has_no_report(mapper: SenderReportMapper) -> None:
    assert mapper.report_at(VIDEO, 0) is None
    assert mapper.ntp_at(0) is None
    mapper.on_sender_report(VIDEO, NTP, 0, 0, 90_000)
    assert mapper.report_at(AUDIO, 0) is None


def test_pair_is_the_senders_at_the_arrival_of_its_report(mapper: SenderReportMapper) -> None:
    mapper.on_sender_report(VIDEO, NTP, 1234, 5 * S, 90_000)
    assert mapper.report_at(VIDEO, 5 * S) == (NTP, 1234)
    assert mapper.ntp_at(5 * S) == NTP


@pytest.mark.parametrize("rtp_timestamp", [0, 1, 0x7FFF_FFFF, 0xFFFF_FFFF])
def test_pair_advances_with_both_clocks(mapper: SenderReportMapper, rtp_timestamp: int) -> None:
    mapper.on_sender_report(VIDEO, NTP, rtp_timestamp, 0, 90_000)
    assert mapper.report_at(VIDEO, 2 * S) == (
        NTP + (2 << 32),
        (rtp_timestamp + 180_000) & 0xFFFF_FFFF,
    )


def test_pair_reaches_back_before_the_report(mapper: SenderReportMapper) -> None:
    mapper.on_sender_report(VIDEO, NTP, 0, 2 * S, 90_000)
    assert mapper.report_at(VIDEO, 1 * S) == (NTP - (1 << 32), 0xFFFF_FFFF - 90_000 + 1)


def test_streams_keep_the_senders_relation_whatever_the_delay(mapper: SenderReportMapper) -> None:
    # One instant at the sender; the audio report takes 80 ms longer to come.
    mapper.on_sender_report(VIDEO, NTP, 90_000, 0, 90_000)
    mapper.on_sender_report(AUDIO, NTP, 48_000, 80 * MS, 48_000)
    video, audio = mapper.report_at(VIDEO, 10 * S), mapper.report_at(AUDIO, 10 * S)
    assert video is not None
    assert audio is not None
    assert video[0] == audio[0]
    video_ms = (video[1] - 90_000) / 90
    audio_ms = (audio[1] - 48_000) / 48
    assert abs(video_ms - audio_ms) < 0.05


def test_delay_of_one_report_hardly_moves_the_clock(mapper: SenderReportMapper) -> None:
    mapper.on_sender_report(VIDEO, NTP, 0, 0, 90_000)
    before = mapper.ntp_at(2 * S)
    mapper.on_sender_report(VIDEO, NTP + (1 << 32), 90_000, 1 * S + 300 * MS, 90_000)
    after = mapper.ntp_at(2 * S)
    assert before is not None
    assert after is not None
    assert abs(ntp_difference(after, before)) <= ntp_interval(1 * MS)


def test_drift_of_the_senders_clock_is_followed(mapper: SenderReportMapper) -> None:
    drift = 1.0001
    for second in range(3600):
        sender_ntp = NTP + ntp_interval(int(second * S * drift))
        mapper.on_sender_report(VIDEO, sender_ntp, 0, second * S, 90_000)
    now = mapper.ntp_at(3599 * S)
    assert now is not None
    assert abs(ntp_difference(now, sender_ntp)) < ntp_interval(MS)


def test_clock_that_was_set_is_followed_at_once(mapper: SenderReportMapper) -> None:
    mapper.on_sender_report(VIDEO, NTP, 0, 0, 90_000)
    mapper.on_sender_report(VIDEO, NTP + (3600 << 32), 90_000, 1 * S, 90_000)
    assert mapper.ntp_at(1 * S) == NTP + (3600 << 32)


def test_era_of_ntp_may_end_during_a_lesson(mapper: SenderReportMapper) -> None:
    mapper.on_sender_report(VIDEO, 0xFFFF_FFFF << 32, 0, 0, 90_000)
    assert mapper.report_at(VIDEO, 3 * S) == (2 << 32, 270_000)
    mapper.on_sender_report(VIDEO, 1 << 32, 180_000, 2 * S, 90_000)
    assert mapper.report_at(VIDEO, 3 * S) == (2 << 32, 270_000)


def test_ended_stream_is_forgotten(mapper: SenderReportMapper) -> None:
    mapper.on_sender_report(VIDEO, NTP, 0, 0, 90_000)
    mapper.forget(VIDEO)
    mapper.forget(AUDIO)
    assert mapper.report_at(VIDEO, 0) is None


class TestPackets:
    """A stream whose reports came at 0 s, and a packet every second, 50 ms after it was taken."""

    RATE = 48_000
    DELAY_TICKS = 2_400

    def start(self, mapper: SenderReportMapper, first_timestamp: int = 0) -> None:
        mapper.on_sender_report(AUDIO, NTP, first_timestamp, 0, self.RATE)
        for second in range(1, 5):
            self.packet(mapper, first_timestamp, second)

    def packet(self, mapper: SenderReportMapper, timestamp: int, second: int) -> None:
        """A packet whose media clock has gone on since `timestamp` at 0 s."""
        timestamp += second * self.RATE - self.DELAY_TICKS
        mapper.on_packet(AUDIO, timestamp & 0xFFFF_FFFF, second * S)

    def seconds(self, mapper: SenderReportMapper, now_s: int, first_timestamp: int = 0) -> float:
        """How far the media clock has gone since 0 s, by our report."""
        report = mapper.report_at(AUDIO, now_s * S)
        assert report is not None
        return ((report[1] - first_timestamp) & 0xFFFF_FFFF) / self.RATE

    def test_relation_is_the_senders_own_while_packets_agree(
        self, mapper: SenderReportMapper
    ) -> None:
        self.start(mapper)
        assert self.seconds(mapper, 5) == 5
        self.packet(mapper, -self.RATE, 6)  # it waited for a second
        assert self.seconds(mapper, 6) == 6

    @pytest.mark.parametrize("first_timestamp", [0, 0xFFFF_FFFF, 0x7FFF_FFFF])
    @pytest.mark.parametrize("stood_s", [2, 8, 600])
    def test_clock_that_stood_still_is_seen_with_the_next_packet(
        self, mapper: SenderReportMapper, stood_s: int, first_timestamp: int
    ) -> None:
        self.start(mapper, first_timestamp)
        back_s = 5 + stood_s
        mapper.on_sender_report(AUDIO, NTP + (5 << 32), first_timestamp + 5 * 48_000, 5 * S, 48_000)
        self.packet(mapper, first_timestamp - stood_s * self.RATE, back_s)
        assert self.seconds(mapper, back_s, first_timestamp) == 5
        assert self.seconds(mapper, back_s + 3, first_timestamp) == 8

    def test_clock_that_leapt_is_seen_with_the_next_packet(
        self, mapper: SenderReportMapper
    ) -> None:
        self.start(mapper)
        self.packet(mapper, 100 * self.RATE, 5)
        assert self.seconds(mapper, 5) == 105

    def test_reports_count_again_when_they_agree_with_the_packets(
        self, mapper: SenderReportMapper
    ) -> None:
        self.start(mapper)
        self.packet(mapper, -8 * self.RATE + 77, 13)
        assert self.seconds(mapper, 13) == 5 + 77 / self.RATE
        mapper.on_sender_report(AUDIO, NTP + (14 << 32), 6 * self.RATE, 14 * S, self.RATE)
        self.packet(mapper, -8 * self.RATE, 14)
        assert self.seconds(mapper, 15) == 7

    def test_reports_that_stay_wrong_move_nothing(self, mapper: SenderReportMapper) -> None:
        self.start(mapper)
        self.packet(mapper, -8 * self.RATE, 13)
        for second in range(14, 20):
            ntp = NTP + (second << 32)
            mapper.on_sender_report(AUDIO, ntp, second * self.RATE, second * S, self.RATE)
            assert self.seconds(mapper, second) == second - 8
            self.packet(mapper, -8 * self.RATE + second * 100, second)  # some jitter
            assert self.seconds(mapper, second) == second - 8

    def test_same_packet_counts_once(self, mapper: SenderReportMapper) -> None:
        self.start(mapper)
        for _ in range(1000):
            mapper.on_packet(AUDIO, 5 * self.RATE - 40_000, 5 * S)
        self.packet(mapper, -8 * self.RATE, 13)
        assert abs(self.seconds(mapper, 13) - 5) < 0.1

    def test_packet_of_an_unknown_stream_is_ignored(self, mapper: SenderReportMapper) -> None:
        mapper.on_packet(AUDIO, 0, 0)
        mapper.on_sender_report(VIDEO, NTP, 0, 0, 90_000)
        mapper.on_packet(AUDIO, 0, 0)
        assert mapper.report_at(AUDIO, 0) is None
