"""Consumers that start with what is in the buffer, over a worker without a network."""

from __future__ import annotations

from itertools import pairwise

import pytest

from sidecar.ortc import RtpCapabilities
from sidecar.rtp.header_extensions import encode_abs_send_time, parse_extensions
from sidecar.rtp.packet import RtpPacket, parse_rtp
from sidecar.rtp.rtcp import GenericNack, PictureLossIndication, SenderReport
from sidecar.sfu import Consumer
from sidecar.sfu.outgoing import START_PATIENCE_NS
from sidecar.sfu.replay import MAX_REPLAY_FRAMES
from tests.unit.sfu import media
from tests.unit.sfu.support import MS, Lesson, Peer, S

FIRST = 65_500
FRAME_MS = 40
FRAME_TICKS = 90 * FRAME_MS
PAYLOAD_BYTES = 1000


class RunningLesson(Lesson):
    """A class that has gone on for a while since its last key frame, a frame every 40 ms.

    Each frame is one packet, whose payload ends with its position since the key frame.
    """

    def __init__(self, frames: int, capabilities: RtpCapabilities = media.CAPABILITIES) -> None:
        super().__init__(capabilities=capabilities)
        self.position = -1
        self.capabilities = capabilities
        self.newcomer = self.peer()
        self.runs(frames)
        self.student.gets()
        self.teacher.hears()

    def packet(self, position: int) -> bytes:
        first = media.DELTA if position else media.KEY_START
        return media.rtp(
            FIRST + position,
            first + bytes(PAYLOAD_BYTES) + position.to_bytes(2, "big"),
            timestamp=position * FRAME_TICKS,
            marker=True,
        )

    def runs(self, frames: int, *, without: tuple[int, ...] = ()) -> None:
        """Has the teacher send that many more frames, but for some positions."""
        for _ in range(frames):
            self.position += 1
            if self.position not in without:
                self.teacher.sends(self.packet(self.position))
            self.advance(FRAME_MS * MS)

    def repairs(self, position: int) -> None:
        """Has the teacher send one again."""
        self.teacher.sends(media.rtx(position, parse_rtp(self.packet(position))))

    def comes(self, peer: Peer | None = None) -> Consumer:
        """Has a student come."""
        return (peer or self.newcomer).consumes(self.producer, self.capabilities)

    def requests(self) -> int:
        """How many key frames the teacher has been asked for since the last call."""
        return sum(isinstance(each, PictureLossIndication) for each in self.teacher.hears())


def position(packet: RtpPacket) -> int:
    return int.from_bytes(packet.payload[-2:], "big")


def positions(packets: list[RtpPacket]) -> list[int]:
    return [position(packet) for packet in packets]


def numbers(packets: list[RtpPacket]) -> list[int]:
    """Sequence numbers since the first one."""
    return [(packet.sequence_number - packets[0].sequence_number) & 0xFFFF for packet in packets]


