"""Leaving word, and reading it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from sidecar.lifecycle.port_holder import holder_of, holding

ROOT = Path(__file__).parents[3]
HOLD_FOR_EVER = (
    "import sys\n"
    "from pathlib import Path\n"
    "from sidecar.lifecycle.port_holder import holding\n"
    "with holding(3016, Path(sys.argv[1])):\n"
    "    print('held', flush=True)\n"
    "    sys.stdin.read()\n"
)


def hold_elsewhere(folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", HOLD_FOR_EVER, str(folder)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
    assert process.stdout is not None
    assert process.stdout.readline().split() == [b"held"]
    return process


def test_the_holder_is_known_while_it_holds(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    assert holder_of(3016, folder) is None
    with holding(3016, folder):
        assert holder_of(3016, folder) == os.getpid()
        assert holder_of(3017, folder) is None
    assert holder_of(3016, folder) is None
    assert list(folder.iterdir()) == []


def test_the_holder_is_known_to_other_processes(tmp_path: Path) -> None:
    with hold_elsewhere(tmp_path) as process:
        assert holder_of(3016, tmp_path) == process.pid
        process.communicate()
    assert holder_of(3016, tmp_path) is None


def test_a_holder_that_was_killed_holds_nothing(tmp_path: Path) -> None:
    with hold_elsewhere(tmp_path) as process:
        process.kill()
        process.communicate()
    assert list(tmp_path.iterdir()) != []
    assert holder_of(3016, tmp_path) is None
    with holding(3016, tmp_path):
        assert holder_of(3016, tmp_path) == os.getpid()


def test_the_first_one_stays_the_holder(tmp_path: Path) -> None:
    with hold_elsewhere(tmp_path) as process:
        with holding(3016, tmp_path):
            assert holder_of(3016, tmp_path) == process.pid
        assert holder_of(3016, tmp_path) == process.pid
        process.communicate()


def test_a_folder_that_cannot_be_had_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with holding(3016, tmp_path / "file"):
        assert holder_of(3016, tmp_path / "file") is None


def test_rubbish_names_nobody(tmp_path: Path) -> None:
    with holding(3016, tmp_path):
        next(tmp_path.iterdir()).write_text("many")
        assert holder_of(3016, tmp_path) is None
