"""How the program runs itself."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from sidecar.workers.launch import launch, worker_command


def test_from_source_it_is_the_same_python() -> None:
    assert worker_command() == [sys.executable, "-m", "sidecar", "--worker"]


def test_frozen_it_is_the_same_executable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert worker_command() == [sys.executable, "--worker"]


def test_the_pipes_are_its_stdin_and_stdout(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[dict[str, Any]] = []

    def popen(_command: list[str], **options: Any) -> None:
        started.append(options)

    monkeypatch.setattr(subprocess, "Popen", popen)
    launch()
    (options,) = started
    assert options["stdin"] == options["stdout"] == subprocess.PIPE
    assert "stderr" not in options
