"""A consumer's life, over a worker without a network."""

from __future__ import annotations

import pytest

from sidecar.rtp.packet import parse_rtp
from sidecar.rtp.rtcp import Bye, GenericNack, PictureLossIndication, ReceiverReport, RtcpPacket
from tests.unit.sfu import media
from tests.unit.sfu.support import MS, Lesson, Peer, S, Stage

STARTS = [0, 32767, 65534, 65535]


def key_frame_requests(peer: Peer) -> list[RtcpPacket]:
    return [each for each in peer.hears() if isinstance(each, PictureLossIndication)]


class TestStart:
    def test_is_paused_at_first_and_gets_nothing(self) -> None:
        stage = Stage()
        teacher, student = stage.peer(), stage.peer()
        producer = teacher.produces_video()
        consumer = student.transport.consume(producer, media.CAPABILITIES)
        teacher.sends(media.rtp(1, media.KEY_START), media.rtp(2))
        assert consumer.paused
        assert student.gets() == []
        assert key_frame_requests(teacher) == []

    def test_resume_asks_for_a_key_frame_at_once_and_waits_for_it(self) -> None:
        lesson = Lesson()
        pli = PictureLossIndication(lesson.teacher.transport.ssrc, media.VIDEO_SSRC)
        student = lesson.peer()
        lesson.consumer.close()
        lesson.advance(S)
        lesson.teacher_sends(100)
        student.consumes(lesson.producer)
        assert key_frame_requests(lesson.teacher) == [pli]
        lesson.teacher_sends(101, 102)
        assert student.gets() == []
        lesson.teacher_sends(103, payload=media.KEY_START)
        lesson.teacher_sends(104)
        assert [packet.payload for packet in student.gets()] == [media.KEY_START, media.DELTA]

    def test_request_is_not_repeated_when_nobody_waits_any_more(self) -> None:
        lesson = Lesson()
        lesson.advance(S)
        lesson.teacher.hears()
        lesson.consumer.pause()
        lesson.advance(5 * S)
        assert key_frame_requests(lesson.teacher) == []

    def test_audio_starts_with_the_next_packet(self) -> None:
        stage = Stage()
        teacher, student = stage.peer(), stage.peer()
        student.consumes(teacher.produces_audio())
        data = media.rtp(1, b"opus", ssrc=media.AUDIO_SSRC, payload_type=media.OPUS)
        teacher.sends(data)
        (packet,) = student.gets()
        assert (packet.payload, packet.payload_type) == (b"opus", media.ROUTER_OPUS)
        assert key_frame_requests(teacher) == []

    def test_resume_before_the_student_is_connected_starts_with_the_connection(self) -> None:
        stage = Stage()
        teacher, student = stage.peer(), stage.peer(connected=False)
        consumer = student.consumes(teacher.produces_video())
        assert not consumer.live
        assert key_frame_requests(teacher) == []
        student.connect()
        assert consumer.live
        assert len(key_frame_requests(teacher)) == 1

    def test_resume_before_the_teacher_is_connected_asks_as_soon_as_that_is_done(self) -> None:
        stage = Stage()
        teacher, student = stage.peer(connected=False), stage.peer()
        student.consumes(teacher.produces_video())
        stage.advance(S)
        assert teacher.link.rtcp == []
        teacher.connect()
        assert len(key_frame_requests(teacher)) == 1

    def test_requests_of_a_whole_class_are_one(self) -> None:
        stage = Stage()
        teacher = stage.peer()
        producer = teacher.produces_video()
        students = [stage.peer() for _ in range(49)]
        for student in students:
            student.transport.consume(producer, media.CAPABILITIES).resume()
        stage.process()
        assert len(key_frame_requests(teacher)) == 1

    def test_request_is_repeated_until_a_key_frame_comes(self) -> None:
        lesson = Lesson()
        lesson.advance(2 * S)
        assert 3 <= len(key_frame_requests(lesson.teacher)) <= 8
        lesson.start()
        lesson.advance(2 * S)
        assert key_frame_requests(lesson.teacher) == []


