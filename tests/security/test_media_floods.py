"""Students who flood the media side, beside a class that wants to go on."""

from __future__ import annotations

import asyncio

from sidecar.limits import Limits
from sidecar.rtp.rtcp import FirEntry, FullIntraRequest, PictureLossIndication
from tests.support.classroom import Classroom
from tests.support.synthetic import SyntheticStudent, SyntheticTeacher, eventually

BURSTS = 200
BURST_PACKETS = 40
PAUSE_S = 0.01
FRAMES = 30


async def expect_undisturbed(teacher: SyntheticTeacher, students: list[SyntheticStudent]) -> None:
    """The class goes on for some frames, and nothing that was sent is missing anywhere."""
    goal = teacher.outgoing.source.frames + FRAMES
    await eventually(lambda: teacher.outgoing.source.frames >= goal, "the teacher sends on")
    await teacher.outgoing.stop()
    await eventually(
        lambda: all(student.has_everything(teacher) for student in students),
        lambda: "\n".join(student.describe() for student in students),
    )


async def test_a_student_who_sends_30_megabits_of_sound_is_cut_to_what_sound_can_be(
    classroom: Classroom,
) -> None:
    teacher = await classroom.teach()
    honest = await classroom.attend(3)
    flooder = await classroom.join_student()
    producer_id = await flooder.publish("audio")
    await teacher.open_receiving()
    _, stream = await teacher.consume(producer_id)
    assert flooder.sending is not None
    sender = flooder.sending.senders["audio"]
    payload = bytes(1000)
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    for burst in range(BURSTS):
        for _ in range(BURST_PACKETS):
            sender.send(payload, burst * 480, marker=False)
        await asyncio.sleep(PAUSE_S)
    lasted_s = loop.time() - started_s
    await expect_undisturbed(teacher, honest)
    # A quarter more than the limit, for the headers, and one second of it at once.
    most_bytes = Limits().max_audio_bitrate / 8 * 5 / 4 * (lasted_s + 2)
    assert 0 < stream.packets * len(payload) <= most_bytes
    await eventually(lambda: sender.packets == BURSTS * BURST_PACKETS, "all is sent")


async def test_a_student_who_complains_all_the_time_costs_the_teacher_few_key_frames(
    classroom: Classroom,
) -> None:
    teacher = await classroom.teach()
    honest = await classroom.attend(3)
    nuisance = honest.pop()
    stream = nuisance.video
    before = teacher.outgoing.key_frame_requests
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    for number in range(250):
        fir = FullIntraRequest(1, (FirEntry(stream.ssrc, number),))
        nuisance.incoming.peer.send_rtcp(PictureLossIndication(1, stream.ssrc), fir)
        await asyncio.sleep(2 * PAUSE_S)
    lasted_s = loop.time() - started_s
    per_minute = Limits().max_key_frames_per_minute
    # Each request may be repeated once, if the key frame takes its time.
    assert 1 <= teacher.outgoing.key_frame_requests - before <= 4 + lasted_s * per_minute / 60
    await expect_undisturbed(teacher, honest)


async def test_a_student_who_pauses_and_resumes_all_the_time_costs_no_more(
    classroom: Classroom,
) -> None:
    teacher = await classroom.teach()
    honest = await classroom.attend(3)
    nuisance = await classroom.join_student()
    await nuisance.open_receiving()
    producers = await nuisance.signaling.request("getProducers")
    video = next(each["producerId"] for each in producers if each["kind"] == "video")
    consumer_id, _ = await nuisance.consume(video)
    before = teacher.outgoing.key_frame_requests
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    for _ in range(60):
        await nuisance.signaling.request("pauseConsumer", {"consumerId": consumer_id})
        await nuisance.signaling.request("resumeConsumer", {"consumerId": consumer_id})
        await asyncio.sleep(8 * PAUSE_S)
    lasted_s = loop.time() - started_s
    per_minute = Limits().max_key_frames_per_minute
    assert 1 <= teacher.outgoing.key_frame_requests - before <= 4 + lasted_s * per_minute / 60
    await expect_undisturbed(teacher, honest)


async def test_a_student_who_comes_over_ever_new_transports_costs_no_more(
    classroom: Classroom,
) -> None:
    teacher = await classroom.teach()
    honest = await classroom.attend(3)
    nuisance = await classroom.join_student()
    producers = await nuisance.signaling.request("getProducers")
    video = next(each["producerId"] for each in producers if each["kind"] == "video")
    before = teacher.outgoing.key_frame_requests
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    for _ in range(10):
        receiving = await nuisance.open_receiving()
        _, stream = await nuisance.consume(video)
        for _ in range(50):
            receiving.peer.send_rtcp(PictureLossIndication(1, stream.ssrc))
            await asyncio.sleep(PAUSE_S)
        receiving.stop()
        receiving.peer.close(silently=True)
    lasted_s = loop.time() - started_s
    per_minute = Limits().max_key_frames_per_minute
    assert 1 <= teacher.outgoing.key_frame_requests - before <= 4 + lasted_s * per_minute / 60
    await expect_undisturbed(teacher, honest)
