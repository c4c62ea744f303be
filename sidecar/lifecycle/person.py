"""A person at a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TextIO

from sidecar.lifecycle.events import Event, Ready


class Person:
    """Is greeted; hears of everything else by the log, and ends the program with Ctrl+C.

    Args:
        stdout: The terminal, or where its output was sent.
    """

    def __init__(self, stdout: TextIO) -> None:
        self._stdout = stdout

    def tell(self, event: Event) -> None:
        """Greet, if that is what it is about."""
        if isinstance(event, Ready):
            with suppress(OSError):  # the terminal is gone, or a file has no room
                self._stdout.write(greeting(event))
                self._stdout.flush()

    def listen(
        self, on_lines: Callable[[Sequence[bytes]], None], on_gone: Callable[[], None]
    ) -> None:
        """Nothing: people don't type commands."""

    def close(self, timeout_s: float | None = None) -> None:
        """Nothing is left to be done."""


def greeting(ready: Ready) -> str:
    """Say where to connect."""
    elsewhere = ready.urls or ("no network address found",)
    lines = [
        f"The classroom SFU {ready.version} is ready.",
        "",
        f"  on this computer      {ready.local_url}",
        f"  from other computers  {elsewhere[0]}",
        *(f"                        {url}" for url in elsewhere[1:]),
        "",
        f"Media uses UDP port {ready.media.port} ({', '.join(ready.media.addresses)}).",
        f"A teacher on another computer needs the token {ready.teacher_token}",
        "Ctrl+C stops it.",
    ]
    return "\n".join(lines) + "\n"
