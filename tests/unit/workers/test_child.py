"""A process at the other end of two pipes: a real one, but none of ours."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Sequence

import pytest

from sidecar.workers import child as child_module
from sidecar.workers.child import Child
from sidecar.workers.framing import encode
from sidecar.workers.messages import Frame, Leave, Log, Message, ToMain

ECHO = "import os\nwhile data := os.read(0, 65536): os.write(1, data)"
"""Says what it hears, until its stdin ends."""

DEAF = "import time\ntime.sleep(3600)"


class Listener:
    """Starts a program and hears it."""

    def __init__(self, program: str) -> None:
        self.heard: asyncio.Queue[ToMain] = asyncio.Queue()
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.process: subprocess.Popen[bytes] | None = None
        self._program = program
        self.child = Child(self._launch, self._hear, self.ended.set_result)

    def _launch(self) -> subprocess.Popen[bytes]:
        self.process = subprocess.Popen(
            [sys.executable, "-c", self._program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
        return self.process

    def _hear(self, heard: Sequence[ToMain]) -> None:
        for message in heard:
            self.heard.put_nowait(message)


async def test_what_is_said_before_it_has_started_arrives() -> None:
    listener = Listener(ECHO)
    said = [Log(20, "name", "x" * size, 1.5) for size in (0, 10, 300_000)]
    for message in said:
        listener.child.post(message)
    assert [await listener.heard.get() for _ in said] == said
    listener.child.kill()
    await listener.ended


async def test_its_end_is_heard_after_all_that_it_said() -> None:
    message = Log(20, "name", "text", 1.5)
    program = f"import os\nos.write(1, {encode(message)!r})\nos._exit(3)"
    listener = Listener(program)
    assert await listener.ended == "exit code 3"
    assert listener.heard.get_nowait() == message
    assert listener.process is not None
    assert listener.process.poll() == 3
    listener.child.post(Leave())
    listener.child.kill()


async def test_what_nobody_understands_is_its_end(caplog: pytest.LogCaptureFixture) -> None:
    listener = Listener(ECHO)
    listener.child.post(Leave())
    await listener.ended
    assert "what nobody understands" in caplog.text


async def test_it_can_be_killed_before_it_has_started() -> None:
    listener = Listener(DEAF)
    listener.child.kill()
    assert (await listener.ended).startswith("exit code")


async def test_one_that_cannot_be_started_has_ended() -> None:
    ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def launch() -> subprocess.Popen[bytes]:
        raise FileNotFoundError(2, "No such file")

    child = Child(launch, lambda _messages: None, ended.set_result)
    child.post(Leave())
    assert await ended == "it cannot be started: No such file"


async def test_one_that_takes_nothing_is_ended_and_never_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(child_module, "MAX_WAITING_MESSAGES", 4)
    listener = Listener(DEAF)
    message: Message = Frame.of(1, "x" * 1_000_000)
    for _ in range(8):
        listener.child.post(message)
    assert (await listener.ended).startswith("exit code")
