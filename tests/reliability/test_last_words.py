"""However the program comes to its end, it says so, and its exit code is the right one."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.interop.conftest import DEFAULT_ARGUMENTS, StartSidecar
from tests.support.programs import PROJECT_FOLDER, Program

POSIX_ONLY = pytest.mark.skipif(os.name != "posix", reason="needs a POSIX system")

RAISING = """
import sys
import sidecar.app
from sidecar.errors import PortTakenError

def run(*arguments):
    raise {}

sidecar.app.run = run
from sidecar.cli import main
sys.exit(main())
"""
DYING = """
import sys
import sidecar.lifecycle.address_keeper as keeper

async def keep(self):
    raise {}

keeper.AddressKeeper.keep = keep
from sidecar.cli import main
sys.exit(main())
"""


def program_that(text: str, raised: str) -> Program:
    return sys.executable, "-c", text.format(raised)


@pytest.mark.parametrize(
    ("raised", "event", "code", "exit_code"),
    [
        ("SystemExit(7)", "fatal", "internal", 1),
        ("MemoryError('no executable memory')", "fatal", "cannot-work", 10),
        ("ImportError('DLL load failed')", "fatal", "cannot-work", 10),
        ("KeyboardInterrupt", "stopped", None, 0),
        ("BaseExceptionGroup('', [KeyboardInterrupt()])", "stopped", None, 0),
        (
            "ExceptionGroup('', [ExceptionGroup('', [PortTakenError('a', 'b')])])",
            "fatal",
            "port-taken",
            3,
        ),
    ],
)
def test_whatever_ends_it_is_told(
    start_sidecar: StartSidecar, raised: str, event: str, code: str | None, exit_code: int
) -> None:
    sidecar = start_sidecar(program=program_that(RAISING, raised))
    (last,) = sidecar.hear_all()
    assert (last["event"], last.get("code")) == (event, code)
    assert sidecar.exit_code() == exit_code


@pytest.mark.parametrize("raised", ["SystemExit(0)", "MemoryError"])
def test_a_task_that_dies_is_told(start_sidecar: StartSidecar, raised: str) -> None:
    sidecar = start_sidecar(program=program_that(DYING, raised))
    assert [each["event"] for each in sidecar.hear_all()] == ["ready", "fatal"]
    assert sidecar.exit_code() == (10 if raised == "MemoryError" else 1)


def test_a_program_that_hangs_at_the_end_says_so(start_sidecar: StartSidecar) -> None:
    hanging = (
        "import sys, time\n"
        "from sidecar.signaling.server import SignalingServer\n"
        "async def close(self):\n"
        "    time.sleep(3600)\n"
        "SignalingServer.close = close\n"
        "from sidecar.cli import main\n"
        "sys.exit(main())\n"
    )
    sidecar = start_sidecar(program=(sys.executable, "-c", hanging))
    sidecar.hear()
    sidecar.vanish()
    (last,) = sidecar.hear_all()
    assert (last["event"], last["code"], last["exitCode"]) == ("fatal", "stuck", 9)
    assert sidecar.exit_code() == 9


@POSIX_ONLY
@pytest.mark.parametrize(
    ("closed", "arguments", "exit_code"),
    [
        ("2>&-", "--port x", 2),
        ("<&- >&- 2>&-", "--port x", 2),
        (">/dev/full 2>/dev/full", "--port x", 2),
        ("2>&-", "--config /no/such/file", 2),
        ("2>&-", "--host 192.0.2.1 --port 0 --media-ports 0 --log-file none", 6),
        ("2>&-", "--port 0 --log-file /proc/nowhere/log", 8),
        (">&- 2>&-", "--help", 0),
        (">/dev/full", "--help", 0),
        (">&- 2>&-", "--print-config", 0),
        (">/dev/full 2>/dev/full", "--print-config", 0),
    ],
)
def test_the_exit_code_is_right_whatever_is_closed(
    sfu_program: Program, environment: dict[str, str], closed: str, arguments: str, exit_code: int
) -> None:
    command = f"exec {' '.join(sfu_program)} {arguments} {closed}"
    done = subprocess.run(
        ["sh", "-c", command],
        stdin=subprocess.DEVNULL,
        env=environment,
        cwd=PROJECT_FOLDER,
        check=False,
        timeout=30,
    )
    assert done.returncode == exit_code


@POSIX_ONLY
def test_a_class_can_be_held_without_any_of_the_streams(start_sidecar: StartSidecar) -> None:
    wrapper = ("sh", "-c", f'exec {sys.executable} -m sidecar "$@" 2>&-', "sh")
    sidecar = start_sidecar(*DEFAULT_ARGUMENTS, program=wrapper)
    assert sidecar.hear()["event"] == "ready"
    assert sidecar.ask('{"command":"ping","id":1}') == {"event": "pong", "id": 1}
    sidecar.vanish()
    assert [each["event"] for each in sidecar.hear_all()] == ["stopped"]
    assert sidecar.exit_code() == 0
