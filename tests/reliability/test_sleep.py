"""The server's computer sleeps, or a network goes away in silence: offers to go on."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess

import pytest

from tests.interop.conftest import DEFAULT_ARGUMENTS, StartSidecar
from tests.support.classroom import Classroom
from tests.support.old_frontend import OldFrontend
from tests.support.sidecar import Sidecar
from tests.support.synthetic import SyntheticStudent, eventually

NAP_S = 8.0
POSIX_ONLY = pytest.mark.skipif(os.name != "posix", reason="needs a POSIX system")


async def worker_pid(sidecar: Sidecar) -> int:
    assert sidecar.process.stderr is not None
    while True:
        line = await asyncio.to_thread(sidecar.process.stderr.readline)
        assert line, "it has ended"
        if found := re.search(rb"worker \d+ is process (\d+)", line):
            return int(found[1])


async def is_seen_again(student: SyntheticStudent) -> None:
    before = student.video.packets
    await eventually(lambda: student.video.packets > before + 20, student.describe)


async def take_up(student: SyntheticStudent) -> None:
    """Do with the next offer what mediasoup-client's `restartIce` does."""
    offer = await student.signaling.wait_for("iceRestart", timeout_s=20)
    assert offer["direction"] == "recv"
    assert offer["transportId"] == student.recv_transport["id"]
    await student.incoming.peer.restart_ice(offer["iceParameters"])


@POSIX_ONLY
async def test_who_wakes_knows_that_it_slept(start_sidecar: StartSidecar) -> None:
    arguments = (*DEFAULT_ARGUMENTS, "--num-workers", "2", "--log-level", "info")
    sidecar = start_sidecar(*arguments, stderr=subprocess.PIPE)
    ready = await asyncio.to_thread(sidecar.hear)
    rooms = [Classroom(ready["localUrl"], room_id) for room_id in ("here", "elsewhere")]
    old = await OldFrontend.join(ready["localUrl"], "here", "old")
    classes = [(await room.teach(), (await room.attend(1))[0]) for room in rooms]
    pids = [ready["pid"], await worker_pid(sidecar)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(NAP_S)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    for teacher, student in classes:
        await take_up(student)
        await is_seen_again(student)
        assert (await teacher.signaling.wait_for("iceRestart"))["direction"] == "send"
    while (event := await asyncio.to_thread(sidecar.hear))["event"] != "warning":
        pass
    assert event["code"] == "slept"
    assert not any(type_ == "iceRestart" for type_, _ in old.events)
    await old.leave()
    for room in rooms:
        await room.leave()


async def test_a_silent_link_is_offered_new_credentials_until_it_speaks(
    classroom: Classroom,
) -> None:
    await classroom.teach()
    (student,) = await classroom.attend(1)
    student.incoming.stop()
    student.incoming.peer.ice.stop_consent()
    await take_up(student)
    await is_seen_again(student)
