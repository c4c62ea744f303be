"""The program under test, as its host has it: commands, events, the log and /proc."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

from scripts.soaking.errors import SoakError

ROOT = Path(__file__).resolve().parents[2]
SOURCE = (sys.executable, "-m", "sidecar")
OPTIONS = (
    *("--host", "127.0.0.1", "--port", "0", "--media-ports", "0"),
    *("--num-workers", "1", "--log-file", "none"),
)
ANSWER_TIMEOUT_S = 30.0
EXIT_TIMEOUT_S = 5.0
LINE_BYTES = 1 << 22
DEFECTS = ("Traceback", " CRITICAL ", " ERROR ")


class Sidecar:
    """Runs until it is stopped.

    Attributes:
        ready: Its first line.
        warnings: How often it warned of what, by code.
        defects: Lines of its log that should not be there.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.ready: dict[str, Any] = {}
        self.warnings: Counter[str] = Counter()
        self.defects: list[str] = []
        self._process = process
        self._events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._readers = (
            asyncio.create_task(_read(process.stdout, self._on_event)),
            asyncio.create_task(_read(process.stderr, self._on_log)),
        )

    @classmethod
    async def launch(cls, command: Sequence[str] = SOURCE) -> Self:
        """Start it and wait until it is ready.

        Args:
            command: The program; that of the source unless given.
        """
        kept = {k: v for k, v in os.environ.items() if not k.startswith("CLASSROOM_SFU_")}
        process = await asyncio.create_subprocess_exec(
            *command,
            *OPTIONS,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=ROOT,
            env=kept,
            limit=LINE_BYTES,
        )
        sidecar = cls(process)
        sidecar.ready = await sidecar._next("ready")
        return sidecar

    @property
    def url(self) -> str:
        """Of the WebSocket."""
        return str(self.ready["localUrl"])

    @property
    def media_address(self) -> tuple[str, int]:
        """Where it takes media."""
        return "127.0.0.1", int(self.ready["media"]["port"])

    async def status(self) -> dict[str, Any]:
        """What it says is going on."""
        self._say({"command": "status"})
        return await self._next("status")

    def suspend(self) -> None:
        """Put it to sleep, as the computer's own sleep does."""
        os.kill(self.ready["pid"], signal.SIGSTOP)

    def wake(self) -> None:
        """Let it go on."""
        os.kill(self.ready["pid"], signal.SIGCONT)

    def open_files(self) -> int:
        """How many descriptors it has open."""
        return len(os.listdir(f"/proc/{self.ready['pid']}/fd"))

    async def stop(self) -> None:
        """Have it end.

        Raises:
            SoakError: It did not, or not in order.
        """
        self._say({"command": "shutdown"})
        try:
            async with asyncio.timeout(EXIT_TIMEOUT_S):
                exit_code = await self._process.wait()
                await asyncio.gather(*self._readers)
        except TimeoutError:
            raise SoakError("it would not end") from None
        if exit_code:
            raise SoakError(f"it ended with exit code {exit_code}")

    def kill(self) -> None:
        """End it the hard way, if it still runs."""
        for reader in self._readers:
            reader.cancel()
        if self._process.returncode is None:
            self._process.kill()

    def _say(self, command: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")

    async def _next(self, name: str) -> dict[str, Any]:
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                while (event := await self._events.get())["event"] != name:
                    pass
        except TimeoutError:
            raise SoakError(f"it never said {name!r}") from None
        return event

    def _on_event(self, line: str) -> None:
        event = json.loads(line)
        if event["event"] == "warning":
            self.warnings[event["code"]] += 1
        elif event["event"] in ("ready", "status"):
            self._events.put_nowait(event)
        elif event["event"] == "fatal":
            self.defects.append(line)

    def _on_log(self, line: str) -> None:
        if any(defect in line for defect in DEFECTS):
            self.defects.append(line)


async def _read(pipe: asyncio.StreamReader | None, on_line: Callable[[str], None]) -> None:
    assert pipe is not None
    while line := await pipe.readline():
        on_line(line.decode(errors="replace").rstrip())
