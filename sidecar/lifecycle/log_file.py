"""A log file of one process's own, which never grows beyond a limit.

It outlasts what happens to files: a full disk, a folder that may not be written any more, a file
that somebody deletes or moves away, another instance of the program that writes to the same place.
"""

from __future__ import annotations

import errno
import logging
import os
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Final

from sidecar.lifecycle.log_text import line_of
from sidecar.net.platform import lock_file

MAX_INSTANCES: Final = 20
RETRY_S: Final = 2.0
"""After the file could not be written, when that is tried again."""

FOLLOW_S: Final = 1.0
"""How often it is looked at whether the file is still where it was."""

PASSES: Final = (errno.ENOSPC, errno.EDQUOT)
"""What is wrong for now: there is no room."""


class LogFile:
    """Writes lines; never raises for what is wrong with the file, and tries again later.

    While the file is open it is locked. Who finds it locked takes the same name with a number.

    Args:
        path: Where.
        max_bytes: A file of this size is put aside, with ``.1`` behind its name.
        old_files: How many of those are kept.
        on_trouble: Is called when lines are being lost, with words for people; once.
        clock: Monotonic, in seconds.

    Attributes:
        wanted: The path; ``path`` may have a number in it.
    """

    def __init__(
        self,
        path: Path,
        max_bytes: int,
        old_files: int,
        on_trouble: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.wanted = path
        self._path = path
        self._max_bytes = max_bytes
        self._old_files = old_files
        self._on_trouble = on_trouble
        self._clock = clock
        self._file: FileIO | None = None
        self._retry_at_s = 0.0
        self._follow_at_s = 0.0
        self._is_cut = False
        self._lost = 0
        self._is_told = False

    @property
    def path(self) -> Path:
        """Where the lines really go."""
        return self._path

    def open(self) -> None:
        """Open the file, or the first of its name with a number that nobody else writes to.

        Raises:
            OSError: It can't be had.
        """
        self.wanted.parent.mkdir(parents=True, exist_ok=True)
        for candidate in _names(self.wanted):
            file = FileIO(candidate, "ab")
            if not _is_regular(file) or lock_file(file.fileno()):
                self._take(file, candidate)
                return
            file.close()
        # A file system without locks: better together than not at all.
        self._take(FileIO(self.wanted, "ab"), self.wanted)

    def write(self, line: str) -> None:
        """Write a line, which has its line feed."""
        data = line.encode("utf-8", "backslashreplace")
        now_s = self._clock()
        if self._file is None and now_s < self._retry_at_s:
            self._lost += 1
            return
        try:
            self._write(data, now_s)
        except OSError as error:
            self._lost += 1
            self.fail(error)

    def fail(self, error: OSError) -> None:
        """Note that the file can't be had, or written, for now."""
        self._close()
        self._retry_at_s = self._clock() + RETRY_S
        if not self._is_told:
            self._is_told = True
            self._on_trouble(
                f"the log file {self._path} cannot be written: {error.strerror or error}"
            )

    def close(self) -> None:
        """Nothing may be written afterwards."""
        self._close()

    def _write(self, data: bytes, now_s: float) -> None:
        if self._file is not None and now_s >= self._follow_at_s:
            self._follow(now_s)
        if self._file is None:
            self.open()
        assert self._file is not None
        if _is_regular(self._file):
            size = os.fstat(self._file.fileno()).st_size
            if size and size + len(data) > self._max_bytes:
                self._put_aside(size)
        if self._lost:
            data = _gap(self._lost) + data
        if self._is_cut:
            data = b"\n" + data
        self._write_all(self._file, data)
        self._lost = 0

    def _write_all(self, file: FileIO, data: bytes) -> None:
        view = memoryview(data)
        while view:
            written = file.write(view) or 0
            view = view[written:]
            # A full disk takes a part of a line.
            self._is_cut = len(view) > 0

    def _follow(self, now_s: float) -> None:
        """Let go of a file that somebody has deleted, or moved away."""
        assert self._file is not None
        self._follow_at_s = now_s + FOLLOW_S
        if not _is_regular(self._file):
            return
        try:
            is_there = os.path.samestat(os.stat(self._path), os.fstat(self._file.fileno()))
        except OSError:
            is_there = False
        if not is_there:
            self._close()

    def _put_aside(self, size: int) -> None:
        """Begin a new file. If the old one can't be moved, it grows to twice its size.

        Raises:
            OSError: It has, or there is no new one to be had.
        """
        self._close()  # Windows doesn't rename what is open.
        try:
            for number in range(self._old_files - 1, 0, -1):
                with suppress(FileNotFoundError):
                    os.replace(_numbered(self._path, number), _numbered(self._path, number + 1))
            with suppress(FileNotFoundError):
                os.replace(self._path, _numbered(self._path, 1))
        except OSError:
            if size > 2 * self._max_bytes:
                raise
        self.open()

    def _take(self, file: FileIO, path: Path) -> None:
        self._file = file
        self._path = path
        self._follow_at_s = self._clock() + FOLLOW_S

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):  # what a network file system says at the very end
                file.close()


def _names(path: Path) -> list[Path]:
    return [
        path,
        *(
            path.with_name(f"{path.stem}-{number}{path.suffix}")
            for number in range(2, MAX_INSTANCES + 1)
        ),
    ]


def _gap(lost: int) -> bytes:
    text = f"{lost} lines are missing here: they could not be written"
    return line_of(time.time(), logging.WARNING, __name__, text).encode()


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def _is_regular(file: FileIO) -> bool:
    return stat.S_ISREG(os.fstat(file.fileno()).st_mode)
