"""The protocol's extensions with a real browser's media: pausing, going on, moving house."""

from __future__ import annotations

import pytest

from tests.interop.browsers.lesson import H264, VP8, Lesson, assert_went_on, video_growth
from tests.interop.browsers.participant import Participant, until

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]


async def _wait_standstill(student: Participant, teacher: Participant) -> None:
    """Wait until the student's picture does not move while the teacher's camera does."""

    async def probe() -> bool:
        _, [video] = await video_growth(teacher, [student], frames=10)
        return bool(video["framesDecoded"] == 0)

    await until(probe, f"{student.name}'s picture to stand still")


async def _assert_goes_on(student: Participant, teacher: Participant) -> None:
    await student.wait_more_received("video", "framesDecoded", 20)
    sent, [video] = await video_growth(teacher, [student], frames=40)
    assert video["framesDecoded"] > 0.9 * sent["framesEncoded"]


@pytest.mark.parametrize("mime_type", [H264, VP8])
async def test_a_paused_consumer_goes_on_where_the_class_is(lesson: Lesson, mime_type: str) -> None:
    teacher = await lesson.teacher(mime_type)
    student = await lesson.student("An")
    consumer = {"consumerId": (await student.wait_picture_of(teacher))["consumerId"]}

    assert await student.request("pauseConsumer", consumer) == consumer
    await _wait_standstill(student, teacher)
    assert await student.request("resumeConsumer", consumer) == consumer

    await _assert_goes_on(student, teacher)
    # The sequence goes on where it stopped: a jump would look like loss.
    assert (await student.received("video"))["packetsLost"] == 0


async def test_a_paused_producer_goes_on_for_everybody(lesson: Lesson) -> None:
    teacher = await lesson.teacher(H264)
    students = await lesson.students("An", "Binh")
    for student in students:
        await student.wait_picture_of(teacher)
    producer = {"producerId": (await teacher.sent("video"))["producerId"]}

    assert await teacher.request("pauseProducer", producer) == producer
    for student in students:
        await student.wait_event("producerPaused", **producer, peerId=teacher.peer_id)
        await _wait_standstill(student, teacher)
    assert await teacher.request("resumeProducer", producer) == producer

    for student in students:
        await student.wait_event("producerResumed", **producer, peerId=teacher.peer_id)
        await _assert_goes_on(student, teacher)


async def test_ice_restarts_without_a_freeze(lesson: Lesson) -> None:
    teacher = await lesson.teacher(H264)
    student = await lesson.student("An")
    await student.wait_picture_of(teacher)

    await teacher.call("restartIce", "send")
    await student.call("restartIce", "recv")

    sent, [video] = await video_growth(teacher, [student], frames=60)
    assert_went_on(sent, video)
    assert await teacher.call("transportStates") == {"send": "connected"}
    assert await student.call("transportStates") == {"recv": "connected"}
