"""A worker that answers lives, and one that doesn't is found out."""

from __future__ import annotations

import asyncio

import pytest

from sidecar.workers.pulse import MAX_UNANSWERED, Pulse


class Beats:
    def __init__(self, *, answers: bool) -> None:
        self.asked = 0
        self.answers = answers
        self.dead: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.pulse = Pulse(self._ask, self._die, interval_s=0)

    def _ask(self) -> None:
        self.asked += 1
        if self.answers:
            self.pulse.answered()

    def _die(self) -> None:
        self.dead.set_result(self.asked)


async def test_one_that_answers_no_more_is_found_out_once() -> None:
    beats = Beats(answers=False)
    beats.pulse.start()
    assert await beats.dead == MAX_UNANSWERED
    for _ in range(10):
        await asyncio.sleep(0)
    assert beats.asked == MAX_UNANSWERED


async def test_one_that_answers_is_asked_for_ever() -> None:
    beats = Beats(answers=True)
    beats.pulse.start()
    for _ in range(10 * MAX_UNANSWERED):
        beats.pulse._beat()
    beats.answers = False
    assert await beats.dead > 10 * MAX_UNANSWERED


@pytest.mark.parametrize("is_started", [True, False])
async def test_it_can_be_stopped(is_started: bool) -> None:
    beats = Beats(answers=False)
    if is_started:
        beats.pulse.start()
    beats.pulse.stop()
    for _ in range(10):
        await asyncio.sleep(0)
    assert beats.asked == 0
