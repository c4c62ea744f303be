"""The contract with the event loop: when it is woken and what a call does."""

from __future__ import annotations

import pytest

from sidecar.rtp.rtcp import GenericNack, PictureLossIndication
from sidecar.sfu import WebRtcTransport
from sidecar.sfu.producer import MIN_AWAITING_RECEIVERS
from tests.unit.sfu import media
from tests.unit.sfu.support import MS, Lesson, S, Stage

FAR_FUTURE_NS = 1 << 61


def test_idle_worker_has_no_timeout() -> None:
    stage = Stage()
    assert stage.worker.next_timeout_ns > FAR_FUTURE_NS
    stage.peer(connected=False)
    stage.process()
    assert stage.worker.next_timeout_ns > FAR_FUTURE_NS
    assert stage.worker.now_ns == stage.now_ns


def test_what_arrives_together_is_sent_on_by_one_call() -> None:
    lesson = Lesson()
    lesson.start()
    for number in (101, 102, 103):
        lesson.teacher.transport.receive_rtp(media.rtp(number), lesson.now_ns)
    assert lesson.student.gets() == []
    lesson.process()
    assert len(lesson.student.gets()) == 3
    lesson.process()
    assert lesson.student.gets() == []


@pytest.mark.parametrize("request_kind", ["resume", "nack", "close"])
def test_loop_is_woken_when_a_request_has_output(request_kind: str) -> None:
    lesson = Lesson()
    first = lesson.start()
    lesson.advance(2 * S)
    lesson.teacher.hears()
    lesson.student.hears()
    before = lesson.network.wakes
    if request_kind == "resume":
        lesson.consumer.pause()
        lesson.consumer.resume()
    elif request_kind == "close":
        lesson.consumer.close()
    else:
        nack = GenericNack(1, lesson.consumer.stream.ssrc, (first.sequence_number,))
        lesson.student.transport.receive_rtcp(nack.to_bytes(), lesson.now_ns)
    assert lesson.network.wakes == before + 1


def test_the_rest_is_waited_for_while_a_frame_is_incomplete_that_many_get() -> None:
    stage = Stage()
    teacher = stage.peer()
    picture, sound = teacher.produces_video(), teacher.produces_audio()
    consumers = [stage.peer().consumes(picture) for _ in range(MIN_AWAITING_RECEIVERS)]

    def arrives(*packets: bytes) -> bool:
        for packet in packets:
            teacher.transport.receive_rtp(packet, stage.now_ns)
        return stage.worker.awaits_rest

    assert not stage.worker.awaits_rest
    assert arrives(media.rtp(100, media.KEY_START))
    assert not arrives(media.rtp(101, marker=True))
    assert arrives(media.rtp(102))
    stage.process()
    assert not stage.worker.awaits_rest

    for _ in range(MIN_AWAITING_RECEIVERS):
        stage.peer().consumes(sound)
    assert not arrives(media.rtp(1, ssrc=media.AUDIO_SSRC, payload_type=media.OPUS))
    consumers[0].pause()
    assert not arrives(media.rtp(103))
    stage.process()
    consumers[0].resume()
    assert arrives(media.rtp(104))


def test_loop_is_woken_once_for_a_whole_class() -> None:
    stage = Stage()
    producer = stage.peer().produces_video()
    consumers = [stage.peer().transport.consume(producer, media.CAPABILITIES) for _ in range(9)]
    stage.process()
    before = stage.network.wakes
    for consumer in consumers:
        consumer.resume()
    assert stage.network.wakes == before + 1


def test_timeout_is_the_earliest_of_all_transports() -> None:
    lesson = Lesson()
    lesson.start()
    report_ns = lesson.worker.next_timeout_ns
    assert lesson.now_ns < report_ns <= lesson.now_ns + S
    lesson.teacher_sends(102)
    assert lesson.worker.next_timeout_ns < report_ns


def test_call_that_comes_too_early_does_nothing() -> None:
    lesson = Lesson()
    lesson.start()
    lesson.teacher.hears()
    for _ in range(10):
        lesson.now_ns += MS
        lesson.process()
    assert lesson.teacher.hears() == []


def test_timeouts_lie_ahead_of_the_call_that_has_dealt_with_them() -> None:
    lesson = Lesson()
    lesson.start()
    lesson.teacher_sends(103, 110)
    for _ in range(200):
        lesson.now_ns = lesson.worker.next_timeout_ns
        lesson.process()
        assert lesson.worker.next_timeout_ns > lesson.now_ns


def test_waiting_for_a_stream_of_unknown_ssrc_costs_nothing_but_reports() -> None:
    lesson = Lesson(media.video(ssrc=None, rtx_ssrc=None))
    calls = 0
    end_ns = lesson.now_ns + 10 * S
    while lesson.worker.next_timeout_ns < end_ns:
        lesson.now_ns = lesson.worker.next_timeout_ns
        lesson.process()
        calls += 1
    assert calls <= 20
    mid = ((media.MID, b"0"),)
    lesson.teacher.sends(media.rtp(1, ssrc=42, elements=mid))
    pli = PictureLossIndication(lesson.teacher.transport.ssrc, 42)
    assert pli in lesson.teacher.hears()


def test_closed_transports_are_forgotten() -> None:
    lesson = Lesson()
    lesson.start()
    lesson.teacher_sends(103)
    lesson.router.close()
    assert lesson.worker.transports == ()
    lesson.advance(10 * S)
    assert lesson.worker.next_timeout_ns > FAR_FUTURE_NS


