"""Where the log goes: stderr, and a file that never grows beyond a limit.

Both are written in a thread. A host that gives us a pipe as stderr and never reads it, or a slow
disk, must not hold up media; what there is no room for is dropped.
"""

from __future__ import annotations

import logging
import sys
from logging.handlers import QueueHandler, RotatingFileHandler
from pathlib import Path
from typing import Final

from sidecar.errors import LogFileError
from sidecar.lifecycle.background_writer import BackgroundWriter

FILE_NAME: Final = "classroom-sfu.log"
NO_FILE: Final = "none"
MAX_FILE_BYTES: Final = 1024 * 1024
OLD_FILES: Final = 3

MAX_WAITING_RECORDS: Final = 2000
FLUSH_TIMEOUT_S: Final = 0.2

_FORMAT: Final = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


class Logs:
    """The log of this process, from now on until it is closed.

    Args:
        level: The least severe level that is logged, in lower case.
        file: The file; "" is the usual place, and "none" is nowhere.

    Attributes:
        trouble: Why there is no file in the usual place; None if there is one.

    Raises:
        LogFileError: A file that was asked for can't be written.
    """

    def __init__(self, level: str, file: str) -> None:
        self.trouble: str | None = None
        self._targets: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
        if file != NO_FILE:
            self._open(file)
        for target in self._targets:
            target.setFormatter(logging.Formatter(_FORMAT))
        self._writer = BackgroundWriter(self._write, MAX_WAITING_RECORDS, "log")
        self._handler = _BackgroundHandler(self._writer)
        root = logging.getLogger()
        root.setLevel(level.upper())
        root.addHandler(self._handler)
        if level == "info":
            # It has a line for each connection and none that says more than ours.
            logging.getLogger("websockets").setLevel(logging.WARNING)

    def close(self) -> bool:
        """Write what is left.

        Returns:
            False if that hangs. Python can't end in the usual way then, since it would wait for
            stderr as well.
        """
        logging.getLogger().removeHandler(self._handler)
        if not self._writer.close(FLUSH_TIMEOUT_S):
            return False
        for target in self._targets:
            target.close()
        return True

    def _open(self, file: str) -> None:
        path = Path(file) if file else default_log_file()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._targets.append(
                RotatingFileHandler(
                    path, maxBytes=MAX_FILE_BYTES, backupCount=OLD_FILES, encoding="utf-8"
                )
            )
        except OSError as error:
            message = f"the log file {path} cannot be written: {error.strerror or error}"
            if file:
                raise LogFileError(
                    message, "Name another one with --log-file, or none for none."
                ) from error
            self.trouble = message

    def _write(self, record: logging.LogRecord) -> None:
        for target in self._targets:
            target.handle(record)


class _BackgroundHandler(QueueHandler):
    """Puts what is left of a record, once it is mere text, into the queue."""

    def __init__(self, writer: BackgroundWriter[logging.LogRecord]) -> None:
        super().__init__(None)  # type: ignore[arg-type]  # only `enqueue` would use it
        self._writer = writer

    def enqueue(self, record: logging.LogRecord) -> None:
        self._writer.put(record)


def default_log_file() -> Path:
    """The file in this platform's folder for logs."""
    from platformdirs import user_log_path

    return user_log_path("classroom-sfu", appauthor=False) / FILE_NAME
