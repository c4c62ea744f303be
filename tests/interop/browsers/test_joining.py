"""Latecomers get their picture from the SFU's memory, not from the teacher's encoder."""

from __future__ import annotations

import asyncio

import pytest

from tests.interop.browsers.conftest import Measured
from tests.interop.browsers.lesson import H264, VP8, Lesson, assert_went_on, video_growth
from tests.interop.browsers.participant import Participant, Stats, until

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

NOT_STANDING_MS = 200
"""A picture that stays further behind than this has kept a delay from its start."""

SAME_PICTURE = 25
"""Of 255: how far the brightness of two tabs that show the same may be apart."""


async def _begin_to_watch(late: Participant, teacher: Participant) -> None:
    """Lets somebody watch who has come already, without the teacher's noticing."""
    before = await teacher.sent("video")
    await late.call("watch")
    await late.wait_picture_of(teacher)
    after = await teacher.sent("video")
    assert _asked_for(after) == _asked_for(before)
    assert after["keyFramesEncoded"] == before["keyFramesEncoded"]


@pytest.mark.parametrize("mime_type", [H264, VP8])
async def test_a_latecomer_is_started_without_a_key_frame_of_the_teachers(
    lesson: Lesson, mime_type: str, measured: Measured
) -> None:
    # The tabs are opened before: that may take longer than the key frame is of use.
    early, late = [await lesson.open_tab(name) for name in ("Early", "Late")]
    for student in (early, late):
        await lesson.join(student)
    teacher = await lesson.teacher(mime_type)
    await early.call("watch")
    await early.wait_picture_of(teacher)
    await _begin_to_watch(late, teacher)

    sent, received = await video_growth(teacher, [early, late], frames=100)
    for video in received:
        assert_went_on(sent, video)
        assert video["keyFramesDecoded"] <= sent["keyFramesEncoded"]
    await _assert_as_prompt(late, early, measured)
    await _assert_shows_the_same(late, early)


@pytest.mark.parametrize("mime_type", [H264, VP8])
async def test_a_latecomer_sees_a_still_screen_without_a_key_frame_of_the_teachers(
    lesson: Lesson, mime_type: str
) -> None:
    teacher = await lesson.teacher(mime_type, picture="screen")
    early = await lesson.student("Early")
    await early.wait_picture_of(teacher)
    await teacher.wait_more_sent("video", "framesEncoded", 5)
    late = await lesson.open_tab("Late")
    await lesson.join(late)
    await _begin_to_watch(late, teacher)
    await _assert_shows_the_same(late, early)
    await late.assert_no_problems()


@pytest.mark.parametrize("mime_type", [H264, VP8])
async def test_who_pauses_and_resumes_goes_on_in_the_present(
    lesson: Lesson, mime_type: str, measured: Measured
) -> None:
    teacher = await lesson.teacher(mime_type)
    pausing = await lesson.student("Pausing")
    await pausing.wait_picture_of(teacher)
    consumer = {"consumerId": (await pausing.received("video"))["consumerId"]}
    await pausing.request("pauseConsumer", consumer)
    # Somebody comes, and after that there is a key frame that the paused one has not had.
    await teacher.wait_more_sent("video", "framesEncoded", 100)
    early = await lesson.student("Early")
    await early.wait_picture_of(teacher)

    before = _asked_for(await teacher.sent("video"))
    key_frames = (await pausing.received("video"))["keyFramesDecoded"]
    await pausing.request("resumeConsumer", consumer)
    await pausing.wait_received("video", "keyFramesDecoded", key_frames + 1)
    assert _asked_for(await teacher.sent("video")) == before
    _, received = await video_growth(teacher, [pausing], frames=60)
    assert received[0]["framesDecoded"] > 50
    await _assert_as_prompt(pausing, early, measured)


def _asked_for(sent: Stats) -> int:
    return int(sent.get("pliCount", 0) + sent.get("firCount", 0))


async def _assert_as_prompt(late: Participant, early: Participant, measured: Measured) -> None:
    """What both show at one time, the teacher has shown at about one time."""
    for student in (late, early):
        await student.wait_received("video", "estimatedPlayoutTimestamp", 1)
    behind_ms: list[float] = []

    async def probe() -> bool:
        pictures = await asyncio.gather(early.received("video"), late.received("video"))
        shown_early, shown_late = (each["estimatedPlayoutTimestamp"] for each in pictures)
        behind_ms.append(shown_early - shown_late)
        return behind_ms[-1] < NOT_STANDING_MS

    await until(probe, f"{late.name} to show the present", lambda: behind_ms)
    measured(f"{late.name} is {behind_ms[0]:.0f} ms behind {early.name}")


async def _assert_shows_the_same(late: Participant, early: Participant) -> None:
    one, other = await late.received("video"), await early.received("video")
    assert (one["width"], one["height"]) == (other["width"], other["height"])
    assert abs(one["brightness"] - other["brightness"]) < SAME_PICTURE