def test_sender_is_looked_after_only_when_what_arrives_calls_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lesson = Lesson()
    lesson.start(100)
    transport = lesson.teacher.transport
    poll, polls = transport.poll, []

    def counted(now_ns: int) -> None:
        polls.append(now_ns)
        poll(now_ns)

    monkeypatch.setattr(transport, "poll", counted)
    lesson.teacher_sends(101, 102)
    assert polls == []
    lesson.teacher_sends(104)
    assert len(polls) == 1
    assert [type(packet) for packet in lesson.teacher.hears()] == [GenericNack]


@pytest.mark.parametrize("where", ["forward", "poll"])
def test_mistake_with_one_transport_is_reported_and_the_others_go_on(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lesson = Lesson()
    victim = lesson.peer()
    consumer = victim.consumes(lesson.producer)
    third = lesson.peer()
    third.consumes(lesson.producer)
    reported: list[tuple[WebRtcTransport, str]] = []

    def break_down(*_arguments: object) -> None:
        raise ZeroDivisionError("a mistake")

    def report(transport: WebRtcTransport, error: Exception) -> None:
        reported.append((transport, str(error)))

    monkeypatch.setattr(lesson.network, "report_defect", report)
    monkeypatch.setattr(consumer if where == "forward" else victim.transport, where, break_down)
    victim.transport.touch()
    lesson.start()
    third.gets()
    lesson.teacher_sends(101)
    assert reported[0] == (victim.transport, "a mistake")
    assert {transport for transport, _ in reported} == {victim.transport}
    assert len(lesson.student.gets()) == len(third.gets()) == 1


@pytest.mark.parametrize("where", ["fan_out", "has_feedback", "flush", "flow", "starting"])
def test_mistake_with_one_sender_does_not_silence_another_room(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage()
    broken_teacher, broken_student = stage.peer(), stage.peer()
    broken = broken_teacher.produces_video()
    consumer = broken_student.consumes(broken)
    teacher, student = stage.peer(), stage.peer()
    producer = teacher.produces_video(media.video(ssrc=9, rtx_ssrc=10))
    student.consumes(producer)
    reported: list[WebRtcTransport] = []

    def break_down(*_arguments: object) -> None:
        raise ZeroDivisionError("a mistake")

    def report(transport: WebRtcTransport, error: Exception) -> None:
        assert isinstance(error, ZeroDivisionError)
        reported.append(transport)

    def arrives(number: int, payload: bytes = media.DELTA) -> None:
        for peer, ssrc in ((broken_teacher, media.VIDEO_SSRC), (teacher, 9)):
            peer.transport.receive_rtp(media.rtp(number, payload, ssrc=ssrc), stage.now_ns)
        stage.process()

    arrives(100, media.KEY_START)
    arrives(101)
    assert len(student.gets()) == 2
    monkeypatch.setattr(stage.network, "report_defect", report)
    expected = broken_teacher
    if where == "fan_out":
        monkeypatch.setattr(broken, "fan_out", break_down)
    elif where == "flow":
        monkeypatch.setattr(broken_student.link, "send_rtp", break_down)
    elif where == "has_feedback":
        monkeypatch.setattr(broken_teacher.transport, "has_feedback", break_down)
    elif where == "flush":
        expected = broken_student
        monkeypatch.setattr(broken_student.transport, "flush", break_down)
        broken_student.transport.output()
    else:
        expected = broken_student
        consumer.pause()
        consumer.close()
        consumer = broken_student.transport.consume(broken, media.CAPABILITIES)
        monkeypatch.setattr(consumer.stream, "begin_replay", break_down)
        consumer.resume()
    arrives(102)
    assert reported == [expected.transport]
    assert len(student.gets()) == 1
    reported.clear()
    arrives(103)
    assert len(student.gets()) == 1


@pytest.mark.parametrize("where", ["transport.flush", "link.send_rtcp", "consumer.producer_closed"])
def test_a_mistake_that_shows_in_closing_too_leaves_nothing_behind(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lesson = Lesson()
    lesson.start()
    other = lesson.peer()
    consumer = other.consumes(lesson.producer)
    lesson.teacher_sends(101)
    reported: list[Exception] = []
    reasons: list[str] = []

    def break_down(*_arguments: object) -> None:
        raise ZeroDivisionError("a mistake")

    def report(_transport: WebRtcTransport, error: Exception) -> None:
        reported.append(error)

    monkeypatch.setattr(lesson.network, "report_defect", report)
    if where == "consumer.producer_closed":
        closing = lesson.teacher
        monkeypatch.setattr(lesson.consumer, "producer_closed", break_down)
    else:
        closing = lesson.student
        broken = closing.transport if where == "transport.flush" else closing.link
        monkeypatch.setattr(broken, where.partition(".")[2], break_down)
    closing.transport.on_closed = reasons.append
    closing.transport.link_closed("internal-error")
    assert [type(each) for each in reported] == [ZeroDivisionError]
    assert reasons == ["internal-error"]
    assert closing.link.closed == 1
    assert closing.transport not in lesson.worker.transports
    assert closing.transport.id not in lesson.router.transports
    if closing is lesson.teacher:
        assert lesson.router.producers == {}
        assert consumer.closed
    else:
        other.gets()
        lesson.teacher_sends(102)
        assert len(other.gets()) == 1
