"""A process for further rooms is ended when it hangs, and for nothing that its clients do."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess

import pytest

from tests.interop.conftest import DEFAULT_ARGUMENTS, StartSidecar
from tests.support.sidecar import Sidecar
from tests.support.signaling import SignalingClient

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs SIGSTOP")

TWO_PROCESSES = (*DEFAULT_ARGUMENTS, "--num-workers", "2")


async def worker_pid(sidecar: Sidecar) -> int:
    assert sidecar.process.stderr is not None
    while line := await asyncio.to_thread(sidecar.process.stderr.readline):
        if found := re.search(rb"worker \d+ is process (\d+)", line):
            return int(found[1])
    raise AssertionError("it has ended")


@pytest.mark.slow
async def test_one_that_hangs_is_noticed_though_nobody_asks_anything(
    start_sidecar: StartSidecar,
) -> None:
    sidecar = start_sidecar(*TWO_PROCESSES, stderr=subprocess.PIPE)
    url = (await asyncio.to_thread(sidecar.hear))["localUrl"]
    async with (
        await SignalingClient.connect(url) as near,
        await SignalingClient.connect(url) as far,
    ):
        for client, room in ((near, "near"), (far, "far")):
            data = {"roomId": room, "peerId": "p", "name": "P", "isTeacher": False}
            await client.request("join", data)
        os.kill(await worker_pid(sidecar), signal.SIGSTOP)
        events = [await asyncio.to_thread(sidecar.hear) for _ in range(4)]
        assert [each["event"] for each in events] == ["peer-joined"] * 2 + ["warning", "peer-left"]
        assert events[2]["code"] == "worker-lost"
        assert await far.wait_closed() == 1012
        # The others don't notice.
        assert await near.request("getProducers") == []
    async with await SignalingClient.connect(url) as far:
        data = {"roomId": "far", "peerId": "p", "name": "P", "isTeacher": False}
        await far.request("join", data)
    sidecar.vanish()
    assert (await asyncio.to_thread(sidecar.hear_all))[-1]["event"] == "stopped"
    assert sidecar.exit_code() == 0
