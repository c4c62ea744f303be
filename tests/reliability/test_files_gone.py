"""The program's own files are needed until shortly after ``ready``, and never again.

An updater replaces them, somebody moves the folder, the system cleans up where a one-file program
was unpacked to. From the moment on at which the log says that everything is loaded, a class can be
held all the same. What is missing from the start, or can't work on this system, is said then.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.interop.conftest import DEFAULT_ARGUMENTS, StartSidecar
from tests.support.classroom import Classroom
from tests.support.programs import Program
from tests.support.sidecar import Sidecar
from tests.support.synthetic import SyntheticStudent, SyntheticTeacher, eventually

TWO_PROCESSES = (*DEFAULT_ARGUMENTS, "--num-workers", "2")

# Once there is a certain file, nothing can be imported any more.
UNINSTALLED = """
import os, sys

class Nowhere:
    def find_spec(self, name, path=None, target=None):
        if os.path.exists({gone!r}):
            raise {error}
        return None

sys.meta_path.insert(0, Nowhere())
import sidecar.workers.launch
sidecar.workers.launch.worker_command = lambda: {worker!r}
from sidecar.cli import main
sys.exit(main())
"""


def program_that_goes(
    gone: Path,
    error: str = "ImportError(f'No module named {name!r}')",
    worker: Sequence[str] = ("/no/such/executable",),
) -> Program:
    text = UNINSTALLED.format(gone=str(gone), error=error, worker=list(worker))
    return sys.executable, "-c", text


async def wait_for_log(sidecar: Sidecar, text: bytes) -> None:
    stderr = sidecar.process.stderr
    assert stderr is not None
    while text not in (line := await asyncio.to_thread(stderr.readline)):
        assert line, "it has ended"


async def hold_class(room: Classroom) -> tuple[SyntheticTeacher, list[SyntheticStudent]]:
    """Teach for some frames, and see to it that everybody gets all of them."""
    teacher = await room.teach()
    students = await room.attend(2)
    goal = teacher.outgoing.source.frames + 10
    await eventually(lambda: teacher.outgoing.source.frames >= goal, "the teacher sends on")
    await teacher.outgoing.stop()
    await eventually(
        lambda: all(student.has_everything(teacher) for student in students),
        lambda: "\n".join(student.describe() for student in students),
    )
    return teacher, students


async def test_a_class_is_held_when_all_files_are_gone(
    start_sidecar: StartSidecar, tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    sidecar = start_sidecar(*TWO_PROCESSES, program=program_that_goes(gone), stderr=subprocess.PIPE)
    url = (await asyncio.to_thread(sidecar.hear))["localUrl"]
    await wait_for_log(sidecar, b"everything is loaded")
    gone.touch()
    # The second room has no process of its own, since that can't be started any more.
    rooms = [Classroom(url, room_id) for room_id in ("near", "far")]
    for room in rooms:
        await hold_class(room)
    for room in rooms:
        await room.leave()
    sidecar.vanish()
    events = await asyncio.to_thread(sidecar.hear_all)
    assert events[-1] == {"event": "stopped", "reason": "host-gone"}
    assert {each["event"] for each in events} == {"peer-joined", "peer-left", "stopped"}
    assert sidecar.exit_code() == 0


@pytest.mark.parametrize(
    "error",
    [
        "ImportError(f'No module named {name!r}')",
        "SystemExit('archive not found')",
        "MemoryError('cannot allocate write+execute memory')",
    ],
)
async def test_what_is_missing_at_the_start_is_said_then(
    start_sidecar: StartSidecar, tmp_path: Path, error: str
) -> None:
    only_openssl = f"{error} if name == 'OpenSSL' else ModuleNotFoundError(name)"
    program = program_that_goes(tmp_path, only_openssl)
    text = program[-1].replace(
        "if os.path.exists", "if name.partition('.')[0] == 'OpenSSL' and os.path.exists"
    )
    sidecar = start_sidecar(*DEFAULT_ARGUMENTS, program=(*program[:-1], text))
    ready, fatal = await asyncio.to_thread(sidecar.hear_all)
    assert ready["event"] == "ready"
    assert (fatal["event"], fatal["code"], fatal["exitCode"]) == ("fatal", "cannot-work", 10)
    assert fatal["hint"]
    assert sidecar.exit_code() == 10


@pytest.mark.parametrize(
    "worker",
    [
        [sys.executable, "-c", "import time; time.sleep(3600)"],
        [sys.executable, "-c", "print('what nobody understands')"],
    ],
    ids=["says-nothing", "rubbish"],
)
async def test_a_room_whose_process_never_is_ready_goes_elsewhere(
    start_sidecar: StartSidecar, tmp_path: Path, worker: list[str]
) -> None:
    program = program_that_goes(tmp_path / "never", worker=worker)
    impatient = (
        "import sidecar.workers.process as process\n"
        "patient = process.WorkerProcess.__init__.__defaults__\n"
        "process.WorkerProcess.__init__.__defaults__ = (0.5, *patient[1:])\n"
    )
    text = program[-1].replace("from sidecar.cli", f"{impatient}from sidecar.cli")
    sidecar = start_sidecar(*TWO_PROCESSES, program=(*program[:-1], text))
    url = (await asyncio.to_thread(sidecar.hear))["localUrl"]
    rooms = [Classroom(url, room_id) for room_id in ("near", "far")]
    for room in rooms:
        await hold_class(room)
    for room in rooms:
        await room.leave()
    sidecar.vanish()
    assert (await asyncio.to_thread(sidecar.hear_all))[-1]["event"] == "stopped"
    assert sidecar.exit_code() == 0
