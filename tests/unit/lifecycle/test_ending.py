"""The first wish to stop, and what happens if it is not heeded."""

from __future__ import annotations

import asyncio
import os
import threading

import pytest

from sidecar.lifecycle.ending import STUCK_EXIT_CODE, Ending
from sidecar.lifecycle.events import Stopped


async def test_only_the_first_wish_counts() -> None:
    with Ending(asyncio.get_running_loop()) as ending:
        ending.wish("shutdown", 7)
        ending.wish("signal")
        assert await ending.wait() == Stopped(reason="shutdown", id=7)


async def test_a_wish_from_another_thread() -> None:
    with Ending(asyncio.get_running_loop()) as ending:
        threading.Thread(target=ending.wish, args=["host-gone"]).start()
        assert await ending.wait() == Stopped(reason="host-gone")


def test_a_process_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    exit_codes: list[int] = []
    ended = threading.Event()

    def leave(code: int) -> None:
        exit_codes.append(code)
        ended.set()

    monkeypatch.setattr(os, "_exit", leave)
    loop = asyncio.SelectorEventLoop()  # It never runs.
    try:
        with Ending(loop, deadline_s=0, on_stuck=lambda: exit_codes.append(0)) as ending:
            ending.wish("host-gone")
            assert ended.wait(10)
    finally:
        loop.close()
    assert exit_codes == [0, STUCK_EXIT_CODE]


def test_a_process_that_ends_in_time_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "_exit", lambda _code: pytest.fail("it ended"))
    before = threading.active_count()
    loop = asyncio.SelectorEventLoop()
    with Ending(loop, deadline_s=3600) as ending:
        ending.wish("signal")
    loop.close()
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.join(10)
    assert threading.active_count() == before
