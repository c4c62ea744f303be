"""The log of a worker: the main process writes it, into the one file that there is."""

from __future__ import annotations

import logging
from collections.abc import Callable
from logging.handlers import QueueHandler

from sidecar.workers.messages import Log, Message


class LogHandler(QueueHandler):
    """Sends what is logged to the main process.

    Args:
        post: Sends a message, or drops it.
    """

    def __init__(self, post: Callable[[Message], None]) -> None:
        super().__init__(None)  # type: ignore[arg-type]  # only `enqueue` would use it
        self._post = post

    def enqueue(self, record: logging.LogRecord) -> None:
        """Send a record that is mere text by now."""
        self._post(Log(record.levelno, record.name, record.getMessage(), record.created))


def log_of_worker(number: int, message: Log) -> None:
    """Log what a worker has to say, as of its own time.

    Args:
        number: Of the worker.
        message: What it says.
    """
    text = f"[worker {number}] {message.text}"
    record = logging.LogRecord(message.name, message.level, "", 0, text, None, None)
    record.created = message.created_s
    record.msecs = message.created_s % 1 * 1000
    logging.getLogger(message.name).handle(record)
