"""The main process, as a worker has it: at the other end of stdin and stdout."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from sidecar.lifecycle.background_writer import BackgroundWriter
from sidecar.lifecycle.stdio import read_some, write_all
from sidecar.workers.framing import Unframer, encode
from sidecar.workers.messages import Message, ToWorker

MAX_WAITING_MESSAGES: Final = 65_536
"""More than what may wait for the clients of a full class that read nothing, all together."""

RESERVED_MESSAGES: Final = 64_000
"""Of these places, how many are kept free of what the main process can do without: the log."""

FLUSH_TIMEOUT_S: Final = 0.2


class Parent:
    """Sends messages and hears messages; the end of the pipe is the main process's end.

    Args:
        stdout: Where messages go; nobody else may write there.
        stdin: Where they come from.
    """

    def __init__(self, stdout: int, stdin: int) -> None:
        def write(data: bytes) -> None:
            write_all(stdout, data)

        self._writer = BackgroundWriter(write, MAX_WAITING_MESSAGES, "to main")
        self._stdin = stdin
        self._on_gone: Callable[[], None] = lambda: None

    def post(self, message: Message) -> None:
        """Send a message; never waits. A main process that takes no more counts as gone."""
        if not self._writer.put(encode(message)):
            self._on_gone()

    def post_dispensable(self, message: Message) -> None:
        """Send a message unless many are waiting."""
        self._writer.put(encode(message), reserve=RESERVED_MESSAGES)

    def listen(
        self,
        loop: asyncio.AbstractEventLoop,
        on_message: Callable[[ToWorker], None],
        on_gone: Callable[[], None],
    ) -> None:
        """Hear the main process from now on, in a daemon thread.

        Args:
            loop: Where ``on_message`` is called.
            on_message: Gets each message.
            on_gone: Is called at the end of the pipe, in the thread, so that it is heard even
                when the loop hangs; also when the main process does not read any more.
        """
        self._on_gone = on_gone
        arguments = (self._stdin, loop, on_message, on_gone)
        threading.Thread(target=_read, args=arguments, name="stdin", daemon=True).start()

    def close(self) -> None:
        """Let what was said last be written."""
        self._writer.close(FLUSH_TIMEOUT_S)


def _read(
    stdin: int,
    loop: asyncio.AbstractEventLoop,
    on_message: Callable[[ToWorker], None],
    on_gone: Callable[[], None],
) -> None:
    with suppress(RuntimeError):  # The loop is closed: it is all over anyway.
        try:
            unframer = Unframer[ToWorker](ToWorker)
            while chunk := read_some(stdin):
                if messages := unframer.feed(chunk):
                    loop.call_soon_threadsafe(_hand_over, messages, on_message)
        finally:
            on_gone()


def _hand_over(messages: Sequence[ToWorker], on_message: Callable[[ToWorker], None]) -> None:
    for message in messages:
        on_message(message)
