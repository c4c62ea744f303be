"""The example app, built and started as on a teacher's computer, with the frozen SFU in it.

Its window is a real one on a display that nobody sees. Which processes and folders there are is
looked up in the system, not asked for.
"""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.interop.browsers.chromium import ChromiumTab
from tests.interop.browsers.lesson import H264, Lesson, TabOpener
from tests.interop.browsers.participant import Participant
from tests.requirements import require
from tests.support.classroom import Classroom
from tests.support.signaling import JsonObject
from tests.support.synthetic import PeerOptions, eventually
from tests.support.tauri_app import (
    BUILD_TIMEOUT_S,
    Installation,
    TauriApp,
    build_app,
    launch_app,
    virtual_display,
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="session"),
    # The first one builds the app.
    pytest.mark.timeout(BUILD_TIMEOUT_S + 60),
]


def _on_this_computer(transport: JsonObject) -> JsonObject:
    """Lead media over the loopback interface, on which synthetic peers are."""
    candidates = [{**each, "ip": "127.0.0.1"} for each in transport["iceCandidates"]]
    return {**transport, "iceCandidates": candidates}


LOCAL = PeerOptions(rewrite=_on_this_computer)


@pytest.fixture(scope="session")
def display() -> Iterator[str]:
    """An X display."""
    with virtual_display(require("xvfb")) as name:
        yield name


@pytest.fixture(scope="session")
def built_app(frozen_sidecar: Path) -> Path:
    """The folder in which the app was built."""
    for name in ("webkit-driver", "xvfb", "tauri-libraries"):
        require(name)
    return build_app(require("cargo"), frozen_sidecar)


@pytest.fixture(scope="session")
def installation(built_app: Path, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The app with the SFU in one file."""
    return Installation.make(built_app, tmp_path_factory.mktemp("installed") / "one-file")


@pytest.fixture(scope="session")
def folder_installation(
    built_app: Path, frozen_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Installation:
    """The app with the SFU as a folder."""
    folder = tmp_path_factory.mktemp("installed") / "folder"
    return Installation.make(built_app, folder, frozen_folder)


@pytest_asyncio.fixture(loop_scope="session")
async def app(installation: Installation, display: str, tmp_path: Path) -> AsyncIterator[TauriApp]:
    """The running app."""
    async with launch_app(require("webkit-driver"), display, installation, tmp_path) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def folder_app(
    folder_installation: Installation, display: str, tmp_path: Path
) -> AsyncIterator[TauriApp]:
    """The same with the SFU as a folder."""
    driver = require("webkit-driver")
    async with launch_app(driver, display, folder_installation, tmp_path) as running:
        yield running


async def test_the_window_shows_where_the_class_is_and_who_is_in_it(
    app: TauriApp, tmp_path: Path
) -> None:
    ready = await app.wait_ready()
    await app.wait_text("urls", "\n".join(ready["urls"]) or "This computer is in no network")
    async with class_in(app, ready) as room:
        (leaver,) = await room.attend(1, LOCAL)
        await app.wait_text("peers", "teacher (teacher)\nstudent-1\nstudent-2")
        await app.window.save_screenshot(tmp_path / "class.png")
        await leaver.leave()
        await app.wait_text("peers", "teacher (teacher)\nstudent-1")
    await app.wait_text("peers", "")


@pytest.mark.parametrize("killed", ["the serving process", "the launcher"])
async def test_a_class_goes_on_after_a_crash(
    killed: str, app: TauriApp, open_chromium: TabOpener, tmp_path: Path
) -> None:
    ready = await app.wait_ready()
    async with AsyncExitStack() as tabs:
        lesson = Lesson(open_chromium, ready["localUrl"])
        teacher = await lesson.teacher(H264)
        tabs.push_async_callback(teacher.close)
        student = await lesson.student("An")
        tabs.push_async_callback(student.close)
        await student.wait_picture_of(teacher)
        await app.wait_text("peers", "Teacher (teacher)\nAn")

        (launcher,) = app.sidecar_pids - {ready["pid"]}
        os.kill(launcher if killed == "the launcher" else ready["pid"], signal.SIGKILL)
        back = await app.wait_ready(other_than=ready["pid"])
        assert not app.sidecar_pids & {ready["pid"], launcher}
        await app.wait_text("peers", "")

        await _come_again(Lesson(open_chromium, back["localUrl"]), teacher, student)
        await app.wait_text("peers", "Teacher (teacher)\nAn")
        await student.save_screenshot(tmp_path)
    if killed == "the serving process":
        # The folder of a launcher that is killed is left to the system.
        assert len(app.unpacked) == 1


async def test_the_button_restarts_it(app: TauriApp) -> None:
    ready = await app.wait_ready()
    before = app.sidecar_pids
    async with class_in(app, ready):
        await app.window.click("#restart")
        back = await app.wait_ready(other_than=ready["pid"])
    assert not app.sidecar_pids & before
    assert len(app.unpacked) == 1
    assert "stopping: shutdown" in app.sidecar_log
    async with class_in(app, back):
        pass


async def test_with_its_window_everything_is_gone(app: TauriApp) -> None:
    async with class_in(app, await app.wait_ready()):
        await app.close_window()
        await app.wait_gone()
    assert app.unpacked == []
    assert "stopping: shutdown" in app.sidecar_log


@pytest.mark.parametrize("with_signal", [signal.SIGTERM, signal.SIGKILL])
async def test_when_it_is_killed_everything_is_gone(
    with_signal: signal.Signals, app: TauriApp
) -> None:
    async with class_in(app, await app.wait_ready()):
        app.kill(with_signal)
        await app.wait_gone()
    assert app.unpacked == []
    assert "stopping: host-gone" in app.sidecar_log


async def test_when_it_is_killed_at_once_everything_is_gone(app: TauriApp) -> None:
    await eventually(lambda: bool(app.unpacked), "a sidecar that unpacks itself")
    app.kill(signal.SIGKILL)
    await app.wait_gone()
    assert app.unpacked == []


async def test_the_sidecar_may_be_a_folder(folder_app: TauriApp) -> None:
    app = folder_app
    ready = await app.wait_ready()
    assert app.sidecar_pids == {ready["pid"]}
    os.kill(ready["pid"], signal.SIGKILL)
    back = await app.wait_ready(other_than=ready["pid"])
    async with class_in(app, back):
        await app.close_window()
        await app.wait_gone()
    assert app.unpacked == []
    assert "stopping: shutdown" in app.sidecar_log


@asynccontextmanager
async def class_in(app: TauriApp, ready: dict[str, Any]) -> AsyncIterator[Classroom]:
    """A teacher, and a student who sees and hears them, for as long as the context is open."""
    room = Classroom(ready["localUrl"])
    try:
        await room.teach(options=LOCAL)
        await room.attend(1, LOCAL)
        await app.wait_text("peers", "teacher (teacher)\nstudent-1")
        yield room
    finally:
        await room.leave()


async def _come_again(lesson: Lesson, teacher: Participant, student: Participant) -> None:
    """Let people whose tabs are open reload them, as somebody does whose class has gone."""
    for tab in (teacher, student):
        assert isinstance(tab, ChromiumTab)
        await tab.reload()
    await lesson.join(teacher, is_teacher=True)
    await teacher.share(H264)
    await lesson.join(student)
    await student.call("watch")
    await student.wait_picture_of(teacher)
