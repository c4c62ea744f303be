"""A full class of synthetic peers: who receives what, exactly."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sidecar.rtp.h264 import starts_key_frame
from sidecar.rtp.rtcp import FirEntry, FullIntraRequest, PictureLossIndication, RtcpPacket
from tests.support.classroom import Classroom
from tests.support.media_sources import H264Source
from tests.support.received_stream import ReceivedStream
from tests.support.receiving_side import OUR_SSRC
from tests.support.sending_side import VIDEO_CLOCK_RATE
from tests.support.synthetic import (
    SyntheticStudent,
    SyntheticTeacher,
    eventually,
)

STUDENTS = 49
FRAMES_TO_WATCH = 30
MAX_INCOMING_BITRATE_BPS = 6_000_000
LIP_SYNC_S = 0.001


def is_key_frame(payload: bytes) -> bool:
    return starts_key_frame(payload, 0, len(payload))


async def watch(teacher: SyntheticTeacher, frames: int = FRAMES_TO_WATCH) -> None:
    """Let the class go on for some frames."""
    goal = teacher.outgoing.source.frames + frames
    await eventually(lambda: teacher.outgoing.source.frames >= goal, "the teacher sends on")


async def expect_everything(teacher: SyntheticTeacher, students: list[SyntheticStudent]) -> None:
    """Stop the teacher's sources and check that nothing that was sent is missing anywhere."""
    await teacher.outgoing.stop()
    await eventually(
        lambda: all(student.has_everything(teacher) for student in students),
        lambda: "\n".join(s.describe() for s in students if not s.has_everything(teacher)),
    )


def expect_flawless(student: SyntheticStudent) -> None:
    """Nothing twice, nothing misplaced, nothing undecryptable, nothing that nobody announced."""
    peer = student.incoming.peer
    assert not peer.srtp_errors
    assert not peer.datagrams["stranger"]
    assert student.incoming.unknown_packets == 0
    for stream in (student.video, student.audio):
        assert stream.duplicates == 0, student.describe()
        assert len(stream.segments) == 1, student.describe()
        expected = stream.last_content - stream.segments[0].content + 1
        assert stream.packets == expected, student.describe()
    assert is_key_frame(student.video.segments[0].payload), "the picture starts on a key frame"


async def test_a_full_class_receives_every_packet(classroom: Classroom) -> None:
    teacher = await classroom.teach()
    students = await classroom.attend(STUDENTS)
    await watch(teacher)
    await expect_everything(teacher, students)
    for student in students:
        expect_flawless(student)
        assert student.incoming.nacks_sent == 0


async def test_key_frame_requests_of_a_starting_class_are_coalesced(classroom: Classroom) -> None:
    teacher = await classroom.teach()
    await classroom.attend(STUDENTS)
    # None at all, if the first key frame was there before the first student.
    assert teacher.outgoing.key_frame_requests < STUDENTS / 4


@pytest.mark.parametrize(
    "request_of",
    [
        lambda ssrc: PictureLossIndication(OUR_SSRC, ssrc),
        lambda ssrc: FullIntraRequest(OUR_SSRC, (FirEntry(ssrc, 1),)),
    ],
    ids=["PLI", "FIR"],
)
async def test_a_student_who_lost_the_picture_gets_a_key_frame(
    classroom: Classroom, request_of: Callable[[int], RtcpPacket]
) -> None:
    teacher = await classroom.teach()
    (student,) = await classroom.attend(1)
    await watch(teacher)
    key_frames = teacher.outgoing.source.key_frames
    student.incoming.peer.send_rtcp(request_of(student.video.ssrc))
    await eventually(lambda: teacher.outgoing.source.key_frames > key_frames, "a key frame")
    await expect_everything(teacher, [student])


