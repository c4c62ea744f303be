"""Processes of their own for those who load the server, commanded over a pipe.

The server shares no interpreter with them, nor the teacher with the students: a busy receiver does
not upset the teacher's pacing.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Protocol, Self

from scripts.benchmark.errors import BenchError
from tests.support.dtls import DtlsError
from tests.support.ice import IceError
from tests.support.signaling import ProtocolError

EXIT_TIMEOUT_S = 10.0

PEER_FAILURES = (AssertionError, DtlsError, IceError, OSError, ProtocolError)


class Player(Protocol):
    """What lives in a worker; its coroutine methods are its commands."""

    async def leave(self) -> None:
        """End everything, whatever state it is in."""


class Worker:
    """One process with one player.

    Args:
        make_player: Called in that process, inside its event loop; importable from a module.
        arguments: For it.
    """

    def __init__(self, make_player: Callable[..., Player], *arguments: Any) -> None:
        # Not a fork: nothing of this process, its sockets and threads, shall be in there.
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_run, args=(theirs, make_player, arguments), daemon=True
        )
        self._process.start()
        theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._pipe.close()
        self._process.join(EXIT_TIMEOUT_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def call(self, command: str, *arguments: Any, timeout_s: float) -> Any:
        """Run a command and return its result.

        Raises:
            BenchError: It failed, or took too long.
        """
        self.begin(command, *arguments)
        return self.result(command, timeout_s=timeout_s)

    def begin(self, command: str, *arguments: Any) -> None:
        """Send a command; `result` must follow."""
        self._pipe.send((command, arguments))

    def result(self, command: str, *, timeout_s: float) -> Any:
        """Wait for what `begin` has begun, see `call`."""
        try:
            if not self._pipe.poll(timeout_s):
                raise BenchError(f"{command!r} was not done within {timeout_s:g} s")
            result = self._pipe.recv()
        except (EOFError, ConnectionError):
            raise BenchError(f"a process of the load generator died in {command!r}") from None
        if isinstance(result, BenchError):
            raise result
        return result


def call_all(
    workers: Sequence[Worker], command: str, *arguments: Any, timeout_s: float
) -> list[Any]:
    """Run one command in several processes at the same time."""
    for worker in workers:
        worker.begin(command, *arguments)
    return [worker.result(command, timeout_s=timeout_s) for worker in workers]


def cpu_ns() -> int:
    """CPU time of the calling process."""
    return time.process_time_ns()


def _run(pipe: Connection, make_player: Callable[..., Player], arguments: tuple[Any, ...]) -> None:
    try:
        asyncio.run(_serve(pipe, make_player, arguments))
    except KeyboardInterrupt:
        pass  # it went to the commanding process too, which says what there is to say


async def _serve(
    pipe: Connection, make_player: Callable[..., Player], arguments: tuple[Any, ...]
) -> None:
    player = make_player(*arguments)
    try:
        while True:
            try:
                command, parameters = await asyncio.to_thread(pipe.recv)
            except EOFError:
                return
            try:
                result = await getattr(player, command)(*parameters)
            except BenchError as error:
                result = error
            except TimeoutError:
                result = BenchError(f"{command!r} failed: the server did not answer in time")
            except PEER_FAILURES as error:
                result = BenchError(f"{command!r} failed: {error}")
            pipe.send(result)
    finally:
        await player.leave()
