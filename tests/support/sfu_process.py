"""The SFU as its host sees it: a child process with a handshake on stdout."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import threading
from pathlib import Path
from typing import IO, Any

from tests.support.ice import Address
from tests.support.programs import PROJECT_FOLDER, Program, program

READY_TIMEOUT_S = 20.0
EXIT_TIMEOUT_S = 10.0
# Windows has neither SIGTERM nor a way to spare the test process from its substitute but a group.
STOP_SIGNAL = getattr(signal, "CTRL_BREAK_EVENT", signal.SIGTERM)
CREATION_FLAGS = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)


class SfuProcess:
    """Starts the SFU and waits until it is ready.

    Args:
        arguments: Command line, after the program's own; it sees no other settings.
        folder: Of its own; gets its stderr and an empty configuration file.
        command: The program; that of the source unless given.

    Attributes:
        ready: The JSON object of its first line on stdout.

    Raises:
        AssertionError: It ended, or said nothing, or something else.
    """

    def __init__(self, arguments: list[str], folder: Path, command: Program | None = None) -> None:
        folder.mkdir()
        self._log_path = folder / "stderr.log"
        with self._log_path.open("wb") as log:
            self._process = subprocess.Popen(
                [*(command or program("source")), *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=PROJECT_FOLDER,
                env=_environment(folder),
                creationflags=CREATION_FLAGS,
            )
        try:
            self.ready = self._read_ready()
        except BaseException:
            self._process.kill()
            self._reap()
            raise

    @property
    def url(self) -> str:
        """Of the WebSocket."""
        return f"ws://127.0.0.1:{self.ready['port']}"

    @property
    def media_address(self) -> Address:
        """Where it takes media."""
        return "127.0.0.1", self.ready["media"]["port"]

    @property
    def pid(self) -> int:
        """Process id of what serves, which is not the launcher's."""
        return int(self.ready["pid"])

    def log(self) -> str:
        """What it has written to stderr so far."""
        return self._log_path.read_text(encoding="utf-8", errors="replace")

    def resident_bytes(self) -> int | None:
        """Resident memory; None where the system has no /proc."""
        status = Path(f"/proc/{self.pid}/status")
        if not status.exists():
            return None
        lines = status.read_text(encoding="ascii").splitlines()
        line = next(line for line in lines if line.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024

    def stop(self) -> int:
        """Ask it to end and return its exit code.

        Raises:
            AssertionError: It did not.
        """
        self._process.send_signal(STOP_SIGNAL)
        try:
            self._process.wait(EXIT_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise AssertionError(f"the SFU would not end:\n{self.log()}") from None
        finally:
            self._reap()
        return self._process.returncode

    def _read_ready(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        try:
            line = _read_line(self._process.stdout)
        except queue.Empty:
            raise AssertionError(f"the SFU never was ready:\n{self.log()}") from None
        try:
            ready = json.loads(line)
        except ValueError:
            raise AssertionError(f"not the ready line: {line!r}\n{self.log()}") from None
        assert ready["event"] == "ready", ready
        return dict(ready)

    def _reap(self) -> None:
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def _environment(folder: Path) -> dict[str, str]:
    """This process's environment without settings of the SFU, which logs to stderr only."""
    config = folder / "config.toml"
    config.touch()
    kept = {k: v for k, v in os.environ.items() if not k.startswith("CLASSROOM_SFU_")}
    return {**kept, "CLASSROOM_SFU_CONFIG": str(config), "CLASSROOM_SFU_LOG_FILE": "none"}


def _read_line(pipe: IO[bytes]) -> bytes:
    """Read one line, without waiting for ever (pipes have no timeout on Windows)."""
    lines: queue.Queue[bytes] = queue.Queue()
    threading.Thread(target=lambda: lines.put(pipe.readline()), daemon=True).start()
    return lines.get(timeout=READY_TIMEOUT_S)
