"""A host at the other end of two pipes."""

from __future__ import annotations

import asyncio
import json
import os
import queue
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from sidecar.lifecycle import host as host_module
from sidecar.lifecycle.events import Event, PeerJoined, Pong, Stopped
from sidecar.lifecycle.host import MAX_WAITING_LINES, RESERVED_LINES, Host

PEER_JOINED = PeerJoined(room_id="r", peer_id="p", name="n", is_teacher=False)


class Pipe:
    """Both ends; each is closed once."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        self._open = {self.reader, self.writer}

    def close(self, descriptor: int) -> None:
        self._open.remove(descriptor)
        os.close(descriptor)

    def close_all(self) -> None:
        for descriptor in tuple(self._open):
            self.close(descriptor)


@pytest.fixture
def stdout() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close_all()


@pytest.fixture
def stdin() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close_all()


@pytest.fixture
def is_readable(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Whether anybody reads the host's stdout; nobody does at first."""
    readable = threading.Event()

    def write_all(descriptor: int, data: bytes) -> None:
        readable.wait()
        os.write(descriptor, data)

    monkeypatch.setattr(host_module, "write_all", write_all)
    yield readable
    readable.set()


def lines_of(pipe: Pipe) -> list[dict[str, Any]]:
    pipe.close(pipe.writer)
    with os.fdopen(os.dup(pipe.reader), "rb") as file:
        return [json.loads(line) for line in file]


def test_events_are_lines(stdout: Pipe) -> None:
    host = Host(stdout.writer, None)
    told: list[Event] = [PEER_JOINED, Pong(id=1), Stopped(reason="signal")]
    for event in told:
        host.tell(event)
    host.close()
    assert [line["event"] for line in lines_of(stdout)] == ["peer-joined", "pong", "stopped"]


def test_a_host_that_does_not_read_stops_nobody(
    stdout: Pipe, is_readable: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Host(stdout.writer, None)
    for _ in range(2 * MAX_WAITING_LINES):
        host.tell(PEER_JOINED)
    monkeypatch.setattr(host_module, "FLUSH_TIMEOUT_S", 0)
    host.close()
    # The writer must be done before the test's pipe is closed.
    monkeypatch.setattr(host_module, "FLUSH_TIMEOUT_S", 10)
    is_readable.set()
    host.close()


def test_what_a_host_can_do_without_leaves_room_for_the_rest(
    stdout: Pipe, is_readable: threading.Event
) -> None:
    host = Host(stdout.writer, None)
    for _ in range(2 * MAX_WAITING_LINES):
        host.tell(PEER_JOINED)
    host.tell(Stopped(reason="shutdown"))
    is_readable.set()
    host.close()
    names = [line["event"] for line in lines_of(stdout)]
    assert names[-1] == "stopped"
    # One of them may have been on its way already.
    assert names.count("peer-joined") - (MAX_WAITING_LINES - RESERVED_LINES) in (0, 1)


def test_a_host_that_reads_again_is_told_what_it_has_missed(
    stdout: Pipe, is_readable: threading.Event
) -> None:
    host = Host(stdout.writer, None)
    told = 2 * MAX_WAITING_LINES
    for _ in range(told):
        host.tell(PEER_JOINED)
    received = 0
    is_readable.set()
    with os.fdopen(os.dup(stdout.reader), "rb") as file:
        for _ in range(MAX_WAITING_LINES - RESERVED_LINES):
            assert json.loads(file.readline())["event"] == "peer-joined"
            received += 1
        host.tell(PEER_JOINED)
        while (line := json.loads(file.readline()))["event"] == "peer-joined":
            received += 1
        assert line["code"] == "events-dropped"
        assert line["message"].startswith(f"{told - received} lines")
        assert json.loads(file.readline())["event"] == "peer-joined"
        host.tell(Pong())
        assert json.loads(file.readline())["event"] == "pong"


def test_a_host_that_closes_our_stdout_is_told_nothing(stdout: Pipe) -> None:
    stdout.close(stdout.reader)
    host = Host(stdout.writer, None)
    host.tell(PEER_JOINED)
    host.close()
    host.tell(Stopped(reason="host-gone"))


class Listener:
    """Lines and the end, as they are heard in the loop."""

    def __init__(self) -> None:
        self.lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.gone = asyncio.Event()

    def listen_to(self, host: Host) -> None:
        loop = asyncio.get_running_loop()

        def on_gone() -> None:
            loop.call_soon_threadsafe(self.gone.set)

        def on_lines(lines: Sequence[bytes]) -> None:
            for line in lines:
                self.lines.put(line)

        host.listen(on_lines, on_gone)


async def test_lines_and_the_end_are_heard(stdin: Pipe, stdout: Pipe) -> None:
    host, listener = Host(stdout.writer, stdin.reader), Listener()
    listener.listen_to(host)
    os.write(stdin.writer, b"one\ntwo\nth")
    assert [await asyncio.to_thread(listener.lines.get) for _ in range(2)] == [b"one", b"two"]
    assert not listener.gone.is_set()
    stdin.close(stdin.writer)
    await listener.gone.wait()
    assert listener.lines.empty()
    host.close()


async def test_without_a_pipe_nobody_is_gone(stdout: Pipe) -> None:
    host = Host(stdout.writer, None)
    before = threading.active_count()
    host.listen(lambda _lines: None, lambda: pytest.fail("gone"))
    assert threading.active_count() == before
    host.close()


def test_the_end_of_the_host_is_heard_while_the_loop_hangs(stdin: Pipe, stdout: Pipe) -> None:
    gone = threading.Event()
    Host(stdout.writer, stdin.reader).listen(lambda _lines: None, gone.set)
    stdin.close(stdin.writer)
    assert gone.wait(10)


def test_a_host_that_cannot_be_heard_any_more_is_gone(stdin: Pipe, stdout: Pipe) -> None:
    gone = threading.Event()

    def fail(_lines: Sequence[bytes]) -> None:
        raise RuntimeError("the loop is closed")

    Host(stdout.writer, stdin.reader).listen(fail, gone.set)
    os.write(stdin.writer, b"line\n")
    assert gone.wait(10)
