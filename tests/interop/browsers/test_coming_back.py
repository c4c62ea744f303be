"""A class of new frontends is back by itself, after sleep and after the network was away.

The figures that are measured are from the machine's waking or the cable's return to a picture on
the last student's screen.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio

from tests.interop.browsers.conftest import Measured
from tests.interop.browsers.lesson import VP8, Lesson, TabOpener
from tests.interop.browsers.participant import Participant, until
from tests.interop.conftest import DEFAULT_ARGUMENTS, StartSfu
from tests.requirements import require
from tests.support.namespace import Namespace, namespace
from tests.support.programs import program
from tests.support.sfu_process import SfuProcess

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.asyncio(loop_scope="session"),
]

SLEEP_S = 25.0
CABLE_OUT_S = 20.0


async def new_class(lesson: Lesson) -> tuple[Participant, list[Participant]]:
    """A teacher who shares and two students who watch, all with new frontends."""
    teacher = await lesson.open_tab("Teacher")
    await lesson.join(teacher, is_teacher=True, comes_back=True)
    await teacher.share(VP8)
    students = []
    for name in ("An", "Binh"):
        student = await lesson.open_tab(name)
        await lesson.join(student, comes_back=True)
        await student.call("watch")
        students.append(student)
    for student in students:
        await student.wait_picture_of(teacher)
    return teacher, students


async def wait_new_pictures(students: Sequence[Participant], since_s: float) -> float:
    """Wait until everybody has seen a picture that was shown after a moment.

    Args:
        students: Who watch.
        since_s: The moment, by the monotonic clock.

    Returns:
        How long that took, in seconds.
    """

    async def probe() -> bool:
        videos = [await student.received("video") for student in students]
        ages_s = [(video.get("lastPictureMs") or 1e9) / 1000 for video in videos]
        return time.monotonic() - max(ages_s) > since_s

    await until(probe, "a new picture at everybody's")
    return time.monotonic() - since_s


async def is_steady(teacher: Participant, students: Sequence[Participant]) -> None:
    """Everybody sees what the teacher shares now, and hears it, and goes on to."""
    for student in students:
        await student.wait_picture_of(teacher)
        await student.wait_more_received("video", "framesDecoded", 60)
        await student.wait_more_received("audio", "totalAudioEnergy", 0.05)


async def wait_disconnected(participant: Participant) -> None:
    """Wait until the page says that its connection is gone: some 30 s without ICE checks."""

    async def probe() -> bool:
        return bool(await participant.events("disconnected"))

    await until(probe, "the end of the connection", patience_s=60)


@pytest.mark.skipif(os.name != "posix", reason="needs a POSIX system")
async def test_a_class_is_back_when_the_servers_computer_wakes(
    open_chromium: TabOpener, start_sfu: StartSfu, measured: Measured
) -> None:
    sfu = start_sfu()
    lesson = Lesson(open_chromium, sfu.url)
    try:
        teacher, students = await new_class(lesson)
        old = await lesson.student("Old")
        await old.wait_picture_of(teacher)

        os.kill(sfu.pid, signal.SIGSTOP)
        await asyncio.sleep(SLEEP_S)
        os.kill(sfu.pid, signal.SIGCONT)
        woken_s = time.monotonic()

        elapsed_s = await wait_new_pictures(students, woken_s)
        measured(f"back {elapsed_s:.1f} s after {SLEEP_S:.0f} s of sleep")
        await is_steady(teacher, students)
        await wait_disconnected(old)
    finally:
        for participant in lesson.participants:
            await participant.close()


@pytest.fixture
def cable() -> Iterator[Namespace]:
    with namespace(require("network-namespaces")) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def far_lesson(
    cable: Namespace, open_chromium: TabOpener, tmp_path: Path
) -> AsyncIterator[Lesson]:
    """A lesson on an SFU at the other end of a cable."""
    arguments = ["--host", cable.far_address, *DEFAULT_ARGUMENTS[2:], "--teacher-from", "any"]
    sfu = SfuProcess(arguments, tmp_path / "sfu", (*cable.command, *program("source")))
    lesson = Lesson(open_chromium, f"ws://{cable.far_address}:{sfu.ready['port']}")
    try:
        yield lesson
    finally:
        for participant in lesson.participants:
            await participant.close()
        sfu.stop()


async def test_a_class_is_back_when_the_cable_is(
    cable: Namespace, far_lesson: Lesson, measured: Measured
) -> None:
    teacher, students = await new_class(far_lesson)

    cable.pull()
    await asyncio.sleep(CABLE_OUT_S)
    cable.plug()
    plugged_s = time.monotonic()

    elapsed_s = await wait_new_pictures(students, plugged_s)
    measured(f"back {elapsed_s:.1f} s after {CABLE_OUT_S:.0f} s without a cable")
    await is_steady(teacher, students)
