"""The process stands still for longer than consent lasts."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.support.classroom import Classroom
from tests.support.sfu_process import SfuProcess
from tests.support.synthetic import eventually

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="needs a POSIX system"),
    pytest.mark.timeout(150),
]

STANDSTILL_S = 35


def stand_still(sfu: SfuProcess) -> None:
    """Stops the process for a while, and the class as well, as if one switch had failed."""
    os.kill(sfu.pid, signal.SIGSTOP)
    try:
        time.sleep(STANDSTILL_S)
    finally:
        os.kill(sfu.pid, signal.SIGCONT)


async def test_nobodys_media_is_given_up_for_a_silence_in_which_nobody_listened(
    sfu: SfuProcess, classroom: Classroom
) -> None:
    teacher = await classroom.teach()
    students = await classroom.attend(3)
    stand_still(sfu)
    await eventually(lambda: "stood still for" in sfu.log(), "it notices")
    assert "no ICE check for 30 s" not in sfu.log()
    for peer in (teacher, *students):
        assert not any(name == "transportClosed" for name, _ in peer.signaling.events)
