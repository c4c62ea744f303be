"""Warnings that could be many."""

from __future__ import annotations

import asyncio

import pytest

from sidecar.lifecycle.events import Warning
from sidecar.lifecycle.warner import LOOKS, QUIET_S, LossWatch, Warner, warn_of_blocked_udp
from tests.unit.lifecycle.fakes import FakeStarter


class Setting:
    def __init__(self) -> None:
        self.now_s = 0.0
        self.starter = FakeStarter()
        self.warner = Warner(self.starter, lambda: self.now_s)

    @property
    def codes(self) -> list[str]:
        return [each.code for each in self.starter.told if isinstance(each, Warning)]


def test_a_warning_is_not_said_again_for_some_minutes(caplog: pytest.LogCaptureFixture) -> None:
    setting = Setting()
    for _ in range(10):
        setting.warner.warn("packets-dropped", "words")
        setting.warner.warn("slept", "other words")
    assert setting.codes == ["packets-dropped", "slept"]
    assert caplog.messages == ["words", "other words"]
    setting.now_s = QUIET_S
    setting.warner.warn("packets-dropped", "words")
    assert setting.codes == ["packets-dropped", "slept", "packets-dropped"]


def test_blocked_udp_is_said_once_for_all_processes() -> None:
    setting = Setting()
    for _ in range(3):
        warn_of_blocked_udp(setting.warner.warn)
        setting.now_s += QUIET_S
    assert setting.codes == ["udp-blocked"]


def test_a_loss_now_and_then_is_no_matter() -> None:
    setting = Setting()
    watch = LossWatch(lambda: 0, setting.warner.warn)
    for count in (0, 5, 9, 9, 20, 30, 30, 31):
        watch.look(count)
    assert setting.codes == []


def test_a_loss_all_the_time_is_said() -> None:
    setting = Setting()
    watch = LossWatch(lambda: 0, setting.warner.warn)
    for count in range(0, 10 * LOOKS, 10):
        watch.look(count)
    assert setting.codes == []
    watch.look(1000)
    (warning,) = setting.starter.told
    assert isinstance(warning, Warning)
    assert warning.code == "packets-dropped"
    assert "1000 packets in the last 30 s" in warning.message


async def test_it_is_looked_at_again_and_again() -> None:
    warned = asyncio.Event()
    counts = iter(range(100))
    watch = LossWatch(lambda: next(counts), lambda _code, _message: warned.set())
    watching = asyncio.create_task(watch.watch(interval_s=0))
    await warned.wait()
    watching.cancel()
