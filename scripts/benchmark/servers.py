"""What is measured: this repository's server, another command, or one that runs already."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scripts.benchmark.errors import BenchError
from tests.support.sfu_process import SfuProcess

OWN = "own"
PORT_FIELD = "{port}"
CLIENTS_FIELD = "{clients}"
READY_TIMEOUT_S = 20.0
EXIT_TIMEOUT_S = 5.0
LOG_TAIL_CHARACTERS = 2000
MAX_BITRATE_BPS = 100_000_000


@dataclass(frozen=True, slots=True)
class RunningServer:
    """Where a server is reached and which process is charged for its work."""

    url: str
    pid: int


@dataclass(frozen=True, slots=True)
class Server:
    """One candidate.

    Attributes:
        name: For tables and plots.
        command: To start it with, `{port}` and `{clients}` (peers in a room) filled in; empty for
            this repository's own.
        running: Set for one that runs already.
    """

    name: str
    command: str = ""
    running: RunningServer | None = None

    @classmethod
    def parse(cls, text: str) -> Server:
        """Make one from `own`, `COMMAND` or `NAME=COMMAND`.

        Raises:
            BenchError: The command does not say where its port goes.
        """
        if text == OWN:
            return cls(OWN)
        name, equals, command = text.partition("=")
        if not equals or " " in name:
            name, command = Path(text.split()[0]).name if text.split() else "", text
        if PORT_FIELD not in command:
            raise BenchError(
                f"--server {text!r}: write {PORT_FIELD} where its WebSocket port belongs"
            )
        return cls(name, command)

    @contextmanager
    def start(self, clients: int) -> Iterator[RunningServer]:
        """Run it for a while.

        Args:
            clients: Peers that its room has to hold.

        Raises:
            BenchError: It did not start.
        """
        if self.running is not None:
            yield self.running
        elif self.command:
            with _other(self.command, clients) as server:
                yield server
        else:
            with _own(clients) as server:
                yield server


@contextmanager
def _own(clients: int) -> Iterator[RunningServer]:
    arguments = ["--host", "127.0.0.1", "--port", "0", "--media-ports", "0"]
    arguments += ["--max-clients-per-room", str(clients)]
    arguments += ["--max-incoming-bitrate", str(MAX_BITRATE_BPS)]  # what is beyond it is discarded
    with tempfile.TemporaryDirectory() as folder:
        try:
            sfu = SfuProcess(arguments, Path(folder) / "sfu")
        except AssertionError as error:
            raise BenchError(f"the server did not start: {error}") from None
        try:
            yield RunningServer(sfu.url, sfu.pid)
        finally:
            sfu.stop()


@contextmanager
def _other(command: str, clients: int) -> Iterator[RunningServer]:
    port = _free_port()
    filled = command.replace(PORT_FIELD, str(port)).replace(CLIENTS_FIELD, str(clients))
    with tempfile.TemporaryFile("w+", errors="replace") as log:
        try:
            # A session of its own, so that its children can be ended with it.
            process = subprocess.Popen(
                shlex.split(filled),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise BenchError(f"cannot run {filled!r}: {error}") from None
        try:
            if not _wait_for_port(process, port):
                log.seek(0)
                tail = log.read()[-LOG_TAIL_CHARACTERS:]
                raise BenchError(f"{filled!r} did not listen on port {port}:\n{tail}")
            yield RunningServer(f"ws://127.0.0.1:{port}", process.pid)
        finally:
            _end(process)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for_port(process: subprocess.Popen[bytes], port: int) -> bool:
    deadline_s = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline_s and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
            return True
        time.sleep(0.05)
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(EXIT_TIMEOUT_S)
    if process.stdin is not None:
        process.stdin.close()
