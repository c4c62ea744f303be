"""A whole class in Chromium: everybody sees and hears whom they should."""

from __future__ import annotations

import asyncio

import pytest

from tests.interop.browsers.conftest import Measured
from tests.interop.browsers.lesson import H264, VP8, Lesson, assert_went_on, video_growth
from tests.interop.browsers.participant import Participant, Stats, until

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.in_all_forms,
    pytest.mark.asyncio(loop_scope="session"),
]

AUDIBLE = 0.05
SILENT = 0.005
"""Growth of ``totalAudioEnergy``: full scale squared, times seconds."""

IN_SYNC_MS = 200
"""About where viewers begin to mind that lips and voice are apart."""


@pytest.mark.parametrize("mime_type", [H264, VP8])
async def test_every_student_sees_and_hears_the_teacher(
    lesson: Lesson, mime_type: str, measured: Measured
) -> None:
    teacher = await lesson.teacher(mime_type)
    students = await lesson.students("An", "Binh", "Chi")
    first_pictures = await asyncio.gather(*(s.wait_picture_of(teacher) for s in students))
    measured(f"join to first picture {[round(p['firstPictureMs']) for p in first_pictures]} ms")

    sent, received = await video_growth(teacher, students, frames=200)
    for student, video in zip(students, received, strict=True):
        measured(f"{student.name}: {_summary(sent, video)}")
        assert_went_on(sent, video)
        assert (await student.received("video"))["mimeType"] == mime_type
        await _assert_hears_stereo(student)
        await _assert_in_sync(student)
        await student.assert_no_problems()


async def test_a_student_who_comes_late_sees_and_hears_the_class(
    lesson: Lesson, measured: Measured
) -> None:
    teacher = await lesson.teacher(H264)
    early = await lesson.student("An")
    await teacher.wait_sent("video", "framesEncoded", 200)

    late = await lesson.student("Binh")
    first_picture = await late.wait_picture_of(teacher)
    measured(f"join to first picture {first_picture['firstPictureMs']:.0f} ms")
    sent, received = await video_growth(teacher, [early, late], frames=60)
    for video in received:
        assert_went_on(sent, video)
    await _assert_hears_stereo(late)


@pytest.mark.parametrize("mime_type", [H264, VP8])
async def test_a_latecomer_sees_a_screen_that_stands_still(
    lesson: Lesson, mime_type: str, measured: Measured
) -> None:
    teacher = await lesson.teacher(mime_type, picture="screen")
    early = await lesson.student("An")
    await early.wait_picture_of(teacher)
    await teacher.wait_more_sent("video", "framesEncoded", 3)

    late = await lesson.student("Binh")
    first_picture = await late.wait_picture_of(teacher)
    measured(f"join to first picture {first_picture['firstPictureMs']:.0f} ms")


async def test_the_teacher_hears_a_student_only_while_they_push_to_talk(lesson: Lesson) -> None:
    teacher = await lesson.teacher(VP8)
    student = await lesson.student("An")
    await student.call("talk")
    await teacher.wait_received("audio", "totalAudioEnergy", AUDIBLE)

    await student.call("setTalking", False)
    await _wait_silence(teacher)

    await student.call("setTalking", True)
    await teacher.wait_more_received("audio", "totalAudioEnergy", AUDIBLE)
    await teacher.assert_no_problems()


async def test_chat_goes_to_everybody_else(lesson: Lesson) -> None:
    teacher = await lesson.teacher(VP8)
    an, binh = await lesson.students("An", "Binh")
    question = {"content": "Câu hỏi ạ!", "timestamp": "2026-01-05T07:00:00.000Z"}
    answer = {"content": "Mời em <b>nói</b>.", "timestamp": "2026-01-05T07:00:01.000Z"}

    await an.call("chat", *question.values())
    for other in (teacher, binh):
        assert await other.wait_event("chatMessage", senderId=an.peer_id) == {
            "senderId": an.peer_id,
            "senderName": "An",
            "isTeacher": False,
            **question,
        }
    await teacher.call("chat", *answer.values())
    for other in (an, binh):
        assert await other.wait_event("chatMessage", senderId=teacher.peer_id) == {
            "senderId": teacher.peer_id,
            "senderName": "Teacher",
            "isTeacher": True,
            **answer,
        }
    assert [message["senderName"] for message in await an.events("chatMessage")] == ["Teacher"]


def _summary(sent: Stats, received: Stats) -> str:
    return (
        f"{received['framesDecoded']} of {sent['framesEncoded']} frames decoded, "
        f"{received['freezeCount']} freezes, longest gap {received['longestGapMs']:.0f} ms"
    )


async def _assert_hears_stereo(student: Participant) -> None:
    """The teacher's tone is on the left; a mono or mixed-down sound would be on both sides."""
    await student.wait_more_received("audio", "totalAudioEnergy", AUDIBLE)
    left, right = (await student.received("audio"))["loudness"]
    assert left > 10 * right, (left, right)


async def _assert_in_sync(student: Participant) -> None:
    """Sound and picture of one moment at the teacher's are played in one moment here.

    The browser knows the teacher's time of both once each has had two Sender Reports.
    """
    await student.wait_received("audio", "estimatedPlayoutTimestamp", 1)
    await student.wait_received("video", "estimatedPlayoutTimestamp", 1)
    apart_ms: list[float] = []

    async def probe() -> bool:
        one, other = (each["estimatedPlayoutTimestamp"] for each in await student.call("received"))
        apart_ms.append(abs(one - other))
        return apart_ms[-1] < IN_SYNC_MS

    # A browser that was held up brings them together again by and by.
    await until(probe, "voice and lips to come together", lambda: apart_ms)


async def _wait_silence(listener: Participant) -> None:
    """Wait for two seconds of received sound without any energy in them."""

    async def probe() -> bool:
        before = await listener.received("audio")
        after = await listener.wait_more_received("audio", "totalSamplesDuration", 2)
        return bool(after["totalAudioEnergy"] - before["totalAudioEnergy"] < SILENT)

    await until(probe, f"silence at {listener.name}'s")
