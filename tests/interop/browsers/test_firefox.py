"""Firefox and Chromium in one class.

Firefox gets its H.264 from a plug-in that it downloads, so a fresh profile knows VP8 alone: that
makes it the test of a browser without the teacher's codec, too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

import pytest
import pytest_asyncio

from tests.interop.browsers.conftest import Measured, OpenLesson
from tests.interop.browsers.firefox import launch_firefox, open_firefox_tab
from tests.interop.browsers.lesson import H264, VP8, Lesson, TabOpener, video_growth
from tests.interop.browsers.participant import RefusedError
from tests.requirements import require

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def open_firefox(
    page_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[TabOpener]:
    """Opens a Firefox tab for the person of that name."""
    executable = require("firefox")
    profile = tmp_path_factory.mktemp("firefox-profile")
    async with launch_firefox(executable, profile) as bidi:
        yield partial(open_firefox_tab, bidi, page_url)


@pytest.fixture
def lesson(open_lesson: OpenLesson) -> Lesson:
    """A lesson on an SFU that has this computer's own network address, too.

    Firefox does not send from that address to a loopback one.
    """
    return open_lesson("--host", "0.0.0.0")


async def test_a_student_in_firefox(
    lesson: Lesson, open_firefox: TabOpener, measured: Measured
) -> None:
    teacher = await lesson.teacher(VP8)
    student = await lesson.student("An", open_tab=open_firefox)
    first_picture = await student.wait_picture_of(teacher)
    measured(f"join to first picture {first_picture['firstPictureMs']:.0f} ms")

    sent, [video] = await video_growth(teacher, [student], frames=100)
    assert video["framesDecoded"] > 0.9 * sent["framesEncoded"]
    await student.wait_more_received("audio", "totalAudioEnergy", 0.05)

    await student.call("talk")
    await teacher.wait_received("audio", "totalAudioEnergy", 0.01)


async def test_a_teacher_in_firefox(
    lesson: Lesson, open_firefox: TabOpener, measured: Measured
) -> None:
    teacher = await lesson.open_tab("Teacher", open_firefox)
    await lesson.join(teacher, is_teacher=True)
    # Without a sound card Firefox's AudioContext never starts, and so there is no tone.
    await teacher.share(VP8, sound="microphone")
    students = await lesson.students("An", "Binh")
    for student in students:
        first_picture = await student.wait_picture_of(teacher)
        measured(f"join to first picture {first_picture['firstPictureMs']:.0f} ms")

    sent, received = await video_growth(teacher, students, frames=100)
    for student, video in zip(students, received, strict=True):
        assert video["framesDecoded"] > 0.9 * sent["framesEncoded"]
        await student.wait_more_received("audio", "totalAudioEnergy", 0.01)

    await students[0].call("talk")
    await teacher.wait_received("audio", "totalAudioEnergy", 0.01)


async def test_without_the_teachers_codec_there_is_still_the_sound(
    lesson: Lesson, open_firefox: TabOpener
) -> None:
    teacher = await lesson.teacher(H264)
    student = await lesson.open_tab("An", open_firefox)
    await lesson.join(student)
    codecs = await student.evaluate("() => window.classroom.rtpCapabilities.codecs")
    if any(codec["mimeType"] == H264 for codec in codecs):
        pytest.skip("this Firefox has its H.264 plug-in")

    with pytest.raises(RefusedError, match=r"^Cannot consume$"):
        await student.call("consume", (await teacher.sent("video"))["producerId"])
    await student.call("consume", (await teacher.sent("audio"))["producerId"])
    await student.wait_received("audio", "totalAudioEnergy", 0.05)
