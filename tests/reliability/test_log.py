"""The log outlasts full disks, attacks and a second instance, and shows who came and went."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.conftest import DEFAULT_ARGUMENTS, StartSidecar
from tests.support.sidecar import Sidecar
from tests.support.signaling import ProtocolError, SignalingClient

CAN_MOUNT = os.name == "posix" and getattr(os, "geteuid", lambda: 1)() == 0
NEEDS_ROOT = pytest.mark.skipif(
    not CAN_MOUNT or shutil.which("mount") is None, reason="needs root, to mount a small disk"
)
DISK_KIB = 64


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of its own, which is soon full."""
    folder = tmp_path / "disk"
    folder.mkdir()
    options = f"size={DISK_KIB}k"
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs to mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Take all the room that is left."""
    filling = folder / "filling"
    with filling.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return filling


@NEEDS_ROOT
def test_a_disk_that_is_full_from_the_start(start_sidecar: StartSidecar, small_disk: Path) -> None:
    fill(small_disk)
    sidecar = start_sidecar(
        *DEFAULT_ARGUMENTS, "--log-file", str(small_disk / "log"), stderr=subprocess.PIPE
    )
    assert sidecar.hear()["event"] == "ready"
    warning = sidecar.hear()
    assert warning["code"] == "no-log-file"
    assert "No space left" in warning["message"]
    sidecar.vanish()
    assert [each["event"] for each in sidecar.hear_all()] == ["stopped"]
    assert sidecar.process.stderr is not None
    assert b"Traceback" not in sidecar.process.stderr.read()
    assert sidecar.exit_code() == 0


@NEEDS_ROOT
def test_a_disk_that_is_full_for_a_while(start_sidecar: StartSidecar, small_disk: Path) -> None:
    log = small_disk / "log"
    sidecar = start_sidecar(
        *DEFAULT_ARGUMENTS,
        "--log-file",
        str(log),
        "--log-level",
        "debug",
        stderr=subprocess.PIPE,
    )
    port = sidecar.hear()["port"]
    drain(sidecar)
    filling = fill(small_disk)
    for _ in range(100):
        knock(port)
    assert sidecar.hear()["code"] == "no-log-file"
    filling.unlink()
    while b"missing here" not in log.read_bytes():
        knock(port)
    sidecar.vanish()
    assert [each["event"] for each in sidecar.hear_all()] == ["stopped"]
    assert sidecar.exit_code() == 0
    text = log.read_text(encoding="utf-8")
    assert "stopping: host-gone" in text
    assert "Logging error" not in text


@NEEDS_ROOT
def test_a_disk_that_is_full_at_the_end(start_sidecar: StartSidecar, small_disk: Path) -> None:
    sidecar = start_sidecar(
        *DEFAULT_ARGUMENTS, "--log-file", str(small_disk / "log"), stderr=subprocess.PIPE
    )
    sidecar.hear()
    fill(small_disk)
    sidecar.vanish()
    assert sidecar.hear_all()[-1]["event"] == "stopped"
    assert sidecar.process.stderr is not None
    assert b"Traceback" not in sidecar.process.stderr.read()
    assert sidecar.exit_code() == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_no_room_for_what_goes_to_stderr(start_sidecar: StartSidecar) -> None:
    with open("/dev/full", "wb") as full:
        sidecar = start_sidecar(*DEFAULT_ARGUMENTS, "--log-file", "/dev/full", stderr=full)
        assert sidecar.hear()["event"] == "ready"
        sidecar.vanish()
        assert sidecar.hear_all()[-1]["event"] == "stopped"
        assert sidecar.exit_code() == 0


def test_two_instances_do_not_share_a_file(start_sidecar: StartSidecar, tmp_path: Path) -> None:
    log = tmp_path / "sfu.log"
    first, second = (start_sidecar(*DEFAULT_ARGUMENTS, "--log-file", str(log)) for _ in range(2))
    for each in (first, second):
        each.hear()
    for each in (second, first):
        each.vanish()
        assert each.exit_code() == 0
    for path in (log, tmp_path / "sfu-2.log"):
        assert path.read_text(encoding="utf-8").count("stopping: host-gone") == 1


def test_the_usual_file_is_not_shared_either(
    start_sidecar: StartSidecar, environment: dict[str, str]
) -> None:
    instances = [start_sidecar() for _ in range(2)]
    for each in instances:
        each.hear()
    for each in instances:
        each.vanish()
        assert each.exit_code() == 0
    found = sorted(path.name for path in Path(environment["HOME"]).rglob("*.log"))
    assert found == ["classroom-sfu-2.log", "classroom-sfu.log"]


def test_a_tilde_is_the_home_folder(
    start_sidecar: StartSidecar, environment: dict[str, str]
) -> None:
    sidecar = start_sidecar(*DEFAULT_ARGUMENTS, "--log-file", "~/sfu.log")
    sidecar.hear()
    sidecar.vanish()
    assert sidecar.exit_code() == 0
    assert (Path(environment["HOME"]) / "sfu.log").exists()


async def test_refusals_without_end_are_summed_up(
    start_sidecar: StartSidecar, tmp_path: Path
) -> None:
    log = tmp_path / "sfu.log"
    sidecar = start_sidecar(*DEFAULT_ARGUMENTS, "--log-file", str(log))
    url = (await asyncio.to_thread(sidecar.hear))["localUrl"]
    tries = 400
    for _ in range(tries // 100):
        async with await SignalingClient.connect(url) as client:
            for _ in range(100):
                with pytest.raises(ProtocolError):
                    await client.request("getProducers")
    sidecar.vanish()
    assert sidecar.exit_code() == 0
    lines = [line for line in log.read_text(encoding="utf-8").splitlines() if "refused" in line]
    assert len(lines) < 100
    left_out = [int(line.split("... ")[1].split()[0]) for line in lines if "more like this" in line]
    assert sum(left_out) + len(lines) - len(left_out) == tries


def knock(port: int) -> None:
    """A connection that is no WebSocket has some lines at level debug."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        while client.recv(4096):
            pass


