"""What people write reaches other people's screens without tricks, and a cut emoji stops nobody."""

from __future__ import annotations

import asyncio
import json
import re
import unicodedata
from typing import Any

import pytest
from websockets.asyncio.client import connect

from tests.interop.conftest import DEFAULT_ARGUMENTS, StartSidecar
from tests.support.sfu_process import SfuProcess
from tests.support.sidecar import Sidecar
from tests.support.signaling import ProtocolError, SignalingClient

NASTY = "\x1b[2J\u202eAnn\u200b\u2066\n\U000e0041" + "\u0301" * 100
SEEN = "[2JAnn"
WHO = {"roomId": "class", "peerId": "ann", "name": "Ann", "isTeacher": False}


def is_harmless(text: str) -> bool:
    categories = {unicodedata.category(each) for each in text}
    return not categories & {"Cc", "Cf", "Cs", "Zl", "Zp"}


async def ask(sidecar: Sidecar, line: str, event: str) -> dict[str, Any]:
    sidecar.say(line)
    while (heard := await asyncio.to_thread(sidecar.hear))["event"] != event:
        pass
    return heard


@pytest.mark.parametrize("room_id", ["near", "far"])
async def test_a_name_full_of_tricks(start_sidecar: StartSidecar, room_id: str) -> None:
    sidecar = start_sidecar(*DEFAULT_ARGUMENTS, "--num-workers", "2")
    url = sidecar.hear()["localUrl"]
    async with (
        await SignalingClient.connect(url) as first,
        await SignalingClient.connect(url) as witness,
        await SignalingClient.connect(url) as trickster,
    ):
        await first.request("join", WHO | {"roomId": "near", "peerId": "first"})
        await witness.request("join", WHO | {"roomId": room_id, "peerId": "witness"})
        who = {"roomId": room_id, "peerId": "ann", "name": NASTY}
        await trickster.request("join", WHO | who)
        joined = await witness.wait_for("peerJoined")
        said = {"content": f"1\n2\t3{NASTY}", "timestamp": f"2026{NASTY}"}
        await trickster.send_raw(json.dumps({"type": "chatMessage", "data": said}))
        chat = await witness.wait_for("chatMessage")
        texts = [joined["name"], chat["senderName"], chat["timestamp"]]
        status = await ask(sidecar, '{"command":"status"}', "status")
        texts += [peer["name"] for room in status["rooms"] for peer in room["peers"]]
    assert texts[0].startswith(SEEN)
    assert all(is_harmless(text) for text in texts)
    assert chat["content"].startswith("1\n2\t3[2JAnn")
    assert is_harmless(chat["content"].replace("\n", "").replace("\t", ""))


async def test_a_name_of_nothing_is_seen_as_something(sfu: SfuProcess) -> None:
    async with (
        await SignalingClient.connect(sfu.url) as witness,
        await SignalingClient.connect(sfu.url) as nobody,
    ):
        await witness.request("join", WHO | {"peerId": "witness"})
        await nobody.request("join", WHO | {"name": "\u200b\u202e\u3164"})
        assert (await witness.wait_for("peerJoined"))["name"] == "\ufffd"


@pytest.mark.parametrize("field", ["roomId", "peerId"])
async def test_ids_with_tricks_are_refused(sfu: SfuProcess, field: str) -> None:
    async with await SignalingClient.connect(sfu.url) as client:
        for trick in ("\u202e", "\n", "\u200b", "\x00", "\U000e0041"):
            with pytest.raises(ProtocolError) as refused:
                await client.request("join", WHO | {field: f"a{trick}b"})
            assert refused.value.code == "invalid-id"
        await client.request("join", WHO)


@pytest.mark.parametrize("half", ["\\ud83d", "\\ude00", "\\\\\\ud83d"])
async def test_a_cut_emoji_keeps_nobody_out(sfu: SfuProcess, half: str) -> None:
    seen = re.sub("[\ud800-\udfff]", "\ufffd", json.loads(f'"Zo {half}"'))
    for field in ("roomId", "peerId", "name", "unknown"):
        async with connect(sfu.url) as frontend:
            join = json.dumps({"type": "join", "data": WHO | {field: "CUT"}, "id": "CUT"})
            await frontend.send(join.replace("CUT", f"Zo {half}"))
            joined = json.loads(await frontend.recv())
            assert (joined["type"], joined["id"]) == ("joined", seen)
            assert joined["data"]["peerId"] == (seen if field == "peerId" else "ann")


def test_commands_and_settings_with_what_is_no_text(start_sidecar: StartSidecar) -> None:
    sidecar = start_sidecar()
    sidecar.hear()
    assert sidecar.ask('{"command":"ping","id":"\\ud83d"}') == {"event": "pong", "id": "\ufffd"}
    assert sidecar.ask('{"command":"\\ude00"}')["code"] == "unknown-command"
    wrong = start_sidecar("--log-level", "\udcff")
    fatal = wrong.hear()
    assert (fatal["event"], fatal["code"]) == ("fatal", "bad-setting")
    assert "\ufffd" in fatal["message"]
    assert wrong.exit_code() == 2
