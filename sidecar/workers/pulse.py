"""Whether a worker lives: its event loop answers, whatever its clients are waiting for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

INTERVAL_S: Final = 2.0
MAX_UNANSWERED: Final = 5
"""A loop that does nothing for ten seconds carries no media either. They are counted, not timed:
when this computer or this process has slept, that is one interval."""


class Pulse:
    """Asks a worker again and again, and notices when it answers no more.

    Args:
        ask: Asks it once.
        on_dead: Is called, once, when so many questions in a row had no answer.
        interval_s: See ``INTERVAL_S``.
    """

    def __init__(
        self,
        ask: Callable[[], None],
        on_dead: Callable[[], None],
        interval_s: float = INTERVAL_S,
    ) -> None:
        self._ask = ask
        self._on_dead = on_dead
        self._interval_s = interval_s
        self._loop = asyncio.get_running_loop()
        self._unanswered = 0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Ask from now on."""
        self._timer = self._loop.call_later(self._interval_s, self._beat)

    def answered(self) -> None:
        """Hear that it lives."""
        self._unanswered = 0

    def stop(self) -> None:
        """Ask no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _beat(self) -> None:
        if self._unanswered >= MAX_UNANSWERED:
            self._on_dead()
            return
        self._unanswered += 1
        self._ask()
        self.start()
