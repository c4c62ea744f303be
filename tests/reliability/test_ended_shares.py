"""Existing frontends end a share without a word. Nobody is shown what is over.

The synthetic teacher's `add` does as they do: from one moment to the next it sends another stream.
"""

from __future__ import annotations

import pytest

from sidecar.rtp.rtcp import Bye, PictureLossIndication
from tests.interop.conftest import StartSfu
from tests.support.classroom import Classroom
from tests.support.synthetic import SyntheticStudent, SyntheticTeacher, eventually

RESHARES = 20
PATIENCE_S = 30.0


async def reshare(teacher: SyntheticTeacher, kind: str = "video") -> str:
    """Stop one stream and send another one in its place."""
    await teacher.outgoing.stop()
    producer_id = await teacher.publish(kind)
    teacher.outgoing.start()
    return producer_id


async def listed(student: SyntheticStudent, kind: str = "video") -> list[str]:
    producers = await student.signaling.request("getProducers")
    return [each["producerId"] for each in producers if each["kind"] == kind]


async def hears_more(student: SyntheticStudent, packets: int) -> None:
    """Let time pass, as the sound tells it."""
    goal = student.audio.packets + packets
    await eventually(lambda: student.audio.packets >= goal, student.describe)


async def closed(student: SyntheticStudent, producer_id: str) -> None:
    await student.signaling.wait_for(
        "producerClosed", lambda data: data["producerId"] == producer_id, timeout_s=PATIENCE_S
    )


@pytest.mark.parametrize("room_id", ["class", "other-process"])
async def test_latecomer_finds_the_share_that_took_the_place_of_another(
    start_sfu: StartSfu, room_id: str
) -> None:
    sfu = start_sfu("--num-workers", "2")
    first_room, room = Classroom(sfu.url), Classroom(sfu.url, room_id)
    try:
        if room_id != "class":
            await first_room.join_teacher()  # the main process is taken
        teacher = await room.teach()
        (student,) = await room.attend(1)
        (old,) = await listed(student)
        new = await reshare(teacher)
        await closed(student, old)
        assert await listed(student) == [new]
        latecomer = await room.join_student()
        await latecomer.watch()
        await eventually(lambda: latecomer.video.packets > 0, latecomer.describe)
    finally:
        await first_room.leave()
        await room.leave()


async def test_twenty_shares_leave_one(classroom: Classroom) -> None:
    teacher = await classroom.teach()
    (student,) = await classroom.attend(1)
    for _ in range(RESHARES):
        old = await listed(student)
        teacher.outgoing.peer.send_rtcp(Bye((teacher.outgoing.senders["video"].ids.ssrc,)))
        new = await reshare(teacher)
        await closed(student, old[0])
        await student.consume(new)
        assert await listed(student) == [new]


@pytest.mark.parametrize("says_bye", [True, False])
async def test_newcomer_is_not_shown_a_share_that_is_over(
    classroom: Classroom, says_bye: bool
) -> None:
    teacher = await classroom.teach()
    (student,) = await classroom.attend(1)
    (video,) = await listed(student)
    requests = teacher.outgoing.key_frame_requests
    await teacher.outgoing.stop()
    ended = teacher.outgoing.senders.pop("video")
    if says_bye:
        teacher.outgoing.peer.send_rtcp(Bye((ended.ids.ssrc,)))
    teacher.outgoing.start()

    async def is_listed_last() -> bool:
        producers = await student.signaling.request("getProducers")
        return bool(producers[-1]["producerId"] == video)

    while not await is_listed_last():  # it was made first
        await hears_more(student, 5)
    newcomer = await classroom.join_student()
    await newcomer.watch()
    await eventually(lambda: newcomer.audio.packets > 0, newcomer.describe)
    for _ in range(10):
        newcomer.incoming.peer.send_rtcp(PictureLossIndication(1, newcomer.video.ssrc))
        await hears_more(newcomer, 10)
    assert newcomer.video.packets == 0
    assert teacher.outgoing.key_frame_requests == requests


async def test_a_screen_that_stands_still_is_seen_at_once(classroom: Classroom) -> None:
    teacher = await classroom.teach()
    (student,) = await classroom.attend(1)
    await hears_more(student, 10)
    teacher.outgoing.source.frames_per_second = 1
    await teacher.outgoing.stop()
    teacher.outgoing.start()
    goal = teacher.outgoing.source.frames + 3
    await eventually(lambda: teacher.outgoing.source.frames >= goal, "a picture a second")
    requests = teacher.outgoing.key_frame_requests
    newcomer = await classroom.join_student()
    await newcomer.watch()
    await eventually(lambda: newcomer.video.packets > 0, newcomer.describe)
    assert teacher.outgoing.key_frame_requests == requests
