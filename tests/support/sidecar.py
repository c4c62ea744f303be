"""The program as its host has it: a process and two or three pipes."""

from __future__ import annotations

import contextlib
import json
import subprocess
from typing import Any

EXIT_TIMEOUT_S = 10.0


class Sidecar:
    """Hears and says lines, one at a time."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    def hear(self) -> dict[str, Any]:
        """The next line."""
        assert self.process.stdout is not None
        event = json.loads(self.process.stdout.readline())
        assert isinstance(event, dict)
        return event

    def hear_all(self) -> list[dict[str, Any]]:
        """Every line until the end of stdout."""
        events: list[dict[str, Any]] = []
        self.hear_into(events)
        return events

    def hear_into(self, events: list[dict[str, Any]]) -> None:
        """Append every line until the end of stdout, each when it comes."""
        assert self.process.stdout is not None
        events.extend(json.loads(line) for line in self.process.stdout)

    def say(self, line: str | bytes) -> None:
        """Send a line."""
        self.write((line.encode() if isinstance(line, str) else line) + b"\n")

    def write(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def ask(self, line: str) -> dict[str, Any]:
        """Send a line and return the next one."""
        self.say(line)
        return self.hear()

    def vanish(self) -> None:
        """Close stdin, as the system does when a host dies."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def exit_code(self) -> int:
        return self.process.wait(EXIT_TIMEOUT_S)

    def kill(self) -> None:
        """End it the hard way, if it still runs."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
