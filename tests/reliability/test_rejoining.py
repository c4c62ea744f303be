"""Coming back over a new connection while the old one still seems alive."""

from __future__ import annotations

import asyncio
import subprocess

import pytest

from tests.interop.conftest import DEFAULT_ARGUMENTS, StartSidecar
from tests.support.signaling import ProtocolError, SignalingClient

TOKEN_ONLY = ("--teacher-from", "token", "--num-workers", "2", "--log-level", "debug")


@pytest.mark.parametrize("room_id", ["here", "elsewhere"])
async def test_a_teacher_takes_the_own_seat_at_once(
    start_sidecar: StartSidecar, room_id: str
) -> None:
    sidecar = start_sidecar(*DEFAULT_ARGUMENTS, *TOKEN_ONLY, stderr=subprocess.PIPE)
    ready = await asyncio.to_thread(sidecar.hear)
    url = ready["localUrl"]
    bystander = await SignalingClient.connect(url)
    await bystander.request(
        "join", {"roomId": "here", "peerId": "b", "name": "B", "isTeacher": False}
    )
    student = await SignalingClient.connect(url)
    await student.request(
        "join", {"roomId": room_id, "peerId": "s", "name": "S", "isTeacher": False}
    )

    who = {"roomId": room_id, "peerId": "t", "name": "T", "isTeacher": True}
    old = await SignalingClient.connect(url)
    token = (await old.request("join", {**who, "token": ready["teacherToken"]}))["rejoinToken"]
    # It is alive, and would answer a ping; nobody asks.
    new = await SignalingClient.connect(url)
    for wrong in ("x", token[:-1]):
        with pytest.raises(ProtocolError) as refused:
            await new.request("join", {**who, "rejoinToken": wrong})
        assert refused.value.code == "teacher-not-allowed"
    joined = await new.request("join", {**who, "rejoinToken": token})
    assert joined["isTeacher"]
    assert await old.wait_closed() == 4000
    await student.wait_for("peerLeft", lambda data: data["peerId"] == "t")
    with pytest.raises(ProtocolError):
        stranger = await SignalingClient.connect(url)
        await stranger.request("join", {**who, "rejoinToken": token})

    heard = str([bystander.events, student.events])
    for client in (bystander, student, new, stranger):
        await client.close()
    assert sidecar.process.stderr is not None
    log = asyncio.create_task(asyncio.to_thread(sidecar.process.stderr.read))
    sidecar.say('{"command":"status"}\n{"command":"shutdown"}')
    heard += str(await asyncio.to_thread(sidecar.hear_all)) + (await log).decode()
    for secret in (token, joined["rejoinToken"], ready["teacherToken"]):
        assert secret not in heard
        assert secret[-12:] not in heard
