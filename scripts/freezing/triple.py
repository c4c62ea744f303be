"""The target triple of this machine, by which Tauri finds the executables that it bundles."""

from __future__ import annotations

import platform
import subprocess
import sys

_MACHINES = {"amd64": "x86_64", "arm64": "aarch64", "i386": "i686", "x86": "i686"}
"""Other names of what Rust calls by these."""

_SYSTEMS = {
    "win32": "pc-windows-msvc",
    "darwin": "apple-darwin",
    "linux": "unknown-linux-gnu",
}


class UnknownTripleError(Exception):
    """Nothing on this machine tells its triple."""


def target_triple() -> str:
    """Asks rustc, or else derives it from what Python knows.

    Raises:
        UnknownTripleError: Python knows too little, and there is no rustc.
    """
    return _triple_of_rustc() or triple_of(sys.platform, platform.machine())


def triple_of(system: str, machine: str) -> str:
    """Derives a triple.

    Args:
        system: As ``sys.platform`` has it.
        machine: As ``platform.machine()`` has it.

    Raises:
        UnknownTripleError: The system or the machine is none that Tauri supports.
    """
    machine = machine.lower()
    if system not in _SYSTEMS or not machine:
        raise UnknownTripleError(f"no target triple is known for {machine} {system}; install Rust")
    return f"{_MACHINES.get(machine, machine)}-{_SYSTEMS[system]}"


def host_of(rustc_output: str) -> str | None:
    """Finds the triple in what ``rustc -vV`` says."""
    for line in rustc_output.splitlines():
        key, _, value = line.partition(": ")
        if key == "host":
            return value.strip() or None
    return None


def _triple_of_rustc() -> str | None:
    try:
        done = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return host_of(done.stdout)
