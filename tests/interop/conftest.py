"""A running SFU for the tests of this folder, and what is started once for all of them.

All tests with a browser share one event loop, because they share one browser process.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.interop.browsers.chromium import launch_chromium, open_chromium_tab
from tests.interop.browsers.lesson import TabOpener
from tests.interop.browsers.page_host import build_page, serve_page
from tests.requirements import require
from tests.support.classroom import Classroom
from tests.support.sfu_process import SfuProcess

StartSfu = Callable[..., SfuProcess]
LoopFactory = Callable[[], asyncio.AbstractEventLoop]

DEFAULT_ARGUMENTS = ("--host", "127.0.0.1", "--port", "0", "--media-ports", "0")


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, LoopFactory]:
    """Selectors, as in the SFU itself: the default loop of Windows cannot watch UDP sockets.

    Tests that drive a browser need the default one: that of selectors cannot start processes there.
    """
    in_browser = item.get_closest_marker("browser") is not None
    return {"loop": asyncio.new_event_loop if in_browser else asyncio.SelectorEventLoop}


@pytest.fixture
def start_sfu(tmp_path: Path) -> Iterator[StartSfu]:
    """A function that starts an SFU with further command-line arguments.

    What it starts is stopped after the test, and has to leave cleanly: exit code 0 and no
    traceback. Its log is shown when the test fails.
    """
    started: list[SfuProcess] = []

    def start(*arguments: str) -> SfuProcess:
        everything = [*DEFAULT_ARGUMENTS, "--log-level", "debug", *arguments]
        sfu = SfuProcess(everything, tmp_path / f"sfu-{len(started)}")
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
    return Path(require("frozen-sidecar"))


@pytest.fixture(scope="session")
def frozen_folder() -> Path:
    """The SFU as a folder with an executable in it."""
    return Path(require("frozen-folder"))