class TestContinuity:
    @pytest.mark.parametrize("start", STARTS)
    def test_sequence_and_time_go_on_over_pause_and_resume(self, start: int) -> None:
        lesson = Lesson()
        first = lesson.start(start)
        lesson.teacher_sends(start + 1, start + 2)
        lesson.consumer.pause()
        lesson.teacher_sends(*range(start + 3, start + 50), each_ms=10)
        assert len(lesson.student.gets()) == 2
        lesson.consumer.resume()
        lesson.process()
        lesson.teacher_sends(start + 50)
        lesson.teacher_sends(start + 51, payload=media.KEY_START)
        lesson.teacher_sends(start + 52)
        resumed, after = lesson.student.gets()
        assert resumed.payload == media.KEY_START
        assert resumed.sequence_number == (first.sequence_number + 3) & 0xFFFF
        assert after.sequence_number == (first.sequence_number + 4) & 0xFFFF
        elapsed = (resumed.timestamp - first.timestamp) & 0xFFFFFFFF
        assert elapsed == 2 * 90 + 470 * 90

    def test_packets_that_come_late_from_before_the_resume_are_not_forwarded(self) -> None:
        lesson = Lesson()
        lesson.start(100)
        lesson.consumer.pause()
        lesson.consumer.resume()
        lesson.teacher_sends(105, payload=media.KEY_START)
        lesson.teacher_sends(103, 104, 106)
        assert len(lesson.student.gets()) == 2

    def test_resume_of_what_is_not_paused_changes_nothing(self) -> None:
        lesson = Lesson()
        lesson.start()
        lesson.consumer.resume()
        lesson.teacher_sends(101)
        assert len(lesson.student.gets()) == 1

    def test_retransmissions_are_answered_for_both_sides_of_a_pause(self) -> None:
        lesson = Lesson()
        before = lesson.start(100)
        lesson.consumer.pause()
        lesson.advance(300 * MS)
        lesson.consumer.resume()
        after = lesson.start(150)
        for original in (before, after):
            nack = GenericNack(1, lesson.consumer.stream.ssrc, (original.sequence_number,))
            lesson.student.reports(nack)
            (again,) = lesson.student.gets()
            assert again.payload == original.sequence_number.to_bytes(2, "big") + original.payload
            assert again.timestamp == original.timestamp

    def test_paused_consumer_sends_nothing_again(self) -> None:
        lesson = Lesson()
        first = lesson.start()
        lesson.consumer.pause()
        nack = GenericNack(1, lesson.consumer.stream.ssrc, (first.sequence_number,))
        lesson.student.reports(nack)
        assert lesson.student.gets() == []


class TestFanOut:
    def test_49_students_get_the_same_packets(self) -> None:
        stage = Stage()
        teacher = stage.peer()
        producer = teacher.produces_video()
        students = [stage.peer() for _ in range(49)]
        consumers = [student.consumes(producer) for student in students]
        elements = ((media.MID, b"0"), (media.ORIENTATION, b"\x01"))
        teacher.sends(
            media.rtp(1, media.KEY_START, marker=True, elements=elements),
            media.rtp(2, bytes(1000), padding_bytes=20),
            media.rtp(3, timestamp=3000),
        )
        packets = students[0].gets()
        first = packets[0].sequence_number
        assert [packet.sequence_number - first for packet in packets] == [0, 1, 2]
        assert (packets[2].timestamp - packets[0].timestamp) & 0xFFFFFFFF == 3000
        assert {packet.ssrc for packet in packets} == {consumers[0].stream.ssrc}
        for student in students[1:]:
            assert [each.data for each in student.gets()] == [each.data for each in packets]

    def test_those_with_other_numbers_get_the_same_but_for_these(self) -> None:
        lesson = Lesson()
        lesson.start()
        behind = lesson.peer()
        consumer = behind.consumes(lesson.producer)
        consumer.pause()
        lesson.teacher_sends(101, 102)
        consumer.resume()
        lesson.student.gets()
        behind.gets()
        lesson.teacher_sends(103, payload=b"\x67")
        ((one,), (other,)) = lesson.student.gets(), behind.gets()
        assert one.sequence_number != other.sequence_number
        assert one.data[:2] == other.data[:2]
        assert one.data[8:] == other.data[8:]

    def test_second_consumer_on_a_transport_has_an_ssrc_of_its_own_even_after_the_first(
        self,
    ) -> None:
        """The same number under the same keys would use the cipher's nonce twice."""
        lesson = Lesson()
        lesson.start()
        second = lesson.student.consumes(lesson.producer)
        second.close()
        lesson.consumer.close()
        third = lesson.student.consumes(lesson.producer)
        ssrcs = [each.stream.ssrc for each in (lesson.consumer, second, third)]
        ssrcs += [each.stream.rtx_ssrc or 0 for each in (lesson.consumer, second, third)]
        assert len(set(ssrcs)) == 6

    def test_slow_starter_does_not_hold_up_the_others(self) -> None:
        lesson = Lesson()
        lesson.start()
        long_ago = 100 + lesson.producer.stream.buffer.capacity
        lesson.teacher_sends(*range(101, long_ago))
        late = lesson.peer()
        late.consumes(lesson.producer)
        lesson.student.gets()
        lesson.teacher_sends(long_ago, long_ago + 1)
        assert len(lesson.student.gets()) == 2
        assert late.gets() == []


