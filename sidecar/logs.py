"""Where the log goes: stderr, and a file that never grows beyond a limit.

Each is written in a thread of its own. A host that gives us a pipe as stderr and never reads it, or
a slow disk, must hold up neither media nor the other one; what there is no room for is dropped.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, TextIO

from sidecar.errors import LogFileError
from sidecar.lifecycle.background_writer import BackgroundWriter
from sidecar.lifecycle.log_file import PASSES, LogFile
from sidecar.lifecycle.log_repeats import Repeats
from sidecar.lifecycle.log_text import line_of, message_of, traceback_of

FILE_NAME: Final = "classroom-sfu.log"
NO_FILE: Final = "none"
MAX_FILE_BYTES: Final = 1024 * 1024
OLD_FILES: Final = 3

MAX_WAITING_RECORDS: Final = 2000
FLUSH_TIMEOUT_S: Final = 0.2

logger = logging.getLogger(__name__)


class Logs:
    """The log of this process, from now on until it is closed.

    Args:
        level: The least severe level that is logged, in lower case.
        file: The file; "" is the usual place, and "none" is nowhere.
        on_trouble: Is called when the file can't be written, with words for people; once, and in
            any thread.

    Attributes:
        trouble: Those words; None while all is well.

    Raises:
        LogFileError: A file that was asked for can't be had at all.
    """

    def __init__(
        self, level: str, file: str, on_trouble: Callable[[str], object] = lambda _message: None
    ) -> None:
        self.trouble: str | None = None
        self._tell = on_trouble
        self._is_open = False
        self._file = self._open(file) if file != NO_FILE else None
        stderr = sys.stderr
        self._writers = [
            BackgroundWriter[str](lambda line: _write(stderr, line), MAX_WAITING_RECORDS, "stderr")
        ]
        if self._file is not None:
            self._writers.append(
                BackgroundWriter(self._file.write, MAX_WAITING_RECORDS, "log file")
            )
        self._handler = _BackgroundHandler(self._put)
        root = logging.getLogger()
        root.setLevel(level.upper())
        root.addHandler(self._handler)
        if level == "info":
            # It has a line for each connection and none that says more than ours.
            logging.getLogger("websockets").setLevel(logging.WARNING)
        self._is_open = True
        if self.trouble is not None:
            self._report(self.trouble)
        elif self._file is not None and self._file.path != self._file.wanted:
            logger.info(
                "another instance writes to %s: this one to %s", self._file.wanted, self._file.path
            )

    def close(self) -> bool:
        """Write what is left.

        Returns:
            False if that hangs. Python can't end in the usual way then, since it would wait for
            stderr as well.
        """
        logging.getLogger().removeHandler(self._handler)
        self._handler.repeats.sum_up()
        # The file first: stderr may hang.
        are_written = [each.close(FLUSH_TIMEOUT_S) for each in reversed(self._writers)]
        if self._file is not None and are_written[0]:
            self._file.close()
        return all(are_written)

    def _open(self, file: str) -> LogFile:
        path = Path(file) if file else default_log_file()
        log_file = LogFile(path, MAX_FILE_BYTES, OLD_FILES, self._on_trouble)
        try:
            log_file.open()
        except OSError as error:
            if file and error.errno not in PASSES:
                raise LogFileError(
                    f"the log file {path} cannot be written: {error.strerror or error}",
                    "Name another one with --log-file, or none for none.",
                ) from error
            log_file.fail(error)
        return log_file

    def _on_trouble(self, message: str) -> None:
        self.trouble = message
        if self._is_open:
            self._report(message)

    def _report(self, message: str) -> None:
        logger.warning("%s", message)
        self._tell(message)

    def _put(self, line: str) -> None:
        for writer in self._writers:
            writer.put(line)


class _BackgroundHandler(logging.Handler):
    """Makes lines of records, and sums up those that come again and again."""

    def __init__(self, put: Callable[[str], None]) -> None:
        super().__init__()
        self._put = put
        self.repeats = Repeats(self.emit)
        self.addFilter(self.repeats)

    def emit(self, record: logging.LogRecord) -> None:
        message, traceback = message_of(record), traceback_of(record)
        self._put(line_of(record.created, record.levelno, record.name, message, traceback))


def _write(stream: TextIO, line: str) -> None:
    try:
        stream.write(line)
        stream.flush()
    except (OSError, ValueError):
        return  # Nobody reads it, or there is no room: the file has it.


def default_log_file() -> Path:
    """The file in this platform's folder for logs."""
    from platformdirs import user_log_path

    return user_log_path("classroom-sfu", appauthor=False) / FILE_NAME
