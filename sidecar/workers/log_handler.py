"""The log of a worker: the main process writes it, into the one file that there is."""

from __future__ import annotations

import logging
from collections.abc import Callable

from sidecar.lifecycle.log_repeats import Repeats, mark_as_summed_up
from sidecar.lifecycle.log_text import message_of, traceback_of
from sidecar.workers.messages import Log, Message


class LogHandler(logging.Handler):
    """Sends what is logged to the main process, and sums up what comes again and again.

    Args:
        post: Sends a message, or drops it.
    """

    def __init__(self, post: Callable[[Message], None]) -> None:
        super().__init__()
        self._post = post
        self.repeats = Repeats(self.emit)
        self.addFilter(self.repeats)

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record as mere text."""
        message, traceback = message_of(record), traceback_of(record)
        self._post(Log(record.levelno, record.name, message, record.created, traceback))


def log_of_worker(number: int, message: Log) -> None:
    """Log what a worker has to say, as of its own time.

    Args:
        number: Of the worker.
        message: What it says.
    """
    text = f"[worker {number}] {message.text}"
    record = logging.LogRecord(message.name, message.level, "", 0, "%s", (text,), None)
    record.created = message.created_s
    record.msecs = message.created_s % 1 * 1000
    record.exc_text = message.traceback
    mark_as_summed_up(record)
    logging.getLogger(message.name).handle(record)
