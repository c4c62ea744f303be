"""A writer that may hang, and those who must not."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from sidecar.lifecycle.background_writer import BackgroundWriter


class Gate:
    """Writes nothing until it is opened."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.is_waited_at = threading.Event()
        self.open = threading.Event()

    def write(self, item: str) -> None:
        self.is_waited_at.set()
        self.open.wait()
        self.written.append(item)


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open.set()


def test_everything_is_written_in_its_order() -> None:
    written: list[int] = []
    writer = BackgroundWriter(written.append, 100, "test")
    assert all(writer.put(number) for number in range(100))
    assert writer.close(10)
    assert written == list(range(100))


def test_what_there_is_no_room_for_is_dropped(gate: Gate) -> None:
    writer = BackgroundWriter(gate.write, 2, "test")
    assert writer.put("in the gate")
    assert gate.is_waited_at.wait(10)
    assert [writer.put(item) for item in ("a", "b", "c")] == [True, True, False]
    gate.open.set()
    assert writer.close(10)
    assert gate.written == ["in the gate", "a", "b"]


def test_some_room_can_be_kept_free(gate: Gate) -> None:
    writer = BackgroundWriter(gate.write, 2, "test")
    assert writer.put("in the gate")
    assert gate.is_waited_at.wait(10)
    assert [writer.put(item, reserve=1) for item in ("a", "b")] == [True, False]
    assert writer.put("c")


def test_closing_does_not_wait_for_ever(gate: Gate) -> None:
    writer = BackgroundWriter(gate.write, 2, "test")
    writer.put("in the gate")
    assert gate.is_waited_at.wait(10)
    assert not writer.close(0)


def test_after_an_error_nothing_is_written_any_more() -> None:
    attempts: list[str] = []

    def write(item: str) -> None:
        attempts.append(item)
        raise BrokenPipeError

    writer = BackgroundWriter(write, 10, "test")
    assert writer.put("a")
    assert writer.close(10)
    assert not writer.put("b")
    assert attempts == ["a"]