class TestStart:
    def test_gets_the_last_key_frame_and_all_since_then_and_goes_on_without_a_break(self) -> None:
        lesson = RunningLesson(50)
        lesson.comes()
        lesson.runs(50)
        packets = lesson.newcomer.gets()
        assert positions(packets) == numbers(packets) == list(range(100))
        assert positions(lesson.student.gets()) == list(range(50, 100))
        assert lesson.requests() == 0

    def test_gets_instalments_that_what_arrives_meanwhile_waits_behind(self) -> None:
        lesson = RunningLesson(50)
        consumer = lesson.comes()
        parts = [lesson.newcomer.gets()]
        while not consumer.stream.synchronised:
            lesson.position += 1
            lesson.teacher.sends(lesson.packet(lesson.position))
            lesson.advance(MS)
            parts.append(lesson.newcomer.gets())
        assert max(map(len, parts)) <= 30
        assert len([part for part in parts if part]) >= 2
        packets = [packet for part in parts for packet in part]
        assert positions(packets) == numbers(packets) == list(range(lesson.position + 1))

    def test_time_passes_fast_in_the_replay_and_then_as_for_the_others(self) -> None:
        lesson = RunningLesson(50)
        lesson.comes()
        lesson.runs(10)
        packets = lesson.newcomer.gets()
        assert (packets[49].timestamp - packets[0].timestamp) & 0xFFFFFFFF <= 90 * 32
        assert len({packet.timestamp for packet in packets}) == 60
        assert (packets[59].timestamp - packets[49].timestamp) & 0xFFFFFFFF == 10 * FRAME_TICKS

    def test_send_times_are_those_of_the_replay(self) -> None:
        lesson = RunningLesson(50)
        lesson.comes()
        expected = encode_abs_send_time(lesson.now_ns)
        for packet in lesson.newcomer.gets():
            assert dict(parse_extensions(packet))[media.ROUTER_ABS_SEND_TIME] == expected

    def test_of_many_at_once_all_get_everything(self) -> None:
        lesson = RunningLesson(50)
        newcomers = [lesson.peer() for _ in range(49)]
        for peer in newcomers:
            peer.transport.consume(lesson.producer, media.CAPABILITIES).resume()
        lesson.process()
        lesson.runs(25)
        for peer in newcomers:
            packets = peer.gets()
            assert positions(packets) == numbers(packets) == list(range(75))

    @pytest.mark.parametrize("others_come", [False, True])
    def test_who_resumes_many_times_at_once_gets_each_packet_once(self, others_come: bool) -> None:
        lesson = RunningLesson(50)
        if others_come:  # then newcomers are gathered for a while
            lesson.comes(lesson.peer())
        consumer = lesson.newcomer.transport.consume(lesson.producer, media.CAPABILITIES)
        for _ in range(10):
            consumer.resume()
            consumer.pause()
            consumer.resume()
        lesson.process()
        lesson.runs(10)
        packets = lesson.newcomer.gets()
        assert positions(packets) == numbers(packets) == list(range(60))

    def test_who_pauses_and_resumes_while_being_brought_up_to_date_gets_nothing_twice(self) -> None:
        lesson = RunningLesson(50)
        consumer = lesson.comes()
        for _ in range(3):
            consumer.pause()
            consumer.resume()
            lesson.process()
        lesson.runs(10)
        packets = lesson.newcomer.gets()
        assert positions(packets) == numbers(packets) == list(range(len(packets)))
        assert lesson.requests() >= 1

    def test_counts_what_was_sent(self) -> None:
        lesson = RunningLesson(50)
        consumer = lesson.comes()
        lesson.runs(10)
        stats = consumer.stats()
        assert (stats.packets, stats.key_frames) == (60, 1)
        assert stats.bytes == sum(len(packet.data) for packet in lesson.newcomer.gets())

    def test_reports_to_the_newcomer_as_soon_as_it_is_up_to_date(self) -> None:
        lesson = RunningLesson(50)
        mapped = lesson.position * FRAME_TICKS
        lesson.teacher.reports(SenderReport(media.VIDEO_SSRC, 3 << 40, mapped, 1, 1))
        consumer = lesson.comes()
        lesson.newcomer.hears()
        while not consumer.stream.synchronised:
            assert not any(isinstance(each, SenderReport) for each in lesson.newcomer.hears())
            lesson.advance(MS)
        lesson.process()
        (report,) = (each for each in lesson.newcomer.hears() if isinstance(each, SenderReport))
        newest = lesson.newcomer.gets()[-1]
        elapsed = (report.rtp_timestamp - newest.timestamp) & 0xFFFFFFFF
        assert elapsed <= FRAME_TICKS


