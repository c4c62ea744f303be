"""The host's commands between the thread that reads them and the loop that obeys them.

A host, or what has got hold of its pipe, may write faster than anybody can answer. What waits is
bounded, the thread takes breaks, and the loop is woken once for all that has come; so nothing that
comes through the pipe holds up media or the end of the program.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from sidecar.lifecycle.commands import (
    AnyCommand,
    InvalidCommand,
    Ping,
    Shutdown,
    Status,
    decode_command,
)

MAX_WAITING: Final = 128

RESERVED: Final = 32
"""Of these places, how many only a ``ping`` may take: any load must let it show that we live."""

RESERVED_BY_DISPENSABLE: Final = 96
"""How many are kept free of what a host can do without: ``status``, and what is no command."""

MAX_AHEAD: Final = 8
"""If more than this waits when ``ping`` or ``shutdown`` comes, that has precedence."""

WORK_NS: Final = 250_000
BREAK_S: Final = 0.001
"""A thread that drops what comes works for so long between breaks. It needs the interpreter, which
media needs too."""

Item: TypeAlias = AnyCommand | InvalidCommand


class Inbox:
    """A bounded queue of commands.

    Args:
        loop: Where they are obeyed.
        clock: Monotonic, in nanoseconds.
        pause: Waits for some seconds, in the thread.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], int] = time.monotonic_ns,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._pause = pause
        self._waiting: deque[Item] = deque()
        self._urgent: deque[Item] = deque()
        self._has_come = asyncio.Event()
        self._hurries = False
        self._dropped = 0
        self._owned_up_to = 0

    def put(self, lines: Sequence[bytes]) -> None:
        """Take lines without their line feeds. To be called in one thread only.

        Raises:
            RuntimeError: The loop is closed.
        """
        since_ns = self._clock()
        for line in lines:
            if not self._take(line):
                self._dropped += 1
                now_ns = self._clock()
                if now_ns - since_ns >= WORK_NS:
                    self._pause(BREAK_S)
                    since_ns = self._clock()
        if lines:
            self._loop.call_soon_threadsafe(self._has_come.set)

    async def get(self) -> Item:
        """Wait for the next one and take it."""
        while not self._waiting and not self._urgent:
            self._has_come.clear()
            await self._has_come.wait()
        return self._urgent.popleft() if self._urgent else self._waiting.popleft()

    @property
    def hurries(self) -> bool:
        """Whether a ``shutdown`` has come, and waits for its turn."""
        return self._hurries

    async def wait_dropped(self) -> None:
        """Wait until something has been dropped that nobody owned up to."""
        while self._dropped == self._owned_up_to:
            self._has_come.clear()
            await self._has_come.wait()

    def own_up(self) -> int:
        """How much was dropped since this was asked before."""
        dropped = self._dropped
        since, self._owned_up_to = dropped - self._owned_up_to, dropped
        return since

    def close(self) -> int:
        """Give up what still waits.

        Returns:
            How much was dropped, this included, since ``own_up`` was asked before.
        """
        self._dropped += len(self._waiting) + len(self._urgent)
        self._waiting.clear()
        self._urgent.clear()
        return self.own_up()

    def _take(self, line: bytes) -> bool:
        waiting = len(self._waiting)
        if waiting >= MAX_WAITING - RESERVED_BY_DISPENSABLE and b"command" not in line:
            return False  # It would be dropped anyway, and rubbish costs most to look at.
        item = read_command(line)
        if isinstance(item, Shutdown):
            if self._hurries:
                return True  # It is about to end already.
            self._hurries = True
        elif waiting + len(self._urgent) >= MAX_WAITING - _reserve(item):
            return False
        is_urgent = isinstance(item, Ping | Shutdown) and waiting > MAX_AHEAD
        (self._urgent if is_urgent else self._waiting).append(item)
        return True


def read_command(line: bytes) -> Item:
    """Parse one line; what is wrong with it is its value as well."""
    try:
        return decode_command(line)
    except InvalidCommand as error:
        return error


def _reserve(item: Item) -> int:
    if isinstance(item, Ping):
        return 0
    return RESERVED_BY_DISPENSABLE if isinstance(item, Status | InvalidCommand) else RESERVED
