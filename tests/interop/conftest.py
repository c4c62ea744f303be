"""A running SFU for the tests of this folder, and what is started once for all of them.

All tests with a browser share one event loop, because they share one browser process.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import IO

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.interop.browsers.chromium import launch_chromium, open_chromium_tab
from tests.interop.browsers.lesson import TabOpener
from tests.interop.browsers.page_host import build_page, serve_page
from tests.requirements import require
from tests.support.classroom import Classroom
from tests.support.programs import FORMS, PROJECT_FOLDER, Program, frozen, program
from tests.support.sfu_process import SfuProcess
from tests.support.sidecar import Sidecar

StartSfu = Callable[..., SfuProcess]
StartSidecar = Callable[..., Sidecar]
LoopFactory = Callable[[], asyncio.AbstractEventLoop]

DEFAULT_ARGUMENTS = ("--host", "127.0.0.1", "--port", "0", "--media-ports", "0")


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, LoopFactory]:
    """Selectors, as in the SFU itself: the default loop of Windows cannot watch UDP sockets.

    Tests that drive a browser need the default one: that of selectors cannot start processes there.
    """
    in_browser = item.get_closest_marker("browser") is not None
    return {"loop": asyncio.new_event_loop if in_browser else asyncio.SelectorEventLoop}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs tests that are marked so with the frozen forms of the program as well."""
    is_marked = metafunc.definition.get_closest_marker("in_all_forms") is not None
    if is_marked and "sfu_program" in metafunc.fixturenames:
        metafunc.parametrize("sfu_program", FORMS, indirect=True)


@pytest.fixture
def sfu_program(request: pytest.FixtureRequest) -> Program:
    """How the SFU is launched: from its source, unless the test is marked ``in_all_forms``."""
    return program(getattr(request, "param", "source"))


@pytest.fixture
def start_sfu(tmp_path: Path, sfu_program: Program) -> Iterator[StartSfu]:
    """A function that starts an SFU with further command-line arguments.

    What it starts is stopped after the test, and has to leave cleanly: exit code 0 and no
    traceback. Its log is shown when the test fails.
    """
    started: list[SfuProcess] = []

    def start(*arguments: str) -> SfuProcess:
        level = () if "--log-level" in arguments else ("--log-level", "debug")
        everything = [*DEFAULT_ARGUMENTS, *level, *arguments]
        sfu = SfuProcess(everything, tmp_path / f"sfu-{len(started)}", sfu_program)
        started.append(sfu)
        return sfu

    yield start
    for sfu in started:
        exit_code = sfu.stop()
        log = sfu.log()
        print(log)  # noqa: T201 - pytest shows it for failing tests only
        assert exit_code == 0, f"the SFU ended with {exit_code}"
        assert "Traceback" not in log, log


@pytest.fixture
def sfu(start_sfu: StartSfu) -> SfuProcess:
    """An SFU with the default policy."""
    return start_sfu()


@pytest.fixture
async def classroom(sfu: SfuProcess) -> AsyncIterator[Classroom]:
    """A room on that SFU, empty at first; whoever a test lets in leaves after it."""
    room = Classroom(sfu.url)
    yield room
    await room.leave()


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Without settings, and with a home of its own, where logs, states and unpacked files are."""
    home = tmp_path / "home"
    home.mkdir()
    kept = {k: v for k, v in os.environ.items() if not k.startswith("CLASSROOM_SFU_")}
    homes = ("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "LOCALAPPDATA", "TMPDIR", "TEMP")
    return {**kept, **{name: str(home) for name in homes}}


@pytest.fixture
def start_sidecar(environment: dict[str, str], sfu_program: Program) -> Iterator[StartSidecar]:
    """Start the program with pipes; whatever the test does with it, it is gone afterwards."""
    started: list[Sidecar] = []

    def start(
        *arguments: str,
        stdin: int | IO[bytes] = subprocess.PIPE,
        stdout: int | IO[bytes] = subprocess.PIPE,
        stderr: int | IO[bytes] = subprocess.DEVNULL,
        program: Program = sfu_program,
    ) -> Sidecar:
        process = subprocess.Popen(
            [*program, *(arguments or DEFAULT_ARGUMENTS)],
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            cwd=PROJECT_FOLDER,
            env=environment,
        )
        started.append(Sidecar(process))
        return started[-1]

    yield start
    for sidecar in started:
        sidecar.kill()


@pytest.fixture(scope="session")
def page_url() -> Iterator[str]:
    """The test page, built from its present source."""
    require("page")
    build_page(require("node"))
    with serve_page() as url:
        yield url


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """One Chromium for all tests."""
    async with launch_chromium(require("chromium")) as browser:
        yield browser


@pytest.fixture
def open_chromium(chromium: Browser, page_url: str) -> TabOpener:
    """Opens a Chromium tab for the person of that name."""
    return partial(open_chromium_tab, chromium, page_url)


@pytest.fixture(scope="session")
def frozen_sidecar() -> Path:
    """The SFU as one executable file."""
    return frozen("onefile")


@pytest.fixture(scope="session")
def frozen_folder() -> Path:
    """The SFU as a folder with an executable in it."""
    return frozen("onedir").parent