class TestClose:
    def test_says_goodbye_and_leaves_nothing_behind(self) -> None:
        lesson = Lesson()
        lesson.start()
        lesson.student.hears()
        lesson.consumer.close()
        lesson.process()
        assert lesson.student.hears() == [
            ReceiverReport(lesson.student.transport.ssrc, ()),
            Bye((lesson.consumer.stream.ssrc,)),
        ]
        assert lesson.consumer.closed
        assert lesson.student.transport.consumers == {}
        lesson.teacher_sends(101)
        assert lesson.student.gets() == []

    def test_is_silent_about_a_stream_that_never_started(self) -> None:
        lesson = Lesson()
        lesson.consumer.close()
        lesson.process()
        assert lesson.student.hears() == []

    def test_by_its_owner_is_not_told_to_its_owner_and_can_be_repeated(self) -> None:
        lesson = Lesson()
        told: list[str] = []
        lesson.consumer.on_closed = lambda: told.append("closed")
        lesson.consumer.close()
        lesson.consumer.close()
        lesson.producer.close()
        assert told == []

    def test_closed_consumer_does_not_resume(self) -> None:
        lesson = Lesson()
        lesson.consumer.pause()
        lesson.consumer.close()
        lesson.consumer.resume()
        assert not lesson.consumer.live
        assert lesson.consumer.paused


def test_keyframe_request_from_the_receiver_reaches_the_sender() -> None:
    lesson = Lesson()
    lesson.start()
    lesson.advance(S)
    lesson.teacher.hears()
    lesson.student.reports(PictureLossIndication(1, lesson.consumer.stream.ssrc))
    assert len(key_frame_requests(lesson.teacher)) == 1
    assert lesson.consumer.stats().key_frame_requests == 1


def test_repaired_packet_reaches_the_student_once() -> None:
    lesson = Lesson()
    first = lesson.start(100)
    lesson.teacher_sends(102)
    lost = parse_rtp(media.rtp(101, b"\x61lost", timestamp=101 * 90))
    lesson.teacher.sends(media.rtx(1, lost), media.rtx(2, lost))
    later, repaired = lesson.student.gets()
    assert later.sequence_number == (first.sequence_number + 2) & 0xFFFF
    assert repaired.sequence_number == (first.sequence_number + 1) & 0xFFFF
    assert repaired.payload == b"\x61lost"
    assert (repaired.timestamp - first.timestamp) & 0xFFFFFFFF == 90


def test_receiver_that_has_not_negotiated_nack_gets_nothing_twice() -> None:
    stage = Stage()
    teacher, student = stage.peer(), stage.peer()
    consumer = student.consumes(teacher.produces_audio())
    teacher.sends(media.rtp(1, b"opus", ssrc=media.AUDIO_SSRC, payload_type=media.OPUS))
    (packet,) = student.gets()
    student.reports(GenericNack(1, consumer.stream.ssrc, (packet.sequence_number,)))
    assert student.gets() == []
    assert consumer.stats().nacked_packets == 0
