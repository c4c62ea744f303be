"""A producer's life, over a worker without a network."""

from __future__ import annotations

import pytest

from sidecar.ortc import OrtcError
from sidecar.rtp.rtcp import PictureLossIndication, SenderReport
from tests.unit.sfu import media
from tests.unit.sfu.support import Lesson, S, Stage

STARTS = [0, 32767, 65534, 65535]


class TestPause:
    @pytest.mark.parametrize("start", STARTS)
    def test_forwards_nothing_and_goes_on_with_a_key_frame_without_a_gap(self, start: int) -> None:
        lesson = Lesson()
        first = lesson.start(start)
        lesson.producer.pause()
        lesson.teacher_sends(*range(start + 1, start + 41), each_ms=10)
        assert lesson.student.gets() == []
        lesson.teacher.hears()
        lesson.producer.resume()
        lesson.process()
        assert any(isinstance(each, PictureLossIndication) for each in lesson.teacher.hears())
        lesson.teacher_sends(start + 41)
        assert lesson.student.gets() == []
        again = lesson.start(start + 42)
        assert again.sequence_number == (first.sequence_number + 1) & 0xFFFF
        assert (again.timestamp - first.timestamp) & 0xFFFFFFFF == 400 * 90

    def test_drops_what_arrived_but_was_not_yet_forwarded(self) -> None:
        lesson = Lesson()
        lesson.start()
        lesson.teacher.transport.receive_rtp(media.rtp(101), lesson.now_ns)
        lesson.producer.pause()
        lesson.process()
        assert lesson.student.gets() == []

    def test_consumer_paused_meanwhile_stays_so_when_the_producer_resumes(self) -> None:
        lesson = Lesson()
        lesson.start()
        lesson.producer.pause()
        lesson.consumer.pause()
        lesson.producer.resume()
        lesson.teacher_sends(101, payload=media.KEY_START)
        assert lesson.student.gets() == []

    def test_consumer_resumed_meanwhile_starts_when_the_producer_resumes(self) -> None:
        lesson = Lesson()
        lesson.consumer.pause()
        lesson.producer.pause()
        lesson.consumer.resume()
        assert not lesson.consumer.live
        lesson.producer.resume()
        assert lesson.consumer.live


class TestSenderRestart:
    @pytest.mark.parametrize("jump", [10_000, 30_000, 40_000])
    def test_students_go_on_without_a_gap_at_the_next_key_frame(self, jump: int) -> None:
        lesson = Lesson()
        first = lesson.start(100)
        lesson.advance(S)
        lesson.teacher_sends(100 + jump, 101 + jump, 102 + jump)
        assert lesson.student.gets() == []
        assert any(isinstance(each, PictureLossIndication) for each in lesson.teacher.hears())
        again = lesson.start(103 + jump)
        assert again.sequence_number == (first.sequence_number + 1) & 0xFFFF
        assert (again.timestamp - first.timestamp) & 0xFFFFFFFF == 90_000

    def test_audio_goes_on_at_once(self) -> None:
        stage = Stage()
        teacher, student = stage.peer(), stage.peer()
        student.consumes(teacher.produces_audio())
        for number in (1, 2, 40_000, 40_001, 40_002):
            teacher.sends(media.rtp(number, ssrc=media.AUDIO_SSRC, payload_type=media.OPUS))
        numbers = [packet.sequence_number for packet in student.gets()]
        assert [number - numbers[0] for number in numbers] == [0, 1, 2, 3]

    def test_rest_of_the_old_sequence_is_not_sent_together_with_the_new_one(self) -> None:
        stage = Stage()
        teacher, student = stage.peer(), stage.peer()
        student.consumes(teacher.produces_audio())
        teacher.sends(
            *(
                media.rtp(number, ssrc=media.AUDIO_SSRC, payload_type=media.OPUS)
                for number in (1, 2, 40_000, 40_001, 40_002)
            )
        )
        first, second = student.gets()
        assert second.sequence_number == first.sequence_number + 1

    def test_old_relation_of_ntp_and_rtp_is_not_told_of_the_new_sequence(self) -> None:
        lesson = Lesson()
        lesson.start(100)
        lesson.teacher.reports(SenderReport(media.VIDEO_SSRC, 3 << 40, 9000, 1, 1))
        lesson.advance(2 * S)
        assert any(isinstance(each, SenderReport) for each in lesson.student.hears())
        lesson.teacher_sends(40_000, 40_001)
        lesson.start(40_002)
        lesson.advance(2 * S)
        assert not any(isinstance(each, SenderReport) for each in lesson.student.hears())


class TestClose:
    def test_ends_its_consumers_and_each_is_told_once(self) -> None:
        stage = Stage()
        teacher = stage.peer()
        producer = teacher.produces_video()
        consumers = [stage.peer().consumes(producer) for _ in range(3)]
        told: list[str] = []
        for consumer in consumers:
            consumer.on_closed = lambda consumer=consumer: told.append(consumer.id)
        producer.close()
        producer.close()
        assert told == [consumer.id for consumer in consumers]
        assert all(consumer.closed for consumer in consumers)
        assert all(consumer.transport.consumers == {} for consumer in consumers)
        assert teacher.transport.producers == {}
        assert stage.router.producers == {}

    def test_consumer_closed_by_its_owner_meanwhile_is_not_told(self) -> None:
        stage = Stage()
        producer = stage.peer().produces_video()
        first, second = (stage.peer().consumes(producer) for _ in range(2))
        told: list[str] = []
        first.on_closed = second.close
        second.on_closed = lambda: told.append("second")
        producer.close()
        assert second.closed
        assert told == []

    def test_packets_that_wait_are_not_forwarded(self) -> None:
        lesson = Lesson()
        lesson.start()
        lesson.teacher.transport.receive_rtp(media.rtp(101), lesson.now_ns)
        lesson.producer.close()
        lesson.process()
        assert lesson.student.gets() == []

    def test_next_producer_with_its_ssrc_does_not_inherit_its_clock(self) -> None:
        lesson = Lesson()
        lesson.start()
        lesson.teacher.reports(SenderReport(media.VIDEO_SSRC, 3 << 40, 9000, 1, 1))
        lesson.producer.close()
        lesson.student.consumes(lesson.teacher.produces_video())
        lesson.start(200)
        lesson.student.hears()
        lesson.advance(2 * S)
        assert not any(isinstance(each, SenderReport) for each in lesson.student.hears())

    def test_packets_that_still_come_are_discarded(self) -> None:
        lesson = Lesson()
        lesson.producer.close()
        lesson.teacher.sends(media.rtp(1, media.KEY_START))
        assert lesson.teacher.transport.stats().packets_discarded == 1


@pytest.mark.parametrize("kind", ["audio", "video"])
def test_parameters_that_do_not_fit_the_kind_are_refused_without_a_trace(kind: str) -> None:
    stage = Stage()
    peer = stage.peer()
    with pytest.raises(OrtcError):
        if kind == "audio":
            peer.produces_audio(media.video())
        else:
            peer.produces_video(media.audio())
    assert stage.router.producers == {}
    assert peer.transport.producers == {}
    assert peer.transport.streams.any_source_ssrc() == 0
