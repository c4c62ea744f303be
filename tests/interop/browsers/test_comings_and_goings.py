"""People leave and come back in every way that browsers know; the class goes on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from tests.interop.browsers.chromium import (
    ChromiumTab,
    kill_chromium,
    launch_chromium,
    open_chromium_tab,
)
from tests.interop.browsers.lesson import H264, VP8, Lesson, assert_went_on, video_growth
from tests.interop.browsers.participant import Participant
from tests.requirements import require

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]


async def _stop_and_tell(lesson: Lesson, teacher: Participant, student: Participant) -> None:
    producer_ids = [stream["producerId"] for stream in await teacher.call("sent")]
    await teacher.call("closeProducers")
    for producer_id in producer_ids:
        await student.wait_event("producerClosed", producerId=producer_id, peerId=teacher.peer_id)
    assert await student.request("getProducers", {}) == []


async def _stop_silently(lesson: Lesson, teacher: Participant, student: Participant) -> None:
    await teacher.call("stopSharing")


async def _leave_and_join(lesson: Lesson, teacher: Participant, student: Participant) -> None:
    await teacher.call("disconnect")
    await student.wait_event("peerLeft", peerId=teacher.peer_id, wasTeacher=True)
    await lesson.join(teacher, is_teacher=True)


@pytest.mark.parametrize("stop", [_stop_and_tell, _stop_silently, _leave_and_join])
async def test_the_teacher_stops_and_shares_again(
    lesson: Lesson, stop: Callable[[Lesson, Participant, Participant], Awaitable[None]]
) -> None:
    teacher = await lesson.teacher(VP8)
    student = await lesson.student("An")
    await student.wait_picture_of(teacher)

    await stop(lesson, teacher, student)
    await teacher.share(H264)

    await student.wait_picture_of(teacher)
    assert (await student.received("video"))["mimeType"] == H264
    await student.wait_more_received("audio", "totalAudioEnergy", 0.05)
    await student.assert_no_problems()


async def test_the_teachers_tab_is_reloaded(lesson: Lesson) -> None:
    teacher = await lesson.teacher(H264)
    student = await lesson.student("An")
    await student.wait_picture_of(teacher)

    assert isinstance(teacher, ChromiumTab)
    await teacher.reload()
    await lesson.join(teacher, is_teacher=True)
    await teacher.share(H264)

    await student.wait_event("peerLeft", peerId=teacher.peer_id, wasTeacher=True)
    await student.wait_picture_of(teacher)
    await student.assert_no_problems()


async def test_a_students_tab_dies_and_the_others_go_on(lesson: Lesson) -> None:
    teacher = await lesson.teacher(H264)
    dying, *others = await lesson.students("An", "Binh", "Chi")
    for student in (dying, *others):
        await student.wait_picture_of(teacher)

    assert isinstance(dying, ChromiumTab)
    await dying.crash()

    await _assert_class_goes_on(teacher, others, dying)


async def test_a_students_browser_dies_and_the_others_go_on(lesson: Lesson, page_url: str) -> None:
    teacher = await lesson.teacher(H264)
    others = await lesson.students("Binh", "Chi")
    # A dead tab's WebSocket is closed properly, by the browser; a dead browser's is not.
    async with launch_chromium(require("chromium")) as browser:
        open_tab = partial(open_chromium_tab, browser, page_url)
        dying = await lesson.student("An", open_tab=open_tab)
        for student in (dying, *others):
            await student.wait_picture_of(teacher)
        await kill_chromium(browser)

    await _assert_class_goes_on(teacher, others, dying)


async def _assert_class_goes_on(
    teacher: Participant, others: list[Participant], dead: Participant
) -> None:
    sent, received = await video_growth(teacher, others, frames=60)
    for video in received:
        assert_went_on(sent, video)
    for other in (teacher, *others):
        left = await other.wait_event("peerLeft", peerId=dead.peer_id)
        assert left == {"peerId": dead.peer_id, "wasTeacher": False}
