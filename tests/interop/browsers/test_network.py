"""Networks as they are: what gets lost is sent again, and nobody sends more than is allowed."""

from __future__ import annotations

import asyncio

import pytest

from tests.interop.browsers.conftest import Measured, OpenLesson
from tests.interop.browsers.lesson import H264, VP8, Lesson, assert_went_on, video_growth
from tests.interop.browsers.participant import Participant, until
from tests.support.relay import CLASSROOM_WIFI

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

CAP_BPS = 500_000


@pytest.mark.parametrize("mime_type", [H264, VP8])
async def test_the_picture_goes_on_over_a_bad_network(
    open_lesson: OpenLesson, mime_type: str, measured: Measured
) -> None:
    lesson = open_lesson(faults=CLASSROOM_WIFI)
    teacher = await lesson.teacher(mime_type)
    students = await lesson.students("An", "Binh", "Chi")
    await asyncio.gather(*(student.wait_picture_of(teacher) for student in students))

    sent, received = await video_growth(teacher, students, frames=200)
    for student, video in zip(students, received, strict=True):
        measured(
            f"{student.name}: {video['framesDecoded']} of {sent['framesEncoded']} frames decoded, "
            f"{video['nackCount']} NACKs, {video['retransmittedPacketsReceived']} packets by RTX, "
            f"longest gap {video['longestGapMs']:.0f} ms"
        )
        assert video["nackCount"] > 0
        assert video["retransmittedPacketsReceived"] > 0
        assert_went_on(sent, video)
    assert sent["nackCount"] > 0
    assert sent["retransmittedPacketsSent"] > 0


async def _video_bps(teacher: Participant) -> float:
    """What the teacher sends of the video, over 60 frames."""
    before = await teacher.sent("video")
    after = await teacher.wait_more_sent("video", "framesEncoded", 60)
    elapsed_s = (after["timestamp"] - before["timestamp"]) / 1000
    return float(8 * (after["bytesSent"] - before["bytesSent"]) / elapsed_s)


async def test_the_teacher_sends_no_more_than_the_cap(
    open_lesson: OpenLesson, measured: Measured
) -> None:
    lesson = open_lesson("--max-incoming-bitrate", str(CAP_BPS))
    teacher = await lesson.teacher(VP8, picture="noise")

    # The encoder starts at the rate that the router's codec suggests, before any feedback.
    await teacher.wait_sent("video", "framesEncoded", 60)
    video_bps = await _video_bps(teacher)
    measured(f"{video_bps / 1000:.0f} kbit/s with a cap of {CAP_BPS // 1000} kbit/s")
    assert video_bps < CAP_BPS
    assert (await teacher.sent("video"))["availableOutgoingBitrate"] <= CAP_BPS


async def test_without_the_cap_the_same_picture_takes_more(
    lesson: Lesson, measured: Measured
) -> None:
    teacher = await lesson.teacher(VP8, picture="noise")

    async def exceeds_the_cap() -> bool:
        video_bps = await _video_bps(teacher)
        measured(f"{video_bps / 1000:.0f} kbit/s")
        return video_bps > 2 * CAP_BPS

    await until(exceeds_the_cap, "the teacher to send much more than the other test's cap")
