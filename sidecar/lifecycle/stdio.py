"""The three streams that a process is born with, below the level of Python's own."""

from __future__ import annotations

import os
import select
import sys
from contextlib import suppress
from typing import Final

from sidecar.lifecycle.commands import MAX_LINE_BYTES

STDIN: Final = 0
STDOUT: Final = 1
STDERR: Final = 2

READ_BYTES: Final = 16 * 1024


def open_missing_streams() -> None:
    """Point each of the three that is closed at nothing.

    Otherwise the next socket or file that is opened would become one of them, and get whatever
    anybody prints. Python has no stream at all for one that was closed, nor has a program without a
    console on Windows.
    """
    for descriptor in (STDIN, STDOUT, STDERR):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # The system gives it the lowest number that is free.
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # open for good


def let_go_of_streams() -> None:
    """Flush what Python would flush at the very end, where a failure changes the exit code."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            # There is nobody to read it, or no room. It goes where it takes none.
            with suppress(OSError, ValueError):
                nothing = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nothing, stream.fileno())
                os.close(nothing)


def claim_stdout() -> int:
    """Take stdout away from everybody else: what they print there goes to stderr from now on.

    Returns:
        A descriptor that leads to the real one.
    """
    claimed = os.dup(STDOUT)
    os.dup2(STDERR, STDOUT)
    return claimed


def read_some(descriptor: int) -> bytes:
    """Wait for bytes and return them; none at the end, also when it is an error.

    A stream that its other owner made non-blocking is waited for all the same.
    """
    while True:
        try:
            return os.read(descriptor, READ_BYTES)
        except BlockingIOError:
            select.select([descriptor], [], [])
        except OSError:
            return b""


def write_all(descriptor: int, data: bytes) -> None:
    """Write everything, waiting as long as it takes.

    Raises:
        OSError: Nobody will ever read it.
    """
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except BlockingIOError:
            select.select([], [descriptor], [])


class LineSplitter:
    """Cuts a stream of bytes into lines.

    Of a line that is longer than ``MAX_LINE_BYTES`` only so much is kept that one can tell.
    """

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take what came and return the lines that are complete now, without their line feeds."""
        *ends, rest = chunk.split(b"\n")
        lines = []
        for end in ends:
            lines.append(self._rest + end)
            self._rest = b""
        self._rest = (self._rest + rest)[: MAX_LINE_BYTES + 1]
        return lines
