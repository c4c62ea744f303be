"""How a run comes to its end, and in time."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable
from typing import Final, Self

from msgspec import UNSET, UnsetType

from sidecar.lifecycle.events import CommandId, Stopped, StopReason

logger = logging.getLogger(__name__)

DEADLINE_S: Final = 1.85
"""From the wish to stop to the end by force. A host may count on two seconds in all."""

STUCK_EXIT_CODE: Final = 9


class Ending:
    """Waits for the first wish to stop; from then on the time runs.

    When it is up before the context is left, whatever may be the cause, the process is ended the
    hard way: a program that outlives its host holds the port and can't be seen.

    Args:
        loop: In which it is waited for.
        deadline_s: The time.
        on_stuck: Says so when it is up, in a thread, and does not take long.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        deadline_s: float = DEADLINE_S,
        on_stuck: Callable[[], None] = lambda: None,
    ) -> None:
        self._loop = loop
        self._stopped: asyncio.Future[Stopped] = loop.create_future()
        self._on_stuck = on_stuck
        self._watchdog = threading.Timer(deadline_s, self._give_up)
        self._watchdog.daemon = True
        self._lock = threading.Lock()
        self._is_wished = False

    def wish(self, reason: StopReason, command_id: CommandId | UnsetType = UNSET) -> None:
        """Have it end; only the first wish counts. May be called in any thread.

        Raises:
            RuntimeError: The loop is closed. The process has until the deadline all the same.
        """
        with self._lock:
            if self._is_wished:
                return
            self._is_wished = True
        self._watchdog.start()
        stopped = Stopped(reason=reason, id=command_id)
        self._loop.call_soon_threadsafe(self._stopped.set_result, stopped)

    async def wait(self) -> Stopped:
        """Wait for the wish, and return what is to be said at the very end."""
        stopped = await self._stopped
        logger.info("stopping: %s", stopped.reason)
        return stopped

    def _give_up(self) -> None:
        try:
            self._on_stuck()
        finally:
            os._exit(STUCK_EXIT_CODE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        """The end is reached: the time is stopped."""
        self._watchdog.cancel()
