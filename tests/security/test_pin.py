"""A class with a PIN."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.interop.conftest import DEFAULT_ARGUMENTS, StartSfu, StartSidecar
from tests.support.sfu_process import SfuProcess
from tests.support.signaling import ProtocolError, SignalingClient

PIN = "correct horse"


def who(peer_id: str, room_id: str = "class", **more: Any) -> dict[str, Any]:
    return {"roomId": room_id, "peerId": peer_id, "name": peer_id, "isTeacher": False, **more}


async def code_of(client: SignalingClient, data: dict[str, Any]) -> str:
    with pytest.raises(ProtocolError) as refused:
        await client.request("join", data)
    return refused.value.code


async def test_students_say_the_pin_and_the_teacher_does_not(start_sfu: StartSfu) -> None:
    sfu = start_sfu("--pin", PIN, "--teacher-from", "token", "--num-workers", "2")
    async with AsyncExitStack() as stack:

        async def client() -> SignalingClient:
            return await stack.enter_async_context(await SignalingClient.connect(sfu.url))

        for room_id in ("near", "far"):
            student = await client()
            assert await code_of(student, who("ann", room_id)) == "pin-required"
            assert await code_of(student, who("ann", room_id, pin="guess")) == "wrong-pin"
            joined = await student.request("join", who("ann", room_id, pin=PIN))
            assert "pin" in joined["extensions"]
            token = sfu.ready["teacherToken"]
            await (await client()).request("join", who("t", room_id, isTeacher=True, token=token))
    assert PIN not in sfu.log()
    assert sfu.ready["teacherToken"] not in sfu.log()


async def test_guessing_is_slowed_down(start_sfu: StartSfu) -> None:
    sfu: SfuProcess = start_sfu("--pin", PIN, "--max-pin-tries", "3", "--teacher-from", "token")
    token = sfu.ready["teacherToken"]
    async with await SignalingClient.connect(sfu.url) as guesser:
        for _ in range(3):
            assert await code_of(guesser, who("ann", pin="guess")) == "wrong-pin"
        assert await code_of(guesser, who("ann", pin=PIN)) == "too-many-pin-tries"
    async with await SignalingClient.connect(sfu.url) as another:
        assert await code_of(another, who("ann", pin=PIN)) == "too-many-pin-tries"
        await another.request("join", who("t", isTeacher=True, token=token))


async def test_the_host_sets_and_removes_it(start_sidecar: StartSidecar) -> None:
    sidecar = start_sidecar(*DEFAULT_ARGUMENTS, "--teacher-from", "token")
    url = sidecar.hear()["localUrl"]

    def set_pin(pin: Any) -> dict[str, Any]:
        sidecar.say(json.dumps({"command": "set-pin", "id": 1, "pin": pin}))
        while (heard := sidecar.hear())["event"] in ("peer-joined", "peer-left"):
            pass
        return heard

    async with (
        await SignalingClient.connect(url) as early,
        await SignalingClient.connect(url) as late,
    ):
        await early.request("join", who("early"))
        assert set_pin("1234") == {"event": "pin-set", "id": 1, "required": True}
        assert await code_of(late, who("late")) == "pin-required"
        assert await code_of(late, who("late", pin="0000")) == "wrong-pin"
        for wrong in ("x" * 65, " ", "a\nb", 1234):
            refused = set_pin(wrong)
            assert (refused["event"], refused["code"]) == ("error", "invalid-command")
        await late.request("join", who("late", pin="1234"))
        assert set_pin("5678")["required"]
        await early.request("getProducers")
        await late.request("leave")
        assert await code_of(late, who("late", pin="1234")) == "wrong-pin"
        assert set_pin(None) == {"event": "pin-set", "id": 1, "required": False}
        await late.request("join", who("late"))


def test_a_wrong_pin_setting_is_not_shown(start_sidecar: StartSidecar) -> None:
    sidecar = start_sidecar("--pin", "secret\n" * 20)
    fatal = sidecar.hear()
    assert fatal["code"] == "bad-setting"
    assert "secret" not in json.dumps(fatal)
