"""A worker process at the other end of two pipes."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import msgspec

from sidecar.lifecycle.background_writer import BackgroundWriter
from sidecar.lifecycle.stdio import read_some, write_all
from sidecar.workers.framing import Unframer, encode
from sidecar.workers.messages import Message, ToMain

logger = logging.getLogger(__name__)

MAX_WAITING_MESSAGES: Final = 16_384
"""One frame and little else waits for each client: so many mean that the worker hangs."""

_WRITER_TIMEOUT_S: Final = 1.0

Launch = Callable[[], subprocess.Popen[bytes]]


class Child:
    """Starts a process, talks to it without ever waiting for it, and sees its end.

    Two threads do what may block: one starts the process, reads and waits for the end; one writes.

    Args:
        launch: Starts it. Called in a thread: it may take a while.
        on_messages: Is called in the loop with what comes.
        on_end: Is called in the loop, once, when it has ended or could not be started; with the
            reason.
    """

    def __init__(
        self,
        launch: Launch,
        on_messages: Callable[[Sequence[ToMain]], None],
        on_end: Callable[[str], None],
    ) -> None:
        self._launch = launch
        self._on_messages = on_messages
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._process: subprocess.Popen[bytes] | None = None
        self._started = threading.Event()
        self._is_killed = False
        self._writer = BackgroundWriter(self._write, MAX_WAITING_MESSAGES, "to worker")
        threading.Thread(target=self._keep, name="worker", daemon=True).start()

    def post(self, message: Message) -> None:
        """Send a message; never waits. A worker that takes no more is ended."""
        if not self._writer.put(encode(message)):
            self.kill()

    def kill(self) -> None:
        """End the process the hard way, also if it hasn't started yet."""
        self._is_killed = True
        if self._process is not None:
            self._process.kill()

    def _write(self, data: bytes) -> None:
        self._started.wait()
        if self._process is None or self._process.stdin is None:
            raise BrokenPipeError
        write_all(self._process.stdin.fileno(), data)

    def _keep(self) -> None:
        try:
            self._process = self._launch()
        except OSError as error:
            self._started.set()
            self._writer.close(_WRITER_TIMEOUT_S)
            self._call(self._on_end, f"it cannot be started: {error.strerror or error}")
            return
        self._started.set()
        if self._is_killed:
            self._process.kill()
        with self._process as process:
            self._read(process)
            # Nothing is heard of it any more: what it may still do is of no use.
            process.kill()
            exit_code = process.wait()
            self._writer.close(_WRITER_TIMEOUT_S)
        self._call(self._on_end, f"exit code {exit_code}")

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        unframer = Unframer[ToMain](ToMain)
        try:
            while chunk := read_some(process.stdout.fileno()):
                messages = unframer.feed(chunk)
                if messages:
                    self._call(self._on_messages, messages)
        except msgspec.DecodeError:
            logger.exception("a worker says what nobody understands")

    def _call(self, function: Callable[..., None], argument: object) -> None:
        with suppress(RuntimeError):  # The loop is closed: it is all over anyway.
            self._loop.call_soon_threadsafe(function, argument)