async def test_the_teacher_gets_feedback_about_what_arrives(classroom: Classroom) -> None:
    teacher = await classroom.teach()
    sending = teacher.outgoing
    await eventually(
        lambda: sending.remb_bps == MAX_INCOMING_BITRATE_BPS and sending.rtcp["ReceiverReport"] > 1,
        lambda: f"REMB {sending.remb_bps}, received {dict(sending.rtcp)}",
    )
    await sending.stop()
    sent = sum(sender.packets + sender.retransmissions for sender in sending.senders.values())
    await eventually(
        lambda: len(sending.acknowledged) == sent,
        lambda: f"{len(sending.acknowledged)} of {sent} packets acknowledged",
    )
    assert not sending.nacked


def capture_time_s(student: SyntheticStudent, teacher: SyntheticTeacher, kind: str) -> float:
    """The teacher's wall clock at media time 0, as a student works it out of one stream.

    That is: the Sender Report's relation of clock and timestamp, applied to the last packet, less
    that packet's media time.
    """
    (stream,) = student.incoming.streams[kind]
    sender = teacher.outgoing.senders[kind]
    report = student.incoming.sender_reports[stream.ssrc]
    ticks = (stream.last_timestamp - report.rtp_timestamp + 0x80000000) % 0x100000000 - 0x80000000
    media_time = sender.media_times[stream.last_content]
    return report.ntp_timestamp / 2**32 + (ticks - media_time) / sender.ids.clock_rate


async def test_sender_reports_keep_picture_and_sound_in_sync(classroom: Classroom) -> None:
    teacher = await classroom.teach()
    (student,) = await classroom.attend(1)
    incoming = student.incoming
    ssrcs = {student.video.ssrc, student.audio.ssrc}
    await eventually(lambda: incoming.sender_reports.keys() >= ssrcs, "both streams are reported")
    assert {incoming.cnames[ssrc] for ssrc in ssrcs} == {teacher.peer_id}

    expect_lip_sync(student, teacher)
    before = dict(incoming.sender_reports)
    await eventually(
        lambda: all(incoming.sender_reports[ssrc] is not before[ssrc] for ssrc in ssrcs),
        "further reports",
    )
    expect_lip_sync(student, teacher)


def expect_lip_sync(student: SyntheticStudent, teacher: SyntheticTeacher) -> None:
    video_s, audio_s = (capture_time_s(student, teacher, kind) for kind in ("video", "audio"))
    assert video_s == pytest.approx(audio_s, abs=LIP_SYNC_S)


async def test_a_paused_consumer_goes_on_without_a_gap_at_a_key_frame(classroom: Classroom) -> None:
    teacher = await classroom.teach()
    student = await classroom.join_student()
    producers = await student.signaling.request("getProducers")
    video_id = next(p["producerId"] for p in producers if p["kind"] == "video")
    consumer_id, stream = await student.consume(video_id)
    await eventually(lambda: stream.packets > 0, "the picture starts")

    await student.signaling.request("pauseConsumer", {"consumerId": consumer_id})
    await watch(teacher, 10)
    before = stream.packets
    await watch(teacher, 10)
    assert stream.packets == before, "nothing comes while paused"
    await student.signaling.request("resumeConsumer", {"consumerId": consumer_id})
    await eventually(lambda: len(stream.segments) == 2, student.describe)
    await watch(teacher, 10)

    expect_resumed(stream)


async def test_a_paused_producer_goes_on_without_a_gap_at_a_key_frame(classroom: Classroom) -> None:
    teacher = await classroom.join_teacher()
    await teacher.open_sending()
    producer = {"producerId": await teacher.publish("video")}
    teacher.outgoing.start()
    student = await classroom.join_student()
    _, stream = await student.consume(producer["producerId"])
    await eventually(lambda: stream.packets > 0, "the picture starts")

    await teacher.signaling.request("pauseProducer", producer)
    await student.signaling.wait_for("producerPaused")
    await watch(teacher, 10)
    before = stream.packets
    await watch(teacher, 10)
    assert stream.packets == before, "nothing comes while paused"
    await teacher.signaling.request("resumeProducer", producer)
    await student.signaling.wait_for("producerResumed")
    await eventually(lambda: len(stream.segments) == 2, student.describe)
    await watch(teacher, 10)

    expect_resumed(stream)


