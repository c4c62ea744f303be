from __future__ import annotations

import platform
import subprocess
import sys
from typing import Any

import pytest

from scripts.freezing.triple import UnknownTripleError, host_of, target_triple, triple_of

RUSTC = """\
rustc 1.95.0 (59807616e 2026-04-14)
binary: rustc
host: x86_64-unknown-linux-musl
release: 1.95.0
"""


@pytest.mark.parametrize(
    ("system", "machine", "expected"),
    [
        ("linux", "x86_64", "x86_64-unknown-linux-gnu"),
        ("linux", "aarch64", "aarch64-unknown-linux-gnu"),
        ("win32", "AMD64", "x86_64-pc-windows-msvc"),
        ("win32", "ARM64", "aarch64-pc-windows-msvc"),
        ("win32", "x86", "i686-pc-windows-msvc"),
        ("darwin", "arm64", "aarch64-apple-darwin"),
        ("darwin", "x86_64", "x86_64-apple-darwin"),
    ],
)
def test_the_triple_of_what_python_knows(system: str, machine: str, expected: str) -> None:
    assert triple_of(system, machine) == expected


@pytest.mark.parametrize(("system", "machine"), [("sunos5", "x86_64"), ("linux", "")])
def test_a_machine_without_a_triple_is_an_error(system: str, machine: str) -> None:
    with pytest.raises(UnknownTripleError, match="install Rust"):
        triple_of(system, machine)


@pytest.mark.parametrize("output", ["", "release: 1.95.0", "host: "])
def test_output_without_a_host(output: str) -> None:
    assert host_of(output) is None


def test_rustc_knows_best(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: list[str], **_options: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 0, stdout=RUSTC)

    monkeypatch.setattr(subprocess, "run", run)
    assert target_triple() == "x86_64-unknown-linux-musl"


@pytest.mark.parametrize(
    "error", [FileNotFoundError("rustc"), subprocess.CalledProcessError(1, "rustc")]
)
def test_without_rustc_python_is_asked(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(_command: list[str], **_options: Any) -> subprocess.CompletedProcess[str]:
        raise error

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert target_triple() == "aarch64-apple-darwin"
