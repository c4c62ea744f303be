"""The frozen program: what is in it, and that nothing of it outlives its host or stays on disk.

The one-file form is two processes: a launcher that has unpacked it into a folder, and the one that
serves. What else a frozen program must do is tested with the tests of the program, in all forms.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Literal

import pytest

from scripts.freezing.parts import archive_parts, folder_parts
from tests.interop.conftest import DEFAULT_ARGUMENTS, StartSidecar
from tests.support.classroom import Classroom
from tests.support.programs import frozen
from tests.support.synthetic import eventually

FROZEN_FORMS: tuple[Literal["onefile", "onedir"], ...] = ("onefile", "onedir")
in_both_forms = pytest.mark.parametrize("form", FROZEN_FORMS)
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

UNUSED = ("aiortc", "av", "cffi", "dns", "numpy", "pytest", "ssl", "_ssl", "test", "tkinter")


def is_running(pid: int) -> bool:
    """Whether a process is there, one that is dead and waits for its parent excepted."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def unpacked(folder: Path) -> list[str]:
    """The folders into which one-file programs have unpacked themselves."""
    return [path.name for path in folder.glob("_MEI*")]


def has_loaded(pid: int, name: str) -> bool:
    """Whether a process has a file with that name in its path in its memory."""
    return name in Path(f"/proc/{pid}/maps").read_text(encoding="utf-8")


def parent_of(pid: int) -> int:
    """The process id of a process's parent."""
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    return int(stat.rpartition(")")[2].split()[1])


def remove_program(folder: Path) -> None:
    """Take away a copy of the program's folder, and what one-file programs have unpacked."""
    for each in (folder / "program", *folder.rglob("_MEI*")):
        shutil.rmtree(each, ignore_errors=True)


@pytest.fixture
def home(environment: dict[str, str]) -> Path:
    return Path(environment["TMPDIR"])


@in_both_forms
def test_nothing_is_in_it_that_is_not_used(form: Literal["onefile", "onedir"]) -> None:
    program = frozen(form)
    parts = archive_parts(program) if form == "onefile" else folder_parts(program.parent)
    names = [part.name for part in parts] + modules(program)
    found = {name.removeprefix("_internal/").split("/")[0].split(".")[0] for name in names}
    assert "cryptography" in found
    assert not found.intersection(UNUSED)
    assert not [name for name in names if "libssl" in name or "libcrypto" in name]


def modules(program: Path) -> list[str]:
    """The Python modules in an executable."""
    archive = import_module("PyInstaller.archive.readers").CArchiveReader(str(program))
    return list(archive.open_embedded_archive("PYZ.pyz").toc)


@linux_only
@in_both_forms
async def test_it_forwards_a_class_also_when_its_files_are_gone(
    form: Literal["onefile", "onedir"], start_sidecar: StartSidecar, tmp_path: Path
) -> None:
    program = frozen(form)
    if form == "onedir":
        program = Path(shutil.copytree(program.parent, tmp_path / "program"), program.name)
    sidecar = start_sidecar(program=(str(program),), stderr=subprocess.PIPE)
    ready = sidecar.hear()
    assert sidecar.process.stderr is not None
    while b"everything is loaded" not in sidecar.process.stderr.readline():
        pass
    assert has_loaded(ready["pid"], "cryptography")
    remove_program(tmp_path)
    classroom = Classroom(ready["localUrl"])
    teacher = await classroom.teach()
    students = await classroom.attend(3)
    goal = teacher.outgoing.source.frames + 30
    await eventually(lambda: teacher.outgoing.source.frames >= goal, "the teacher sends")
    await teacher.outgoing.stop()
    for student in students:
        await eventually(partial(student.has_everything, teacher), student.describe)
    await classroom.leave()
    sidecar.vanish()
    assert sidecar.exit_code() == 0


@linux_only
def test_a_file_that_is_asked_to_leave_cleans_up(start_sidecar: StartSidecar, home: Path) -> None:
    sidecar = start_sidecar(program=(str(frozen("onefile")),))
    serving = sidecar.hear()["pid"]
    assert serving != sidecar.process.pid
    assert len(unpacked(home)) == 1
    sidecar.say('{"command":"shutdown"}')
    assert sidecar.exit_code() == 0
    assert unpacked(home) == []
    assert not is_running(serving)


@linux_only
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_launcher_passes_signals_on(
    number: signal.Signals, start_sidecar: StartSidecar, home: Path
) -> None:
    sidecar = start_sidecar(program=(str(frozen("onefile")),))
    sidecar.hear()
    sidecar.process.send_signal(number)
    assert sidecar.hear_all() == [{"event": "stopped", "reason": "signal"}]
    assert sidecar.exit_code() == 0
    assert unpacked(home) == []


@linux_only
async def test_a_killed_host_leaves_no_process_and_no_folder(
    start_sidecar: StartSidecar, home: Path
) -> None:
    command = [str(frozen("onefile")), *DEFAULT_ARGUMENTS]
    host = f"import subprocess\nsubprocess.Popen({command!r}, stdin=subprocess.PIPE).wait()\n"
    sidecar = start_sidecar(program=(sys.executable, "-c", host))
    ready = sidecar.hear()
    family = {ready["pid"], parent_of(ready["pid"])}
    assert len(family) == 2
    assert sidecar.process.pid not in family
    classroom = Classroom(ready["localUrl"])
    await classroom.teach()
    await classroom.attend(2)
    sidecar.process.kill()
    await eventually(lambda: not any(map(is_running, family)), f"{family} are gone")
    assert unpacked(home) == []
    await classroom.leave()


@linux_only
async def test_a_server_without_its_launcher_leaves_when_its_host_lets_go(
    start_sidecar: StartSidecar,
) -> None:
    sidecar = start_sidecar(program=(str(frozen("onefile")),))
    serving = sidecar.hear()["pid"]
    sidecar.process.kill()
    sidecar.vanish()
    await eventually(lambda: not is_running(serving), f"{serving} is gone")


@linux_only
def test_a_launcher_without_its_server_ends_and_cleans_up(
    start_sidecar: StartSidecar, home: Path
) -> None:
    sidecar = start_sidecar(program=(str(frozen("onefile")),))
    os.kill(sidecar.hear()["pid"], signal.SIGKILL)
    assert sidecar.exit_code() != 0
    assert unpacked(home) == []