def drain(sidecar: Sidecar) -> None:
    """Read stderr, which is full soon."""
    stderr = sidecar.process.stderr
    assert stderr is not None
    threading.Thread(target=stderr.read, daemon=True).start()


async def test_who_comes_and_goes_is_in_the_log_wherever_their_room_is(
    start_sidecar: StartSidecar, tmp_path: Path
) -> None:
    log = tmp_path / "sfu.log"
    sidecar = start_sidecar(*DEFAULT_ARGUMENTS, "--num-workers", "2", "--log-file", str(log))
    url = (await asyncio.to_thread(sidecar.hear))["localUrl"]
    clients = [await SignalingClient.connect(url) for _ in range(5)]
    here, far, again, rival, other = clients
    name = "Zoë\n2026-01-01 00:00:00,000 INFO    sidecar: all is well"
    await here.request("join", who("near", "t", "Ms T", is_teacher=True))
    await far.request("join", who("far", "t", "Mr T", is_teacher=True))
    await again.request("join", who("far", "p", name))
    with pytest.raises(ProtocolError):
        await rival.request("join", who("far", "q", "Rival", is_teacher=True))
    await other.request("join", who("near", "p", "Ann"))
    await other.request("leave")
    for client in clients:
        await client.close()
    # The last one has left when all of them have.
    left = 0
    while left < 4:
        left += (await asyncio.to_thread(sidecar.hear))["event"] == "peer-left"
    sidecar.vanish()
    assert sidecar.exit_code() == 0
    lines = log.read_text(encoding="utf-8").splitlines()
    text = "\n".join(line.partition("sidecar.attendance: ")[2] for line in lines)
    for expected in (
        "room near is open",
        "Ms T (t, teacher) joined room near from 127.0.0.1",
        "Ann (p, student) left room near from 127.0.0.1: said so",
        "Ms T (t, teacher) left room near from 127.0.0.1: hung up",
        "room near is closed",
        "[worker 1] Mr T (t, teacher) joined room far from 127.0.0.1",
        "(p, student) joined room far from 127.0.0.1",
        "[worker 1] teacher Rival (q) was not let into room far from 127.0.0.1: ",
        "[worker 1] room far is closed",
    ):
        assert expected in text, text
    assert not any(line.startswith("2026-01-01 00:00:00,000") for line in lines)


async def test_a_class_of_fifty_is_in_the_log_whole(
    start_sidecar: StartSidecar, tmp_path: Path
) -> None:
    log = tmp_path / "sfu.log"
    sidecar = start_sidecar(*DEFAULT_ARGUMENTS, "--log-file", str(log))
    url = (await asyncio.to_thread(sidecar.hear))["localUrl"]
    clients = [await SignalingClient.connect(url) for _ in range(50)]
    for number, client in enumerate(clients):
        await client.request("join", who("7b", f"p{number}", "P", is_teacher=number == 0))
    sidecar.vanish()
    await asyncio.to_thread(sidecar.hear_all)
    assert sidecar.exit_code() == 0
    for client in clients:
        await client.close()
    text = log.read_text(encoding="utf-8")
    for number in range(50):
        role = "student" if number else "teacher"
        for what in ("joined", "left"):
            assert text.count(f"(p{number}, {role}) {what} ") == 1


def who(room_id: str, peer_id: str, name: str, *, is_teacher: bool = False) -> dict[str, object]:
    return {"roomId": room_id, "peerId": peer_id, "name": name, "isTeacher": is_teacher}
