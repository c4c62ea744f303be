"""Freezes the SFU into an executable that needs no Python.

    python3 scripts/build_sidecar.py                              # dist/classroom-sfu-TRIPLE
    python3 scripts/build_sidecar.py --tauri APP/src-tauri        # the same for a Tauri app
    python3 scripts/build_sidecar.py --onedir [--tauri ...]       # a folder instead of one file

The one file goes to `binaries/classroom-sfu-TRIPLE[.exe]` of the app, for `bundle.externalBin`;
the folder to `binaries/classroom-sfu/`, for `bundle.resources`. It starts faster, since nothing
has to be unpacked, and virus scanners like it better.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from scripts import dev  # noqa: E402
from scripts.freezing.triple import UnknownTripleError, target_triple  # noqa: E402

NAME = "classroom-sfu"
SPEC = ROOT / "pyinstaller.spec"
BUILD = ROOT / "build"
DIST = ROOT / "dist"
SUFFIX = ".exe" if sys.platform == "win32" else ""


class BuildError(Exception):
    """It can't be built; the message says why."""


def main(argv: Sequence[str]) -> int:
    """Build, and return the exit code."""
    arguments = parse(argv)
    try:
        dev.check_python()
        dev.prepare(extras=("build",))
        frozen = freeze(arguments)
        installed = install(frozen, destination(arguments.tauri, arguments.onedir))
        check(installed / f"{NAME}{SUFFIX}" if arguments.onedir else installed)
    except (BuildError, UnknownTripleError, dev.SetupError) as error:
        print(f"build_sidecar.py: {error}", file=sys.stderr)
        return 1
    print(installed)
    return 0


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--onedir", action="store_true", help="make a folder, not one file")
    parser.add_argument(
        "--tauri", type=Path, metavar="DIR", help="a Tauri app's src-tauri, to put it into"
    )
    parser.add_argument(
        "--codesign-identity", metavar="NAME", help="macOS: sign with this identity"
    )
    parser.add_argument(
        "--entitlements", type=Path, metavar="FILE", help="macOS: a plist to sign with"
    )
    return parser.parse_args(argv)


def freeze(arguments: argparse.Namespace) -> Path:
    """Run PyInstaller and return what it has made.

    Raises:
        BuildError: It failed, or the result is larger than its budget.
    """
    form = "onedir" if arguments.onedir else "onefile"
    places = ["--distpath", str(BUILD / form), "--workpath", str(BUILD / f"{form}-work")]
    options = ["--onedir"] * arguments.onedir
    if arguments.codesign_identity is not None:
        options += ["--codesign-identity", arguments.codesign_identity]
    if arguments.entitlements is not None:
        options += ["--entitlements", str(arguments.entitlements.resolve())]
    pyinstaller = [str(dev.VENV_PYTHON), "-m", "PyInstaller", "--noconfirm", "--log-level=ERROR"]
    command = [*pyinstaller, *places, str(SPEC), "--", *options]
    if subprocess.run(command, cwd=ROOT, stdout=sys.stderr, check=False).returncode:
        raise BuildError("PyInstaller failed; its own message stands above")
    return BUILD / form / (NAME if arguments.onedir else f"{NAME}{SUFFIX}")


def destination(tauri: Path | None, onedir: bool) -> Path:
    """Return where the result belongs.

    Raises:
        BuildError: There is no such app.
        UnknownTripleError: This machine has no triple.
    """
    if tauri is None:
        folder = DIST
    elif (tauri / "tauri.conf.json").is_file():
        folder = tauri / "binaries"
    else:
        raise BuildError(f"{tauri} is no src-tauri: it has no tauri.conf.json")
    return folder / (NAME if onedir else f"{NAME}-{target_triple()}{SUFFIX}")


def install(frozen: Path, target: Path) -> Path:
    """Put what was frozen in the place of what may be there, and return where."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if frozen.is_dir():
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(frozen, target, symlinks=True)
    else:
        # Not over the old one, which may be running.
        target.unlink(missing_ok=True)
        shutil.copy2(frozen, target)
    return target


def check(executable: Path) -> None:
    """Make sure that the result runs.

    Raises:
        BuildError: It does not.
    """
    done = subprocess.run([str(executable), "--version"], capture_output=True, check=False)
    if done.returncode or not done.stdout.startswith(NAME.encode()):
        said = done.stderr.decode(errors="replace")
        raise BuildError(f"{executable} was built but does not run:\n{said}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
