"""A running SFU for the tests of this folder."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import IO

import pytest

from tests.support.classroom import Classroom
from tests.support.sfu_process import PROJECT_FOLDER, SfuProcess
from tests.support.sidecar import ANY_PORTS, Sidecar, Start

StartSfu = Callable[..., SfuProcess]
LoopFactory = Callable[[], asyncio.AbstractEventLoop]


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
        everything = [*ANY_PORTS, "--log-level", "debug", *arguments]
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


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Without settings, and with a home of its own, where logs and states are."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("CLASSROOM_SFU_")}
    homes = ("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "LOCALAPPDATA")
    return {**kept, **{name: str(tmp_path / "home") for name in homes}}


@pytest.fixture
def start(environment: dict[str, str]) -> Iterator[Start]:
    """Start the program with pipes; whatever the test does with it, it is gone afterwards."""
    started: list[subprocess.Popen[bytes]] = []

    def start_(
        *arguments: str,
        stdin: int | IO[bytes] = subprocess.PIPE,
        stdout: int | IO[bytes] = subprocess.PIPE,
        stderr: int | IO[bytes] = subprocess.DEVNULL,
        program: tuple[str, ...] = ("-m", "sidecar"),
    ) -> Sidecar:
        process = subprocess.Popen(
            [sys.executable, *program, *(arguments or ANY_PORTS)],
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            cwd=PROJECT_FOLDER,
            env=environment,
        )
        started.append(process)
        return Sidecar(process)

    yield start_
    for process in started:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
