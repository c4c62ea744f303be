"""Keeps what is said again and again from filling the log: it is counted, and summed up.

Whether a record is let through is decided before it is made into text, so that what a client can
do a thousand times a second costs next to nothing, and never rotates away what was said before.

The budget: of each kind of record, which is one place in the program that logs, an attack without
end gets `ORDINARY.burst` lines at first, then one in two minutes and a summary in at most ten; with
lines of 150 bytes that is 6 kB an hour. Some ten kinds can be provoked together, and joining and
leaving 300 times an hour each besides: some 150 kB an hour, so that the 4 MiB that are kept hold
more than a day. If everything that a client can bring about in forty places had the longest text
that a line may have, they would still hold three hours.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

from sidecar.lifecycle.log_text import clip, message_of
from sidecar.signaling.attendance import LOGGER_NAME as ATTENDANCE

SUM_UP_S: Final = 10.0
"""When a burst is summed up first; while it goes on, after twice that, and so on."""

MAX_SUM_UP_S: Final = 640.0
MAX_KINDS_OF_A_LOGGER: Final = 64
"""Beyond these, all that a logger says is of one kind."""

MAX_EXAMPLE_CHARS: Final = 200
_SUMMED_UP: Final = "is_summed_up"


class Allowance(NamedTuple):
    """How much of one kind is let through: so many at once, later on one in so many seconds."""

    burst: int
    refill_s: float


ORDINARY: Final = Allowance(50, 120.0)
COMING_AND_GOING: Final = Allowance(100, 12.0)
"""A class of 50 that comes, is sent away by a dead access point and comes again."""

DEFECTS: Final = Allowance(5, 600.0)
"""Of records with a traceback, from one line of code."""

Key: TypeAlias = tuple[str, object, object]
Schedule: TypeAlias = Callable[[float, Callable[[], None]], None]


class Repeats(logging.Filter):
    """A filter for a handler.

    Args:
        emit: Takes the summaries; may be called in any thread.
        clock: Monotonic, in seconds.
        schedule: Calls a function after some seconds.
    """

    def __init__(
        self,
        emit: Callable[[logging.LogRecord], None],
        clock: Callable[[], float] = time.monotonic,
        schedule: Schedule | None = None,
    ) -> None:
        super().__init__()
        self._emit = emit
        self._clock = clock
        self._schedule = schedule or _in_a_thread
        self._lock = threading.Lock()
        self._kinds: dict[Key, _Kind] = {}
        self._kinds_of_logger: dict[str, int] = {}
        self._is_scheduled = False

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is let through. What is below info is for who wants all of it."""
        if record.levelno < logging.INFO or getattr(record, _SUMMED_UP, False):
            return True
        with self._lock:
            now_s = self._clock()
            kind = self._kind_of(record, now_s)
            if kind.take(now_s):
                if kind.is_used_up:
                    kind.example = clip(message_of(record), MAX_EXAMPLE_CHARS)
                return True
            kind.count(now_s)
            if not self._is_scheduled:
                self._is_scheduled = True
                self._schedule(SUM_UP_S, self._sum_up_in_time)
        return False

    def sum_up(self) -> None:
        """Say what was left out until now, as at the end."""
        self._sum_up(everything=True)

    def _sum_up_in_time(self) -> None:
        with self._lock:
            self._is_scheduled = False
        self._sum_up(everything=False)

    def _sum_up(self, *, everything: bool) -> None:
        with self._lock:
            now_s = self._clock()
            counting = [each for each in self._kinds.values() if each.left_out]
            due = [each for each in counting if everything or each.is_due(now_s)]
            summaries = [each.sum_up(now_s) for each in due]
            if len(due) < len(counting) and not self._is_scheduled:
                self._is_scheduled = True
                self._schedule(SUM_UP_S, self._sum_up_in_time)
        for summary in summaries:
            self._emit(summary)

    def _kind_of(self, record: logging.LogRecord, now_s: float) -> _Kind:
        key = _key(record)
        kind = self._kinds.get(key)
        if kind is None:
            count = self._kinds_of_logger.get(record.name, 0)
            if count >= MAX_KINDS_OF_A_LOGGER:
                key = (record.name, None, None)
                kind = self._kinds.get(key)
            if kind is None:
                self._kinds_of_logger[record.name] = count + 1
                kind = self._kinds[key] = _Kind(record, now_s)
        return kind


def mark_as_summed_up(record: logging.LogRecord) -> None:
    """Have a record let through: another process has counted it already."""
    setattr(record, _SUMMED_UP, True)


class _Kind:
    """Records of one kind."""

    def __init__(self, record: logging.LogRecord, now_s: float) -> None:
        self.example = ""
        self.left_out = 0
        self._name = record.name
        self._level = record.levelno
        self._allowance = _allowance(record)
        self._tokens = float(self._allowance.burst)
        self._filled_at_s = now_s
        self._counts_since_s = now_s
        self._interval_s = SUM_UP_S

    @property
    def is_used_up(self) -> bool:
        return self._tokens < 1

    def take(self, now_s: float) -> bool:
        burst, refill_s = self._allowance
        self._tokens = min(burst, self._tokens + (now_s - self._filled_at_s) / refill_s)
        self._filled_at_s = now_s
        if self._tokens >= burst:
            self._interval_s = SUM_UP_S
        if self.is_used_up:
            return False
        self._tokens -= 1
        return True

    def count(self, now_s: float) -> None:
        if not self.left_out:
            self._counts_since_s = now_s
        self.left_out += 1

    def is_due(self, now_s: float) -> bool:
        return now_s - self._counts_since_s >= self._interval_s - SUM_UP_S / 2

    def sum_up(self, now_s: float) -> logging.LogRecord:
        seconds = max(round(now_s - self._counts_since_s), 1)
        text = f"... {self.left_out} more like this in the last {seconds} s: {self.example}"
        self.left_out = 0
        self._interval_s = min(2 * self._interval_s, MAX_SUM_UP_S)
        summary = logging.LogRecord(self._name, self._level, "", 0, "%s", (text,), None)
        mark_as_summed_up(summary)
        return summary


def _allowance(record: logging.LogRecord) -> Allowance:
    if record.exc_info:
        return DEFECTS
    return COMING_AND_GOING if record.name == ATTENDANCE else ORDINARY


def _key(record: logging.LogRecord) -> Key:
    """What makes a kind: the logger and the text before anything is filled in.

    With an exception it is where that was raised: asyncio, for one, puts together a new text for
    each.
    """
    is_ours = record.name.partition(".")[0] == "sidecar"
    error = record.exc_info[1] if record.exc_info else None
    if error is None:
        return record.name, record.msg if isinstance(record.msg, str) else type(record.msg), None
    place = None
    traceback = error.__traceback__
    while traceback is not None:
        place = traceback.tb_frame.f_code.co_filename, traceback.tb_lineno
        traceback = traceback.tb_next
    return record.name, record.msg if is_ours else None, (type(error), place)


def _in_a_thread(delay_s: float, function: Callable[[], None]) -> None:
    timer = threading.Timer(delay_s, function)
    timer.daemon = True
    timer.start()
