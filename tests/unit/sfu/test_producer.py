"""A producer's life, over a worker without a network."""

from __future__ import annotations

import pytest

from sidecar.engine.liveness import AUDIO_PATIENCE, SILENCE_NS, STRAGGLER_NS, VIDEO_PATIENCE
from sidecar.ortc import OrtcError
from sidecar.rtp.rtcp import Bye, GenericNack, PictureLossIndication, SenderReport
from sidecar.sfu import Producer
from tests.unit.sfu import media
from tests.unit.sfu.support import MS, Lesson, Peer, S, Stage

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


BYE = Bye((media.VIDEO_SSRC,))


def requests(lesson: Lesson) -> int:
    """How often the teacher has been asked for a key frame since the last call."""
    return sum(isinstance(each, PictureLossIndication) for each in lesson.teacher.hears())


def newcomer(lesson: Lesson) -> Peer:
    """Who watches from now on, with what they have got within a second."""
    student = lesson.peer()
    student.consumes(lesson.producer)
    lesson.advance(S)
    return student


def asks_for_a_picture(lesson: Lesson, student: Peer) -> None:
    (consumer,) = student.transport.consumers.values()
    student.reports(PictureLossIndication(1, consumer.stream.ssrc))


class TestSilence:
    def test_screen_that_stands_still_is_seen_at_once(self) -> None:
        lesson = Lesson()
        lesson.start(100)
        lesson.teacher_sends(*range(101, 130), each_ms=2000)
        lesson.teacher.hears()
        assert newcomer(lesson).gets()
        assert requests(lesson) == 0

    @pytest.mark.parametrize("says_bye", [False, True])
    @pytest.mark.parametrize("later_s", [0, 60, 240])
    def test_old_picture_is_not_shown_nor_a_new_one_asked_for(
        self, says_bye: bool, later_s: int
    ) -> None:
        lesson = Lesson()
        lesson.start(100)
        lesson.teacher_sends(*range(101, 110), each_ms=40)
        if says_bye:
            lesson.teacher.reports(BYE)
        else:
            lesson.advance(SILENCE_NS)
        lesson.advance(later_s * S)
        lesson.teacher.hears()
        student = newcomer(lesson)
        for _ in range(10):
            asks_for_a_picture(lesson, student)
            lesson.advance(200 * MS)
        assert student.gets() == []
        assert requests(lesson) == 0

    def test_sender_reports_alone_are_no_picture(self) -> None:
        lesson = Lesson()
        lesson.start(100)
        for _ in range(10):
            lesson.teacher.reports(SenderReport(media.VIDEO_SSRC, 3 << 40, 9000, 1, 1))
            lesson.advance(S)
        lesson.teacher.hears()
        assert newcomer(lesson).gets() == []
        assert requests(lesson) == 0

    def test_what_was_lost_is_neither_asked_for_nor_sent_again_after_a_goodbye(self) -> None:
        lesson = Lesson()
        first = lesson.start(100)
        lesson.teacher.sends(media.rtp(103, timestamp=103 * 90))
        lesson.teacher.reports(BYE)
        lesson.teacher.hears()
        lesson.student.gets()
        lesson.student.reports(GenericNack(1, first.ssrc, (first.sequence_number,)))
        lesson.advance(3 * S)
        assert lesson.student.gets() == []
        assert not any(isinstance(each, GenericNack) for each in lesson.teacher.hears())
        assert requests(lesson) == 0

    def test_replay_stops_with_a_goodbye(self) -> None:
        lesson = Lesson()
        lesson.start(100)
        lesson.teacher_sends(*range(101, 160), payload=media.DELTA * 1000, each_ms=40)
        student = lesson.peer()
        consumer = student.consumes(lesson.producer)
        assert consumer.is_replaying
        student.gets()
        lesson.teacher.reports(BYE)
        student.gets()
        lesson.advance(S)
        assert student.gets() == []
        assert not consumer.is_replaying

    @pytest.mark.parametrize("says_bye", [False, True])
    @pytest.mark.parametrize("step", [1, -500, 20_000])
    def test_newcomer_has_a_picture_when_it_comes_back(self, says_bye: bool, step: int) -> None:
        lesson = Lesson()
        lesson.start(1000)
        if says_bye:
            lesson.teacher.reports(BYE)
        lesson.advance(8 * S)
        student = newcomer(lesson)
        lesson.teacher.hears()
        lesson.student.gets()
        back = 1000 + step
        lesson.teacher_sends(back, back + 1, back + 2)
        assert requests(lesson) == 1
        assert student.gets() == []
        lesson.teacher_sends(back + 3, payload=media.KEY_START)
        assert student.gets()
        assert lesson.student.gets()
        lesson.teacher_sends(back + 4, back + 5)
        assert len(student.gets()) == len(lesson.student.gets()) == 2

    def test_come_back_with_a_key_frame_costs_no_request(self) -> None:
        lesson = Lesson()
        lesson.start(100)
        lesson.advance(8 * S)
        student = newcomer(lesson)
        lesson.teacher.hears()
        lesson.teacher_sends(101, payload=media.KEY_START)
        assert student.gets()
        assert requests(lesson) == 0

    def test_who_watches_goes_on_with_what_comes_next(self) -> None:
        lesson = Lesson()
        lesson.start(100)
        lesson.advance(8 * S)
        lesson.teacher.hears()
        lesson.teacher_sends(101)
        assert lesson.student.gets()
        assert requests(lesson) == 0

    def test_straggler_behind_a_goodbye_is_not_the_stream_come_back(self) -> None:
        lesson = Lesson()
        lesson.start(100)
        lesson.teacher.reports(BYE)
        lesson.advance(STRAGGLER_NS // 2)
        lesson.teacher_sends(101, payload=media.KEY_START)
        lesson.teacher.hears()
        assert newcomer(lesson).gets() == []
        assert requests(lesson) == 0

    def test_goodbye_of_the_retransmissions_ends_nothing(self) -> None:
        lesson = Lesson()
        lesson.start(100)
        lesson.teacher.reports(Bye((media.VIDEO_RTX_SSRC,)))
        lesson.advance(S)
        assert newcomer(lesson).gets()

    @pytest.mark.parametrize("step", [1, -500, 20_000])
    def test_ssrc_that_was_learnt_may_be_another_one_after_a_goodbye(self, step: int) -> None:
        lesson = Lesson(media.video(ssrc=None, rtx_ssrc=None))
        elements = ((media.MID, b"0"),)
        lesson.teacher.sends(media.rtp(1000, media.KEY_START, elements=elements))
        assert lesson.student.gets()
        lesson.teacher.reports(BYE)
        lesson.advance(S)
        back = 1000 + step
        packets = (
            media.rtp(back + count, payload, ssrc=77, elements=elements)
            for count, payload in enumerate((media.KEY_START, media.DELTA, media.DELTA))
        )
        lesson.teacher.sends(*packets)
        assert len(lesson.student.gets()) == 3

    def test_pausing_and_resuming_while_it_is_silent_leaves_nothing_behind(self) -> None:
        lesson = Lesson()
        lesson.start(100)
        lesson.advance(8 * S)
        for _ in range(100):
            lesson.consumer.pause()
            lesson.consumer.resume()
            lesson.process()
        assert not lesson.producer._starting.is_busy


class TestSuperseded:
    def share(self, stage: Stage, teacher: Peer) -> tuple[Producer, Producer]:
        """A stream and the one that it makes room for, both heard."""
        old = teacher.produces_video()
        new = teacher.produces_video(media.video(ssrc=5, rtx_ssrc=6, mid="5"))
        old.supersede()
        self.send(stage, teacher, media.VIDEO_SSRC, 5, until_ns=S)
        return old, new

    def send(self, stage: Stage, teacher: Peer, *ssrcs: int, until_ns: int) -> None:
        for _ in range(0, until_ns, 500 * MS):
            self._sequence = getattr(self, "_sequence", 0) + 1
            teacher.sends(*(media.rtp(self._sequence, ssrc=ssrc) for ssrc in ssrcs))
            stage.advance(500 * MS)

    def test_closed_when_it_has_been_silent_for_some_seconds(self) -> None:
        stage = Stage()
        teacher = stage.peer()
        old, new = self.share(stage, teacher)
        told: list[str] = []
        old.on_closed = lambda: told.append(old.id)
        self.send(stage, teacher, 5, until_ns=2 * S)
        assert not old.closed
        self.send(stage, teacher, 5, until_ns=3 * S)
        assert old.closed
        assert told == [old.id]
        assert not new.closed

    def test_closed_at_once_if_it_has_said_goodbye(self) -> None:
        stage = Stage()
        teacher = stage.peer()
        old, _ = self.share(stage, teacher)
        teacher.reports(BYE)
        assert old.closed

    def test_two_that_go_on_side_by_side_stay(self) -> None:
        stage = Stage()
        teacher = stage.peer()
        both = self.share(stage, teacher)
        self.send(stage, teacher, media.VIDEO_SSRC, 5, until_ns=60 * S)
        assert not any(each.closed for each in both)

    def test_stays_while_its_sender_reports(self) -> None:
        stage = Stage()
        teacher = stage.peer()
        old, _ = self.share(stage, teacher)
        for _ in range(60):
            teacher.reports(SenderReport(media.VIDEO_SSRC, 3 << 40, 9000, 1, 1))
            self.send(stage, teacher, 5, until_ns=S)
        assert old.silent
        assert not old.closed

    def test_stays_while_its_owner_has_paused_it(self) -> None:
        stage = Stage()
        teacher = stage.peer()
        old, _ = self.share(stage, teacher)
        old.pause()
        self.send(stage, teacher, 5, until_ns=60 * S)
        assert not old.closed

    def test_stays_while_nothing_is_heard_of_its_peer(self) -> None:
        stage = Stage()
        teacher = stage.peer()
        old, _ = self.share(stage, teacher)
        stage.advance(20 * S)  # a cable was pulled
        assert not old.closed
        self.send(stage, teacher, media.VIDEO_SSRC, 5, until_ns=10 * S)
        assert not old.closed


class TestGivenUp:
    def test_video_that_nobody_sends_any_more(self) -> None:
        lesson = Lesson()
        lesson.start(100)
        told: list[str] = []
        lesson.producer.on_closed = lambda: told.append(lesson.producer.id)
        lesson.advance(VIDEO_PATIENCE.total_ns - 2 * S)
        assert not lesson.producer.closed
        lesson.advance(4 * S)
        assert lesson.producer.closed
        assert lesson.consumer.closed
        assert told == [lesson.producer.id]

    def test_microphone_of_who_has_not_spoken_for_a_lesson_is_kept(self) -> None:
        stage = Stage()
        student = stage.peer()
        producer = student.produces_audio()
        student.sends(media.rtp(1, ssrc=media.AUDIO_SSRC, payload_type=media.OPUS))
        student.reports(Bye((media.AUDIO_SSRC,)))  # Firefox, with `zeroRtpOnPause`
        stage.advance(90 * 60 * S)
        assert not producer.closed
        stage.advance(AUDIO_PATIENCE.total_ns)
        assert producer.closed

    def test_video_that_its_owner_has_paused_is_kept(self) -> None:
        lesson = Lesson()
        lesson.start(100)
        lesson.producer.pause()
        lesson.advance(VIDEO_PATIENCE.total_ns * 2)
        assert not lesson.producer.closed

    def test_sleep_of_this_computer_is_not_the_senders_silence(self) -> None:
        lesson = Lesson()
        lesson.start(100)
        lesson.now_ns += VIDEO_PATIENCE.total_ns * 2
        lesson.process()
        lesson.advance(S)
        assert not lesson.producer.closed
