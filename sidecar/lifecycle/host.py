"""A host application at the other end of our pipes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from sidecar.lifecycle.background_writer import BackgroundWriter
from sidecar.lifecycle.events import (
    Event,
    Fatal,
    PeerJoined,
    PeerLeft,
    Status,
    Stopped,
    Warning,
    encode_event,
)
from sidecar.lifecycle.stdio import LineSplitter, read_some, write_all

MAX_WAITING_LINES: Final = 320
RESERVED_LINES: Final = 64
"""Of these places, how many are kept free of what a host can do without."""

RESERVED_BY_STATUS: Final = 288
"""How many a ``status`` leaves free: a full class makes it some hundred kilobytes long."""

FLUSH_TIMEOUT_S: Final = 0.2
"""What a host that doesn't read may cost us at the end."""


class Host:
    """Tells events as lines of JSON and, where it can, hears commands and the host's end.

    Args:
        stdout: Where the lines go; nobody else may write there.
        stdin: A pipe that commands come from and that ends with the host; None if there is none.
    """

    def __init__(self, stdout: int, stdin: int | None) -> None:
        def write(line: bytes) -> None:
            write_all(stdout, line)

        self._writer = BackgroundWriter(write, MAX_WAITING_LINES, "stdout")
        self._stdin = stdin
        self._dropped = 0
        self._is_over = False
        self._lock = threading.Lock()

    def tell(self, event: Event) -> None:
        """Send an event; never waits. What there is no room for is dropped, and counted.

        May be called in any thread. Nothing follows ``fatal`` or ``stopped``.
        """
        with self._lock:
            if self._is_over:
                return
            self._is_over = isinstance(event, Fatal | Stopped)
            if self._dropped:
                self._own_up()
            if not self._writer.put(encode_event(event), reserve=_reserve(event)):
                self._dropped += 1

    def listen(
        self, on_lines: Callable[[Sequence[bytes]], None], on_gone: Callable[[], None]
    ) -> None:
        """Hear the host from now on, in a daemon thread.

        Args:
            on_lines: Gets lines without their line feeds, as many as have come together.
            on_gone: Is called once, at the end of stdin, or when ``on_lines`` has failed. Both are
                called in the thread, so that the end is heard even when the loop hangs.
        """
        if self._stdin is None:
            return
        arguments = (self._stdin, on_lines, on_gone)
        threading.Thread(target=_read, args=arguments, name="stdin", daemon=True).start()

    def close(self, timeout_s: float | None = None) -> None:
        """Give the host the chance to read what it was told last.

        Args:
            timeout_s: How long; ``FLUSH_TIMEOUT_S`` unless given.
        """
        self._writer.close(FLUSH_TIMEOUT_S if timeout_s is None else timeout_s)

    def _own_up(self) -> None:
        warning = Warning(
            code="events-dropped",
            message=f"{self._dropped} lines were dropped since nobody read them",
        )
        if self._writer.put(encode_event(warning), reserve=RESERVED_LINES):
            self._dropped = 0


def _reserve(event: Event) -> int:
    if isinstance(event, Status):
        return RESERVED_BY_STATUS
    return RESERVED_LINES if isinstance(event, PeerJoined | PeerLeft) else 0


def _read(
    stdin: int, on_lines: Callable[[Sequence[bytes]], None], on_gone: Callable[[], None]
) -> None:
    splitter = LineSplitter()
    with suppress(RuntimeError):  # The loop is closed: it is all over anyway.
        try:
            while chunk := read_some(stdin):
                on_lines(splitter.feed(chunk))
        finally:
            on_gone()  # A host that can't be heard any more is gone, whatever the reason.