class TestNoStart:
    def test_without_a_key_frame_in_reach_one_is_asked_for(self) -> None:
        lesson = RunningLesson(MAX_REPLAY_FRAMES + 1)
        lesson.comes()
        lesson.runs(10)
        assert lesson.newcomer.gets() == []
        assert lesson.requests() >= 1

    def test_what_can_not_be_repaired_any_more_is_not_replayed(self) -> None:
        lesson = RunningLesson(10)
        lesson.runs(55, without=(11,))
        assert lesson.requests() >= 1
        lesson.comes()
        assert lesson.newcomer.gets() == []

    def test_after_the_producers_pause_nothing_from_before_or_during_it_is_replayed(self) -> None:
        lesson = RunningLesson(10)
        lesson.producer.pause()
        lesson.position = -1
        lesson.runs(10)
        lesson.producer.resume()
        lesson.comes()
        lesson.runs(5)
        assert lesson.newcomer.gets() == []
        assert lesson.requests() >= 1

    def test_after_the_senders_restart_nothing_of_the_old_sequence_is_replayed(self) -> None:
        lesson = RunningLesson(10)
        lesson.position += 20_000
        lesson.runs(3)
        lesson.comes()
        lesson.runs(3)
        assert lesson.newcomer.gets() == []

    def test_who_has_seen_the_key_frame_gets_another_one_when_they_resume(self) -> None:
        lesson = RunningLesson(10)
        lesson.consumer.pause()
        lesson.runs(1)
        lesson.consumer.resume()
        lesson.runs(1)
        assert lesson.student.gets() == []
        assert lesson.requests() >= 1

    def test_who_was_away_since_before_the_key_frame_gets_it_when_they_resume(self) -> None:
        lesson = RunningLesson(0)
        first = lesson.start(FIRST - 1)
        lesson.consumer.pause()
        lesson.advance(S)
        lesson.runs(10)
        lesson.teacher.hears()
        lesson.consumer.resume()
        lesson.runs(10)
        packets = [first, *lesson.student.gets()]
        assert positions(packets[1:]) == list(range(20))
        assert numbers(packets) == list(range(21))
        assert all(
            0 < (later.timestamp - earlier.timestamp) & 0xFFFFFFFF < 1 << 31
            for earlier, later in pairwise(packets)
        )
        assert lesson.requests() == 0


class TestInterruption:
    @pytest.mark.parametrize("side", ["consumer", "producer"])
    def test_pause_ends_the_replay_and_the_numbers_go_on_afterwards(self, side: str) -> None:
        lesson = RunningLesson(50)
        consumer = lesson.comes()
        before = lesson.newcomer.gets()
        assert 0 < len(before) < 50
        paused = consumer if side == "consumer" else lesson.producer
        paused.pause()
        lesson.runs(5)
        assert lesson.newcomer.gets() == []
        paused.resume()
        lesson.runs(5)
        assert lesson.newcomer.gets() == []
        assert lesson.requests() >= 1
        lesson.position = 999
        lesson.teacher.sends(
            media.rtp(FIRST + 60, media.KEY_START, timestamp=60 * FRAME_TICKS, marker=True)
        )
        packets = [*before, *lesson.newcomer.gets()]
        assert numbers(packets) == list(range(len(before) + 1))

    @pytest.mark.parametrize("what", ["consumer", "producer", "transport"])
    def test_close_ends_it(self, what: str) -> None:
        lesson = RunningLesson(50)
        consumer = lesson.comes()
        lesson.newcomer.gets()
        closing = {
            "consumer": consumer.close,
            "producer": lesson.producer.close,
            "transport": lesson.newcomer.transport.close,
        }
        closing[what]()
        lesson.advance(S)
        assert lesson.newcomer.gets() == []
        assert consumer.closed

    def test_senders_restart_ends_it(self) -> None:
        lesson = RunningLesson(50)
        lesson.comes()
        lesson.position += 20_000
        lesson.runs(3)
        before = lesson.newcomer.gets()
        assert positions(before) == list(range(len(before)))
        lesson.runs(3)
        assert lesson.newcomer.gets() == []
        lesson.teacher.sends(media.rtp(FIRST + lesson.position + 1, media.KEY_START, marker=True))
        after = lesson.newcomer.gets()
        assert numbers([*before, *after]) == list(range(len(before) + 1))

    def test_that_is_overtaken_goes_on_with_a_new_key_frame(self) -> None:
        lesson = RunningLesson(50)
        lesson.comes()
        before = lesson.newcomer.gets()
        # All at once: nothing is sent in between.
        burst = range(50, 50 + lesson.producer.stream.buffer.capacity + 50)
        lesson.teacher.sends(*(lesson.packet(each) for each in burst))
        lesson.position = burst[-1]
        lesson.advance(100 * MS)
        assert lesson.newcomer.gets() == []
        assert lesson.requests() >= 1
        lesson.teacher.sends(media.rtp(FIRST + lesson.position + 1, media.KEY_START, marker=True))
        assert numbers([*before, *lesson.newcomer.gets()]) == list(range(len(before) + 1))


