"""A worker from its first message to its last, in this process."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Iterator

import pytest

from sidecar import collector, worker
from sidecar.settings import PortRange, Settings
from sidecar.workers import messages
from sidecar.workers.messages import Message, ToWorker

ANY_PORT = Settings(host="127.0.0.1", media_ports=PortRange(0, 0), teacher_from="token")


class FakeParent:
    """A main process that has said everything before anybody listens."""

    said: tuple[ToWorker, ...] = ()
    is_gone = False
    posted: list[Message]

    def __init__(self, *_descriptors: int) -> None:
        FakeParent.posted = []

    def post(self, message: Message) -> None:
        self.posted.append(message)

    def post_dispensable(self, message: Message) -> None:
        self.posted.append(message)

    def listen(
        self,
        loop: asyncio.AbstractEventLoop,
        on_message: Callable[[ToWorker], None],
        on_gone: Callable[[], None],
    ) -> None:
        for message in self.said:
            loop.call_soon(on_message, message)
        if self.is_gone:
            loop.call_soon(on_gone)

    def close(self) -> None:
        pass


@pytest.fixture(autouse=True)
def no_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep away from what belongs to the process of the tests."""
    monkeypatch.setattr(collector, "settle", lambda: None)
    monkeypatch.setattr(worker, "Parent", FakeParent)
    monkeypatch.setattr(worker, "claim_stdout", lambda: 1)
    monkeypatch.setattr(worker, "open_missing_streams", lambda: None)
    monkeypatch.setattr(worker, "ignore_stop_signals", lambda: None)
    monkeypatch.setattr(FakeParent, "is_gone", False)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def serve(monkeypatch: pytest.MonkeyPatch, *said: ToWorker) -> list[Message]:
    """What a worker says when it is told this, its log aside."""
    monkeypatch.setattr(FakeParent, "said", said)
    assert worker.serve_as_worker() == 0
    return [each for each in FakeParent.posted if not isinstance(each, messages.Log)]


def test_it_serves_until_it_is_told_to_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    start = messages.Start(ANY_PORT)
    ready, answer = serve(monkeypatch, start, messages.Ask(1), messages.Leave())
    assert isinstance(ready, messages.Ready)
    assert (ready.pid, ready.media_port > 0) == (os.getpid(), True)
    assert isinstance(answer, messages.Answer)
    assert answer.rooms == ()


def test_it_serves_until_the_main_process_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeParent, "is_gone", True)
    serve(monkeypatch, messages.Start(ANY_PORT))


def test_one_that_is_told_nothing_ends_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeParent, "is_gone", True)
    assert serve(monkeypatch) == []


def test_without_a_port_it_says_so_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        settings = Settings(host="127.0.0.1", media_ports=PortRange(port, port))
        (failed,) = serve(monkeypatch, messages.Start(settings))
    assert isinstance(failed, messages.Failed)
    assert "are taken" in failed.message


def test_a_defect_of_ours_is_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeParent, "said", (messages.Leave(),))
    assert worker.serve_as_worker() == 1
    log, failed = FakeParent.posted
    assert isinstance(log, messages.Log)
    assert "internal error" in log.text
    assert "TypeError" in log.traceback
    assert isinstance(failed, messages.Failed)
