"""A teacher in Chromium stops and shares again as existing frontends do: nobody is told."""

from __future__ import annotations

import pytest

from tests.interop.browsers.lesson import H264, VP8, Lesson
from tests.interop.browsers.participant import Participant, until

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

RESHARES = 5


# It is the teacher who asks for the list: a student who gets one is taken to consume all of it.


async def producer_ids(participant: Participant) -> list[str]:
    return [str(each["producerId"]) for each in await participant.request("getProducers", {})]


async def wait_listed(participant: Participant, wanted: set[str]) -> None:
    async def probe() -> bool:
        return set(await producer_ids(participant)) == wanted

    await until(probe, f"nothing but {wanted}")


@pytest.mark.parametrize("mime_type", [H264, VP8])
async def test_latecomer_sees_what_was_shared_last(lesson: Lesson, mime_type: str) -> None:
    teacher = await lesson.teacher(mime_type)
    student = await lesson.student("An")
    await student.wait_picture_of(teacher)
    for _ in range(RESHARES):
        await teacher.call("stopSharing")
        await teacher.share(mime_type)
    shared = {each["producerId"] for each in await teacher.call("sent")}
    assert len(shared) == 2

    await wait_listed(teacher, shared)
    latecomer = await lesson.student("Binh")
    await latecomer.wait_picture_of(teacher)
    assert {each["producerId"] for each in await latecomer.call("received")} == shared
    await student.wait_picture_of(teacher)


async def test_newcomer_is_not_shown_what_was_shared_last(lesson: Lesson) -> None:
    teacher = await lesson.teacher(VP8)
    student = await lesson.student("An")
    await student.wait_picture_of(teacher)
    video = str((await teacher.sent("video"))["producerId"])
    await teacher.call("stopSharing")
    await teacher.call("talk")  # the microphone alone

    async def sound_is_listed_first() -> bool:
        return (await producer_ids(teacher))[0] != video  # it was made first

    await until(sound_is_listed_first, "the end of the picture")
    newcomer = await lesson.student("Binh")
    await newcomer.wait_more_received("audio", "totalAudioEnergy", 0.01)
    assert (await newcomer.received("video"))["pictures"] == 0


async def test_screen_that_stands_still_is_seen_at_once(lesson: Lesson) -> None:
    teacher = await lesson.teacher(VP8, picture="screen")
    student = await lesson.student("An")
    await student.wait_picture_of(teacher)
    await student.wait_more_received("video", "packetsReceived", 20)
    before = (await teacher.sent("video"))["pliCount"]
    newcomer = await lesson.student("Binh")
    await newcomer.wait_picture_of(teacher)
    assert (await teacher.sent("video"))["pliCount"] == before
