"""Fixtures of the browser tests, and what they measured at the end of the run.

All of these tests share one event loop, because they share one browser process.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator
from contextlib import ExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from tests.interop.browsers.lesson import Lesson, TabOpener
from tests.interop.conftest import StartSfu
from tests.support.relay import Faults, relay_thread

OpenLesson = Callable[..., Lesson]
Measured = Callable[[str], None]

_measurements = pytest.StashKey[list[str]]()
_failed = pytest.StashKey[bool]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_measurements] = []


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if measurements := config.stash[_measurements]:
        terminalreporter.section("measured in the browsers")
        terminalreporter.write("\n".join([*measurements, ""]))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[_failed] = report.failed
    return report


@pytest_asyncio.fixture(loop_scope="session")
async def open_lesson(
    open_chromium: TabOpener,
    start_sfu: StartSfu,
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> AsyncIterator[OpenLesson]:
    """Starts an SFU with further command-line arguments for a lesson in Chromium tabs.

    With ``faults`` everybody's media goes over a network that has them. When the test fails, a
    picture of each tab is saved.
    """
    lessons: list[Lesson] = []

    with ExitStack() as relays:

        def open_lesson(*sfu_arguments: str, faults: Faults | None = None) -> Lesson:
            sfu = start_sfu(*sfu_arguments)
            media_address = None
            if faults:
                relay = relays.enter_context(relay_thread(sfu.media_address, faults, seed=1))
                media_address = relay.address
            lessons.append(Lesson(open_chromium, sfu.url, media_address))
            return lessons[-1]

        yield open_lesson
        for participant in (each for lesson in lessons for each in lesson.participants):
            if request.node.stash[_failed]:
                await participant.save_screenshot(tmp_path)
            await participant.close()


@pytest.fixture
def lesson(open_lesson: OpenLesson) -> Lesson:
    """A lesson on an SFU with default settings."""
    return open_lesson()


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Measured:
    """Takes down a measurement for the summary at the end of the run."""

    def note(measurement: str) -> None:
        request.config.stash[_measurements].append(f"{request.node.name}: {measurement}")

    return note