def expect_resumed(stream: ReceivedStream) -> None:
    """Two segments: each from a key frame on, sequence numbers unbroken, time going forward."""
    assert [is_key_frame(segment.payload) for segment in stream.segments] == [True, True]
    assert not stream.missing
    assert stream.duplicates == 0
    assert 0 < stream.segments[1].timestamp_step < 10 * VIDEO_CLOCK_RATE


async def test_duplicates_disorder_and_padding_are_ironed_out(classroom: Classroom) -> None:
    teacher = await classroom.teach()
    students = await classroom.attend(2)
    await teacher.outgoing.stop()
    sender = teacher.outgoing.senders["video"]
    send = teacher.outgoing.peer.send_rtp
    frame_ticks = VIDEO_CLOCK_RATE // teacher.outgoing.source.frames_per_second
    for _ in range(20):
        media_time = sender.media_times[-1] + frame_ticks
        packets = [sender.prepare(bytes([0x41]) * 500, media_time, marker=i == 3) for i in range(4)]
        for index in (1, 0, 2, 2, 3):
            send(packets[index])
        sender.send_padding()
    await expect_everything(teacher, students)
    for student in students:
        assert not student.incoming.peer.srtp_errors
        assert student.video.duplicates == 0, student.describe()


async def test_sequence_numbers_wrap_around(classroom: Classroom) -> None:
    teacher = await classroom.join_teacher()
    await teacher.open_sending(H264Source(bitrate_bps=3_000_000))
    await teacher.publish("video", first_sequence=65_500)
    await teacher.publish("audio", first_sequence=65_530)
    teacher.outgoing.start()
    students = await classroom.attend(2)
    await watch(teacher)
    await expect_everything(teacher, students)
    for student in students:
        expect_flawless(student)


async def test_students_are_heard_by_the_teacher_alone(classroom: Classroom) -> None:
    teacher = await classroom.teach()
    students = await classroom.attend(3)
    speaker, *listeners = students
    microphone = await speaker.publish("audio")
    announced = await teacher.signaling.wait_for("newProducer")
    assert announced == {"producerId": microphone, "kind": "audio", "peerId": speaker.peer_id}
    assert speaker.sending is not None
    speaker.sending.start()
    _, voice = await teacher.consume(microphone)
    await eventually(lambda: voice.packets > FRAMES_TO_WATCH, "the teacher hears the student")
    assert (len(voice.missing), len(voice.segments)) == (0, 1)
    for listener in listeners:
        assert all(name != "newProducer" for name, _ in listener.signaling.events)


async def test_a_student_who_vanishes_harms_nobody(classroom: Classroom) -> None:
    teacher = await classroom.teach()
    unlucky, *others = await classroom.attend(3)
    await unlucky.vanish()
    left = await teacher.signaling.wait_for("peerLeft")
    assert left == {"peerId": unlucky.peer_id, "wasTeacher": False}
    await watch(teacher)
    await expect_everything(teacher, others)
    for student in others:
        expect_flawless(student)


async def test_a_second_share_follows_the_first(classroom: Classroom) -> None:
    teacher = await classroom.teach()
    (student,) = await classroom.attend(1)
    producers = await student.signaling.request("getProducers")
    video = {"producerId": next(p["producerId"] for p in producers if p["kind"] == "video")}
    await teacher.outgoing.stop()
    teacher.outgoing.send_bye()
    await teacher.signaling.request("closeProducer", video)
    closed = await student.signaling.wait_for("producerClosed")
    assert closed == {**video, "peerId": "teacher"}
    first_ssrc = student.video.ssrc
    await eventually(lambda: first_ssrc in student.incoming.ended_ssrcs, "BYE of the first picture")

    again = await teacher.publish("video")
    announced = await student.signaling.wait_for(
        "newProducer", lambda data: bool(data["producerId"] == again)
    )
    teacher.outgoing.start()
    _, stream = await student.consume(announced["producerId"])
    await eventually(lambda: stream.packets > FRAMES_TO_WATCH, "the second picture")
    assert not stream.missing
    assert is_key_frame(stream.segments[0].payload)
