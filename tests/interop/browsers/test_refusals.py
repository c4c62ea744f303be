"""What the classroom's rules forbid is refused with the words that frontends show to people."""

from __future__ import annotations

from typing import Any

import pytest

from tests.interop.browsers.conftest import OpenLesson
from tests.interop.browsers.lesson import VP8, Lesson
from tests.interop.browsers.participant import Participant, RefusedError

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def _consume(participant: Participant, producer_id: str, **capabilities: object) -> Any:
    """Ask to consume with what the browser can do, or with something else instead."""
    own = await participant.evaluate("() => window.classroom.rtpCapabilities")
    return await participant.request(
        "consume", {"producerId": producer_id, "rtpCapabilities": own | capabilities}
    )


async def test_only_one_teacher(lesson: Lesson) -> None:
    teacher = await lesson.teacher(VP8)
    impostor = await lesson.open_tab("Impostor")
    with pytest.raises(RefusedError, match=r"^Room already has a teacher$"):
        await lesson.join(impostor, is_teacher=True)
    await teacher.wait_more_sent("video", "framesEncoded", 10)


async def test_a_full_room(open_lesson: OpenLesson) -> None:
    lesson = open_lesson("--max-clients-per-room", "2")
    await lesson.teacher(VP8)
    await lesson.student("An")
    with pytest.raises(RefusedError, match=r"^Room is full$"):
        await lesson.student("Binh")


async def test_nothing_before_joining(lesson: Lesson) -> None:
    visitor = await lesson.open_tab("Visitor")
    await visitor.call("connect", lesson.server_url)
    for request, data in (
        ("createTransport", {"direction": "recv"}),
        ("getProducers", {}),
        ("resumeConsumer", {"consumerId": "none"}),
    ):
        with pytest.raises(RefusedError, match=r"^Not joined$"):
            await visitor.request(request, data)


async def test_who_may_send_and_receive_what(lesson: Lesson) -> None:
    teacher = await lesson.teacher(VP8)
    talker, listener = await lesson.students("An", "Binh")
    await talker.call("talk")
    microphone_id = (await talker.sent("audio"))["producerId"]
    picture_id = (await teacher.sent("video"))["producerId"]
    await teacher.wait_received("audio", "packetsReceived", 1)

    with pytest.raises(RefusedError, match=r"^Only teacher can share screen$"):
        await listener.share(VP8)
    with pytest.raises(RefusedError, match=r"^Students can only consume from teacher$"):
        await _consume(listener, microphone_id)
    with pytest.raises(RefusedError, match=r"^Teacher cannot consume from self$"):
        await _consume(teacher, picture_id)
    with pytest.raises(RefusedError, match=r"^Cannot consume$"):
        await _consume(listener, picture_id, codecs=[])
    with pytest.raises(RefusedError, match=r"^Producer not found$"):
        await _consume(listener, "none")
    with pytest.raises(RefusedError, match=r"^Consumer not found$"):
        await listener.request("resumeConsumer", {"consumerId": "none"})
    with pytest.raises(RefusedError, match=r"^Invalid message format$"):
        await listener.request("produce", {"kind": "smell"})

    for student in (talker, listener):
        await student.wait_picture_of(teacher)
        await student.wait_more_received("video", "pictures", 10)


async def test_transports_that_are_not_there(lesson: Lesson) -> None:
    teacher = await lesson.teacher(VP8)
    student = await lesson.open_tab("An")
    await lesson.join(student)
    parameters: dict[str, Any] = {"codecs": [], "headerExtensions": [], "encodings": [], "rtcp": {}}
    with pytest.raises(RefusedError, match=r"^Send transport not found$"):
        await student.request("produce", {"kind": "audio", "rtpParameters": parameters})
    with pytest.raises(RefusedError, match=r"^Recv transport not found$"):
        await _consume(student, (await teacher.sent("video"))["producerId"])
