"""Everything a developer does, on Linux, Windows and macOS alike.

    python3 scripts/dev.py run [options of classroom-sfu]
    python3 scripts/dev.py test [options of pytest]
    python3 scripts/dev.py lint

Each command makes the virtual environment ``.venv`` and installs what it needs, if that is not
done already. This file uses only the standard library: it runs before anything is installed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
VENV_STAMP = VENV / "installed.json"
PAGE = ROOT / "tests" / "interop" / "page"
BRIDGE = ROOT / "tauri-bridge"
NPM_STAMP = Path("node_modules") / ".installed.json"
BRIDGE_CRATE = "tauri-plugin-classroom-sfu"
OLDEST_PYTHON = (3, 11)
INTERRUPTED = 2
"""What pytest ends with after Ctrl+C."""

RUST = "Rust; install it from https://rustup.rs"
NODE = "Node.js with npm; install it from https://nodejs.org"
TAURI_LIBRARIES = (
    "the libraries that Tauri is built with; "
    "install them with: apt-get install libwebkit2gtk-4.1-dev pkg-config"
)


class SetupError(Exception):
    """The machine lacks something; the message says what and how to get it."""


def main(argv: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    commands = {"run": run, "test": test, "lint": lint}
    if not argv or argv[0] not in commands:
        wants_help = bool(argv) and argv[0] in ("-h", "--help")
        print(__doc__, file=sys.stdout if wants_help else sys.stderr)
        return 0 if wants_help else 2
    try:
        check_python()
        return commands[argv[0]](argv[1:])
    except SetupError as error:
        print(f"dev.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def run(arguments: Sequence[str]) -> int:
    """Start the SFU; what it prints says where to connect."""
    prepare(extras=())
    command = [str(VENV_PYTHON), "-m", "sidecar", *arguments]
    if os.name == "nt":
        return _wait_for(command)
    # The SFU takes this process's place, so that whoever stops one stops the other.
    os.execv(command[0], command)


def test(arguments: Sequence[str]) -> int:
    """Run the tests; with ``--all`` a missing browser or Node is a failure, not a skip.

    The Tauri plugin's own tests come after those of pytest, unless these are chosen by arguments.
    """
    prepare(extras=("build", "test"))  # some tests freeze the program
    prepare_npm(PAGE)
    code = _wait_for([str(VENV_PYTHON), "-m", "pytest", *arguments], folder=ROOT)
    if code == INTERRUPTED or not {"--all"}.issuperset(arguments):
        return code
    return max(code, test_bridge(missing_is_failure="--all" in arguments))


def test_bridge(missing_is_failure: bool) -> int:
    """Run the tests of the Tauri plugin and of its guest JS, where there are Rust and npm."""
    if missing := _missing_for_rust():
        code = _skip("Rust tests of tauri-bridge", missing, missing_is_failure)
    else:
        code = _wait_for(["cargo", "test", "--locked", "--package", BRIDGE_CRATE], folder=BRIDGE)
    npm = shutil.which("npm")
    if npm is None:
        return max(code, _skip("npm tests of tauri-bridge", NODE, missing_is_failure))
    prepare_npm(BRIDGE)
    return max(code, _wait_for([npm, "test"], folder=BRIDGE))


def lint(arguments: Sequence[str]) -> int:
    """Check style, format and types, also of the Tauri plugin where there is Rust."""
    if arguments:
        raise SetupError("lint takes no arguments")
    # mypy looks into the packages that the tests import, so these must be there too.
    prepare(extras=("test", "lint"))
    checks = (["ruff", "check"], ["ruff", "format", "--check"], ["mypy"])
    codes = [_wait_for([str(VENV_PYTHON), "-m", *check], folder=ROOT) for check in checks]
    if missing := _missing_for_rust():
        _skip("lint of tauri-bridge", missing, missing_is_failure=False)
        return max(codes)
    clippy = ["clippy", "--locked", "--all-targets", "--package", BRIDGE_CRATE]
    for arguments in (["fmt", "--all", "--check"], [*clippy, "--", "--deny", "warnings"]):
        codes.append(_wait_for(["cargo", *arguments], folder=BRIDGE))
    return max(codes)


def check_python() -> None:
    """Raise SetupError unless this Python can run the SFU and make virtual environments."""
    if sys.version_info < OLDEST_PYTHON:
        wanted, found = (".".join(map(str, v[:2])) for v in (OLDEST_PYTHON, sys.version_info))
        raise SetupError(
            f"Python {wanted} or newer is needed and this is {found}.\n"
            f"Get it from https://www.python.org/downloads/ or from your system's packages, "
            f"then run: python{wanted} scripts/dev.py"
        )
    missing = [name for name in ("venv", "ensurepip") if importlib.util.find_spec(name) is None]
    if missing and not VENV_PYTHON.exists():
        raise SetupError(
            f"this Python cannot make a virtual environment: it has no {' and no '.join(missing)}."
            "\nOn Debian and Ubuntu install it with: apt-get install python3-venv"
        )


def prepare(extras: Sequence[str]) -> None:
    """Make the virtual environment hold the project with these extras.

    It is made anew when it belongs to another folder (moved or copied) or another Python; pip
    runs only when ``pyproject.toml`` has changed since, or an extra is missing.
    """
    identity = {"folder": str(ROOT), "python": f"{sys.version_info[0]}.{sys.version_info[1]}"}
    project = {"pyproject": _digest(ROOT / "pyproject.toml")}
    stamp = _read_stamp(VENV_STAMP) if VENV_PYTHON.exists() else {}
    installed: set[str] = set()
    if identity.items() <= stamp.items():
        installed.update(stamp.get("extras", "").split())
        if project.items() <= stamp.items() and installed.issuperset(extras):
            return
    else:
        print(f"dev.py: making {VENV}", file=sys.stderr)
        _setup_step([sys.executable, "-m", "venv", "--clear", str(VENV)])
    wanted = sorted(installed.union(extras))
    what = f".[{','.join(wanted)}]" if wanted else "."
    print(f"dev.py: installing {what}", file=sys.stderr)
    pip = [str(VENV_PYTHON), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    _setup_step([*pip, "--editable", what])
    _write_stamp(VENV_STAMP, {**identity, **project, "extras": " ".join(wanted)})


def prepare_npm(folder: Path) -> None:
    """Install the npm packages of a folder, where there is npm.

    Without them the tests that need them are skipped, or fail, and say so.
    """
    lock = folder / "package-lock.json"
    npm = shutil.which("npm")
    if npm is None or not lock.exists():
        return
    wanted = {"lock": _digest(lock)}
    if _read_stamp(folder / NPM_STAMP) == wanted:
        return
    print(f"dev.py: installing the npm packages of {folder}", file=sys.stderr)
    install = [npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"]
    if subprocess.run(install, cwd=folder, stdout=sys.stderr, check=False).returncode:
        print(f"dev.py: npm failed, so what needs it in {folder} cannot run", file=sys.stderr)
        return
    _write_stamp(folder / NPM_STAMP, wanted)


def _missing_for_rust() -> str:
    """What the Rust tests lack and how to get it, or nothing."""
    if shutil.which("cargo") is None:
        return RUST
    if not sys.platform.startswith("linux"):
        return ""
    pkg_config = shutil.which("pkg-config")
    if pkg_config is None:
        return TAURI_LIBRARIES
    found = subprocess.run([pkg_config, "--exists", "webkit2gtk-4.1"], check=False)
    return TAURI_LIBRARIES if found.returncode else ""


def _skip(what: str, missing: str, missing_is_failure: bool) -> int:
    outcome = "FAILED" if missing_is_failure else "SKIPPED"
    print(f"dev.py: {outcome} the {what}: this needs {missing}", file=sys.stderr)
    return int(missing_is_failure)


def _setup_step(command: Sequence[str]) -> None:
    # stdout stays the SFU's own: a host reads its first line.
    done = subprocess.run(command, cwd=ROOT, stdout=sys.stderr, check=False)
    if done.returncode:
        raise SetupError(
            f"this failed: {' '.join(command)}\n"
            "Its own message stands above. An installation needs the network; when it was "
            "interrupted, simply run the command again."
        )


def _wait_for(command: Sequence[str], folder: Path | None = None) -> int:
    with subprocess.Popen(command, cwd=folder) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                # Ctrl+C goes to the program as well, which ends in its own time.
                continue


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read_stamp(path: Path) -> dict[str, str]:
    """Return what was done, or nothing if that cannot be known."""
    try:
        stamp = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def _write_stamp(path: Path, stamp: Mapping[str, str]) -> None:
    path.write_text(json.dumps(stamp, indent=1), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
