"""How long the frozen SFU takes to be ready, and what it has in memory while nobody is there.

    python3 scripts/startup.py [--rounds 15]

Freezes it in both forms, and a program that only says hello in the same way, and starts these in
turns. Linux only.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from scripts import build_sidecar, dev  # noqa: E402
from scripts.benchmark.errors import BenchError  # noqa: E402
from scripts.benchmark.processes import ProcessTree  # noqa: E402

HELLO = 'print("hello", flush=True)\n'
ANY_PORTS = ("--port", "0", "--media-ports", "0", "--log-file", "none")
SETTLING_S = 1.0
"""What is imported after `ready` is there by then."""

MIB = 1 << 20


class Start(NamedTuple):
    """One start of a program.

    Attributes:
        ready_ms: From its launch to its first line.
        idle_pss_bytes: Of all of its processes a while later; 0 if it has ended by then.
    """

    ready_ms: float
    idle_pss_bytes: int


class Subject(NamedTuple):
    """What is measured.

    Attributes:
        name: For people.
        command: Its command line.
        size_bytes: Of its file or folder.
    """

    name: str
    command: tuple[str, ...]
    size_bytes: int


def main(argv: Sequence[str]) -> int:
    """Measure, print a table and return the exit code."""
    parser = argparse.ArgumentParser(description="Measure start-up and idle memory.")
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args(argv).rounds
    try:
        subjects = freeze_all()
        starts: dict[Subject, list[Start]] = {subject: [] for subject in subjects}
        # The first round fills the disk cache.
        for number in range(rounds + 1):
            for subject in subjects:
                start = launch(subject)
                if number:
                    starts[subject].append(start)
    except (BenchError, build_sidecar.BuildError, dev.SetupError) as error:
        print(f"startup.py: {error}", file=sys.stderr)
        return 1
    print(table(starts))
    return 0


def freeze_all() -> list[Subject]:
    """Freeze both programs in both forms, each hello before what it is compared with."""
    dev.check_python()
    dev.prepare(extras=("build",))
    subjects = []
    for form in ("onefile", "onedir"):
        hello = freeze_hello(form)
        arguments = build_sidecar.parse(["--onedir"] * (form == "onedir"))
        ours = build_sidecar.freeze(arguments)
        subjects.append(subject(f"hello, {form}", hello, ()))
        subjects.append(subject(f"classroom-sfu, {form}", ours, ANY_PORTS))
    return subjects


def freeze_hello(form: str) -> Path:
    """Freeze the program that only says hello, as small as ours is made."""
    folder = build_sidecar.BUILD / "hello"
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / "hello.py"
    script.write_text(HELLO, encoding="utf-8")
    pyinstaller = [str(dev.VENV_PYTHON), "-m", "PyInstaller", "--noconfirm", "--log-level=ERROR"]
    places = ["--distpath", form, "--workpath", f"{form}-work", "--specpath", form]
    command = [*pyinstaller, f"--{form}", "--strip", *places, str(script)]
    if subprocess.run(command, cwd=folder, check=False).returncode:
        raise build_sidecar.BuildError("PyInstaller failed; its own message stands above")
    return folder / form / "hello"


def subject(name: str, program: Path, arguments: tuple[str, ...]) -> Subject:
    """Describe a file, or a folder with an executable of the same name in it."""
    files = [path for path in program.rglob("*") if path.is_file() and not path.is_symlink()]
    size_bytes = sum(path.stat().st_size for path in files or [program])
    executable = program / program.name if program.is_dir() else program
    return Subject(name, (str(executable), *arguments), size_bytes)


def launch(subject: Subject) -> Start:
    """Start a program, and end it as a host does that goes away."""
    started_s = time.perf_counter()
    with subprocess.Popen(
        subject.command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        ready_ms = (time.perf_counter() - started_s) * 1e3
        if not line:
            raise BenchError(f"{subject.name} said nothing")
        if line.startswith(b"hello"):
            return Start(ready_ms, 0)
        if json.loads(line)["event"] != "ready":
            raise BenchError(f"{subject.name} said {line.decode()}")
        time.sleep(SETTLING_S)
        return Start(ready_ms, ProcessTree(process.pid).memory().pss_bytes)


def table(starts: dict[Subject, list[Start]]) -> str:
    """One line for each program; ratios are to the hello before it."""
    header = f"{'':24}{'size MB':>8}{'ready ms: min':>15}{'median':>8}{'max':>7}{'ratio':>7}"
    lines = [header + f"{'idle PSS MiB':>14}"]
    hello_ms = 0.0
    for each, measured in starts.items():
        ready_ms = [start.ready_ms for start in measured]
        row = f"{each.name:24}{each.size_bytes / 1e6:8.2f}{min(ready_ms):15.0f}"
        row += f"{median(ready_ms):8.0f}{max(ready_ms):7.0f}"
        pss_bytes = median(start.idle_pss_bytes for start in measured)
        if pss_bytes:
            row += f"{median(ready_ms) / hello_ms:7.2f}{pss_bytes / MIB:14.1f}"
        else:
            hello_ms = median(ready_ms)
        lines.append(row)
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
