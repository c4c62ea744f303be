"""Writing to where nobody may be reading."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class BackgroundWriter(Generic[Item]):
    """Hands items to a function that may block, in a thread; who puts them in never waits.

    The thread is a daemon: one that hangs in a write does not keep the process alive.

    Args:
        write: Is called with one item after another. After an ``OSError`` it is called no more.
        capacity: How many items may wait.
        name: Of the thread.
    """

    def __init__(self, write: Callable[[Item], None], capacity: int, name: str) -> None:
        self._write = write
        self._capacity = capacity
        self._queue: queue.SimpleQueue[Item | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, item: Item, *, reserve: int = 0) -> bool:
        """Queue an item, unless it would find less than ``reserve`` places behind it.

        Returns:
            False if it was dropped: there is no place for it, or nothing can be written any more.
        """
        if not self._thread.is_alive() or self._queue.qsize() >= self._capacity - reserve:
            return False
        self._queue.put(item)
        return True

    def close(self, timeout_s: float) -> bool:
        """Wait until everything is written, but not for ever. Nothing may be put in afterwards.

        Returns:
            Whether the thread has ended.
        """
        self._queue.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            try:
                self._write(item)
            except OSError:
                return
