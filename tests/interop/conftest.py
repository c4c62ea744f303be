"""A running SFU for the tests of this folder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path

import pytest

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
