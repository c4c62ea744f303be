"""The main process, as a worker has it."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator

import pytest

from sidecar.workers import parent as parent_module
from sidecar.workers.framing import Unframer, encode
from sidecar.workers.messages import Ask, Leave, Log, Ready, ToMain, ToWorker
from sidecar.workers.parent import Parent

LINE = Log(20, "name", "text", 1.5)


class Pipes:
    """Both of a worker's, each of their ends closed once."""

    def __init__(self) -> None:
        self.stdin, self.to_stdin = os.pipe()
        self.from_stdout, self.stdout = os.pipe()
        self._open = {self.stdin, self.to_stdin, self.from_stdout, self.stdout}

    def close(self, *descriptors: int) -> None:
        for descriptor in descriptors or tuple(self._open):
            self._open.remove(descriptor)
            os.close(descriptor)

    def read(self) -> list[ToMain]:
        """All that was sent."""
        self.close(self.stdout)
        with os.fdopen(os.dup(self.from_stdout), "rb") as file:
            return Unframer[ToMain](ToMain).feed(file.read())


@pytest.fixture
def pipes() -> Iterator[Pipes]:
    pipes = Pipes()
    yield pipes
    pipes.close()


class Listener:
    def __init__(self, parent: Parent) -> None:
        self.heard: asyncio.Queue[ToWorker] = asyncio.Queue()
        self.gone = threading.Event()
        parent.listen(asyncio.get_running_loop(), self.heard.put_nowait, self.gone.set)

    async def wait_gone(self) -> None:
        assert await asyncio.to_thread(self.gone.wait, 10)


async def test_messages_and_the_end_are_heard(pipes: Pipes) -> None:
    parent = Parent(pipes.stdout, pipes.stdin)
    listener = Listener(parent)
    os.write(pipes.to_stdin, encode(Ask(1)) + encode(Leave()))
    assert [await listener.heard.get() for _ in range(2)] == [Ask(1), Leave()]
    assert not listener.gone.is_set()
    pipes.close(pipes.to_stdin)
    await listener.wait_gone()
    parent.close()


def test_what_is_said_arrives(pipes: Pipes) -> None:
    parent = Parent(pipes.stdout, pipes.stdin)
    parent.post(Ready(1, 2))
    parent.post_dispensable(LINE)
    parent.close()
    assert pipes.read() == [Ready(1, 2), LINE]


async def test_what_nobody_understands_is_the_end(
    pipes: Pipes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _arguments: None)
    parent = Parent(pipes.stdout, pipes.stdin)
    listener = Listener(parent)
    os.write(pipes.to_stdin, encode(Ready(1, 2)))
    await listener.wait_gone()
    pipes.close(pipes.to_stdin)
    parent.close()


async def test_a_main_process_that_reads_nothing_counts_as_gone(
    pipes: Pipes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parent_module, "MAX_WAITING_MESSAGES", 4)
    monkeypatch.setattr(parent_module, "RESERVED_MESSAGES", 2)
    readable = threading.Event()
    monkeypatch.setattr(parent_module, "write_all", lambda *_arguments: readable.wait())
    parent = Parent(pipes.stdout, pipes.stdin)
    listener = Listener(parent)
    for _ in range(10):
        parent.post_dispensable(LINE)
    assert not listener.gone.is_set()
    for number in range(5):
        parent.post(Ready(number, 2))
    assert listener.gone.is_set()
    readable.set()
    pipes.close(pipes.to_stdin)
    parent.close()
