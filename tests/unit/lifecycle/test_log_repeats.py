"""What is said again and again is counted; everything else is let through."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from sidecar.lifecycle.log_repeats import (
    COMING_AND_GOING,
    DEFECTS,
    MAX_KINDS_OF_A_LOGGER,
    ORDINARY,
    SUM_UP_S,
    Repeats,
    mark_as_summed_up,
)
from sidecar.signaling.attendance import LOGGER_NAME as ATTENDANCE


class Log:
    """A filter, a clock and what was let through."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.lines: list[str] = []
        self._timers: list[tuple[float, Callable[[], None]]] = []
        self.repeats = Repeats(self._write, lambda: self.now_s, self._schedule)

    def say(
        self,
        text: str,
        *arguments: object,
        name: str = "sidecar.x",
        level: int = logging.INFO,
        error: BaseException | None = None,
    ) -> None:
        exc_info = (type(error), error, error.__traceback__) if error else None
        self.handle(logging.LogRecord(name, level, "", 0, text, arguments, exc_info))

    def handle(self, record: logging.LogRecord) -> None:
        if self.repeats.filter(record):
            self._write(record)

    def wait(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while self._timers and min(self._timers)[0] <= end_s:
            timer = min(self._timers)
            self._timers.remove(timer)
            self.now_s = timer[0]
            timer[1]()
        self.now_s = end_s

    def _write(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())

    def _schedule(self, delay_s: float, function: Callable[[], None]) -> None:
        self._timers.append((self.now_s + delay_s, function))


@pytest.fixture
def log() -> Log:
    return Log()


def test_a_burst_is_let_through_and_the_rest_is_summed_up(log: Log) -> None:
    for number in range(ORDINARY.burst + 290):
        log.say("%s refused: %s", "join", number)
    assert len(log.lines) == ORDINARY.burst
    log.wait(SUM_UP_S)
    assert len(log.lines) == ORDINARY.burst + 1
    last = ORDINARY.burst - 1
    assert log.lines[-1] == f"... 290 more like this in the last 10 s: join refused: {last}"
    log.wait(3600)
    assert len(log.lines) == ORDINARY.burst + 1


def test_what_is_left_out_is_not_made_into_text(log: Log) -> None:
    class Costly:
        texts = 0

        def __str__(self) -> str:
            self.texts += 1
            return "text"

    costly = Costly()
    for _ in range(1000):
        log.say("%s", costly)
    assert costly.texts == ORDINARY.burst + 1  # the last one is the example, too


def test_others_are_not_left_out_with_it(log: Log) -> None:
    for _ in range(1000):
        log.say("%s refused", "join")
    log.say("stopping: %s", "signal")
    log.say("%s refused", "join", name="sidecar.y")
    assert log.lines[-2:] == ["stopping: signal", "join refused"]


def test_later_on_one_in_a_while_is_let_through(log: Log) -> None:
    for _ in range(1000):
        log.say("again")
    log.wait(ORDINARY.refill_s + 1)
    log.say("again")
    log.say("again")
    assert log.lines.count("again") == ORDINARY.burst + 1


def test_the_end_sums_up_what_is_left(log: Log) -> None:
    for _ in range(ORDINARY.burst + 3):
        log.say("again")
    log.repeats.sum_up()
    assert log.lines[-1] == "... 3 more like this in the last 1 s: again"


def test_an_attack_of_hours_stays_within_the_budget(log: Log) -> None:
    hours = 5
    for _ in range(hours * 3600):
        for _ in range(2):
            log.say("%s refused: %s", "join", "Room is full")
        log.wait(1)
    summaries = hours * 3600 / 640 + 12
    assert len(log.lines) <= ORDINARY.burst + hours * 3600 / ORDINARY.refill_s + summaries
    # Nothing is forgotten.
    log.repeats.sum_up()
    told = [int(line.split()[1]) if line.startswith("...") else 1 for line in log.lines]
    assert sum(told) == hours * 3600 * 2


def test_two_classes_may_come_at_once(log: Log) -> None:
    for _ in range(COMING_AND_GOING.burst):
        log.say("%s joined", "Zoë", name=ATTENDANCE)
    assert len(log.lines) == COMING_AND_GOING.burst >= 100


def fail(text: str) -> None:
    raise ZeroDivisionError(text)


def test_one_defect_is_one_kind_whatever_the_text(log: Log) -> None:
    for name in ("sidecar.x", "asyncio"):
        log.lines.clear()
        for number in range(1000):
            try:
                fail(f"defect {number}")
            except ZeroDivisionError as error:
                text = "failed" if name == "sidecar.x" else f"Task {number} failed"
                log.say(text, name=name, level=logging.ERROR, error=error)
        assert len(log.lines) == DEFECTS.burst
    try:
        raise ZeroDivisionError("another defect")
    except ZeroDivisionError as error:
        log.say("failed", level=logging.ERROR, error=error)
    assert log.lines[-1] == "failed"


def test_who_puts_together_a_new_text_each_time_gets_no_further(log: Log) -> None:
    for number in range(10_000):
        log.say(f"text {number}", name="foreign")
    assert len(log.lines) == MAX_KINDS_OF_A_LOGGER + ORDINARY.burst


def test_details_and_what_another_process_has_counted_are_let_through(log: Log) -> None:
    for _ in range(1000):
        log.say("detail", level=logging.DEBUG)
        record = logging.LogRecord("sidecar.x", logging.INFO, "", 0, "counted", None, None)
        mark_as_summed_up(record)
        log.handle(record)
    assert len(log.lines) == 2000


def test_the_real_timer_sums_up() -> None:
    import threading

    from sidecar.lifecycle import log_repeats

    summed_up = threading.Event()
    log_repeats._in_a_thread(0, summed_up.set)
    assert summed_up.wait(10)
