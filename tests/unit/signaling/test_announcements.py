from __future__ import annotations

from collections.abc import Callable

import pytest

from sidecar.signaling.announcements import PATIENCE_S, Announcements


class FakeTimer:
    def __init__(self, due_s: float, callback: Callable[[], None]) -> None:
        self.due_s = due_s
        self.callback = callback
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


class Setting:
    """A client whose clock is moved by the test."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.heard: list[str] = []
        self._timers: list[FakeTimer] = []
        self.announcements = Announcements(self._deliver, self._call_later)

    def announce(self, *producer_ids: str) -> None:
        for producer_id in producer_ids:
            self.announcements.announce(producer_id, producer_id.encode())

    def take_in(self, producer_id: str) -> None:
        self.announcements.consumed(producer_id, f"consumer of {producer_id}")
        self.announcements.resumed(f"consumer of {producer_id}")

    def pass_time(self, seconds: float) -> None:
        until_s = self.now_s + seconds
        while due := [each for each in self._waiting if each.due_s <= until_s]:
            timer = min(due, key=lambda each: each.due_s)
            self.now_s = timer.due_s
            self._timers.remove(timer)
            timer.callback()
        self.now_s = until_s

    @property
    def _waiting(self) -> list[FakeTimer]:
        return [each for each in self._timers if not each.is_cancelled]

    @property
    def is_waiting(self) -> bool:
        return bool(self._waiting)

    def _deliver(self, message: bytes) -> None:
        self.heard.append(message.decode())

    def _call_later(self, seconds: float, callback: Callable[[], None]) -> FakeTimer:
        self._timers.append(FakeTimer(self.now_s + seconds, callback))
        return self._timers[-1]


@pytest.fixture
def setting() -> Setting:
    return Setting()


def test_the_next_one_waits_until_the_last_is_consumed_and_resumed(setting: Setting) -> None:
    setting.announce("a", "b", "c")
    assert setting.heard == ["a"]
    setting.announcements.consumed("a", "1")
    assert setting.heard == ["a"]
    setting.announcements.resumed("1")
    assert setting.heard == ["a", "b"]
    setting.take_in("b")
    assert setting.heard == ["a", "b", "c"]
    setting.take_in("c")
    assert not setting.is_waiting


def test_a_single_one_waits_for_nothing(setting: Setting) -> None:
    setting.announce("a")
    setting.take_in("a")
    setting.announce("b")
    assert setting.heard == ["a", "b"]


def test_who_does_nothing_hears_the_next_one_after_a_second(setting: Setting) -> None:
    setting.announce("a", "b", "c")
    setting.pass_time(PATIENCE_S / 2)
    assert setting.heard == ["a"]
    setting.pass_time(PATIENCE_S / 2)
    assert setting.heard == ["a", "b"]
    setting.pass_time(PATIENCE_S)
    assert setting.heard == ["a", "b", "c"]
    setting.pass_time(PATIENCE_S)
    assert not setting.is_waiting


def test_each_step_has_a_second_of_its_own(setting: Setting) -> None:
    setting.announce("a", "b")
    setting.pass_time(0.9 * PATIENCE_S)
    setting.announcements.consumed("a", "1")
    setting.pass_time(0.9 * PATIENCE_S)
    assert setting.heard == ["a"]
    setting.pass_time(0.2 * PATIENCE_S)
    assert setting.heard == ["a", "b"]


def test_what_was_taken_in_too_late_changes_nothing(setting: Setting) -> None:
    setting.announce("a", "b", "c")
    setting.pass_time(PATIENCE_S)
    setting.announcements.resumed("unknown")
    setting.announcements.refused("unknown")
    assert setting.heard == ["a", "b"]


def test_what_is_refused_is_not_waited_for(setting: Setting) -> None:
    setting.announce("a", "b")
    setting.announcements.refused("a")
    assert setting.heard == ["a", "b"]


def test_what_has_ended_is_not_waited_for(setting: Setting) -> None:
    setting.announce("a", "b", "c")
    assert setting.announcements.holds_back("b")
    setting.announcements.closed("b")
    assert setting.heard == ["a"]
    setting.announcements.closed("a")
    assert setting.heard == ["a", "c"]


def test_what_is_listed_is_consumed_without_being_announced(setting: Setting) -> None:
    setting.announce("a", "b", "c")
    setting.announcements.listed(["a", "b"])
    setting.take_in("a")
    assert setting.heard == ["a"]
    setting.take_in("b")
    assert setting.heard == ["a", "c"]


def test_while_a_list_is_worked_through_nothing_is_announced(setting: Setting) -> None:
    setting.announcements.listed(["a", "b", "c"])
    setting.announce("d")
    for producer_id in ("a", "b"):
        setting.pass_time(0.9 * PATIENCE_S)
        setting.take_in(producer_id)
    setting.pass_time(0.9 * PATIENCE_S)
    assert setting.heard == []
    setting.take_in("c")
    assert setting.heard == ["d"]


def test_an_empty_list_changes_nothing(setting: Setting) -> None:
    setting.announcements.listed([])
    setting.announce("a")
    assert setting.heard == ["a"]


def test_what_was_consumed_by_chance_is_not_announced(setting: Setting) -> None:
    setting.announce("a", "b", "c")
    setting.take_in("b")
    setting.take_in("a")
    assert setting.heard == ["a", "c"]


def test_who_can_take_all_gets_all(setting: Setting) -> None:
    setting.announce("a", "b", "c")
    setting.announcements.release()
    assert setting.heard == ["a", "b", "c"]
    assert not setting.is_waiting


def test_who_has_left_hears_nothing_more(setting: Setting) -> None:
    setting.announce("a", "b")
    setting.announcements.forget()
    setting.pass_time(2 * PATIENCE_S)
    assert setting.heard == ["a"]
    assert not setting.is_waiting


def test_consuming_over_and_over_leaves_nothing_behind() -> None:
    setting = Setting()
    for number in range(100):
        setting.announcements.consumed("screen", f"consumer-{number}")
    setting.announce("sound")
    setting.announcements.resumed("consumer-98")
    assert setting.heard == []
    setting.announcements.resumed("consumer-99")
    assert setting.heard == ["sound"]