class TestRepair:
    @pytest.mark.parametrize("later_ms", [0, 1, 200])
    def test_what_was_missing_comes_once_under_its_number_and_time(self, later_ms: int) -> None:
        lesson = RunningLesson(10)
        lesson.runs(10, without=(12,))
        lesson.comes()
        lesson.advance(later_ms * MS)
        lesson.repairs(12)
        lesson.runs(1)
        packets = sorted(lesson.newcomer.gets(), key=position)
        assert positions(packets) == numbers(packets) == list(range(21))
        assert packets[11].timestamp < packets[12].timestamp < packets[13].timestamp

    @pytest.mark.parametrize("rtx", [True, False])
    def test_nack_for_what_was_replayed_is_answered(self, rtx: bool) -> None:
        lesson = RunningLesson(50, media.CAPABILITIES if rtx else media.without_rtx())
        consumer = lesson.comes()
        # Long after they came in, and soon after they have gone out.
        lesson.advance(200 * MS)
        sent = lesson.newcomer.gets()
        for original in sent[:3]:
            nack = GenericNack(1, consumer.stream.ssrc, (original.sequence_number,))
            lesson.newcomer.reports(nack)
            (again,) = lesson.newcomer.gets()
            if rtx:
                number = original.sequence_number.to_bytes(2, "big")
                assert again.payload == number + original.payload
                assert again.timestamp == original.timestamp
            else:
                # Byte by byte: SRTP must not see two packets under one number.
                assert again.data == original.data

    def test_request_of_a_newcomer_who_has_just_been_sent_a_key_frame_is_not_passed_on(
        self,
    ) -> None:
        lesson = RunningLesson(50)
        consumer = lesson.comes()
        pli = PictureLossIndication(1, consumer.stream.ssrc)
        lesson.advance(START_PATIENCE_NS - MS)
        lesson.newcomer.reports(pli)
        assert lesson.requests() == 0
        lesson.advance(MS)
        lesson.newcomer.reports(pli)
        assert lesson.requests() == 1
        assert consumer.stats().key_frame_requests == 2


class TestRenewal:
    WORN = MAX_REPLAY_FRAMES * 3 // 4

    def test_while_students_keep_coming_a_worn_key_frame_is_replaced_in_time(self) -> None:
        lesson = RunningLesson(self.WORN)
        lesson.comes(lesson.peer())
        lesson.runs(1)
        assert lesson.requests() == 0
        lesson.comes()
        assert lesson.requests() == 1
        assert positions(lesson.newcomer.gets())[0] == 0

    def test_who_comes_alone_changes_nothing(self) -> None:
        lesson = RunningLesson(self.WORN - 30)
        lesson.comes(lesson.peer())
        lesson.runs(30)
        lesson.comes()
        lesson.runs(5)
        assert lesson.requests() == 0

    def test_key_frame_that_is_not_worn_is_kept(self) -> None:
        lesson = RunningLesson(10)
        for _ in range(5):
            lesson.comes(lesson.peer())
            lesson.runs(1)
        assert lesson.requests() == 0
