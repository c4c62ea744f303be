"""What tests of attacks have in common: the attacker's messages, and the class beside it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from websockets.frames import Frame, Opcode

from tests.support.signaling import SignalingClient
from tests.support.synthetic import SyntheticStudent, SyntheticTeacher, eventually

FRAMES = 30


def who(room_id: str, peer_id: str) -> dict[str, Any]:
    return {"roomId": room_id, "peerId": peer_id, "name": peer_id, "isTeacher": False}


def message(type_: str, data: object = None, request_id: int | None = None) -> Frame:
    """A request as a WebSocket frame."""
    extra = {} if request_id is None else {"id": request_id}
    return Frame(Opcode.TEXT, json.dumps({"type": type_, "data": data, **extra}).encode())


async def expect_undisturbed(
    teacher: SyntheticTeacher, students: Sequence[SyntheticStudent]
) -> None:
    """The class goes on for some frames, and nothing that was sent is missing anywhere."""
    goal = teacher.outgoing.source.frames + FRAMES
    await eventually(lambda: teacher.outgoing.source.frames >= goal, "the teacher sends on")
    await teacher.outgoing.stop()
    await eventually(
        lambda: all(student.has_everything(teacher) for student in students),
        lambda: "\n".join(student.describe() for student in students),
    )
    for peer in (teacher, *students):
        await peer.signaling.request("getProducers")


def heard(client: SignalingClient, type_: str) -> list[Any]:
    return [data for name, data in client.events if name == type_]


def opus(number: int) -> dict[str, Any]:
    """What a client says of a microphone, without ever sending any of it."""
    codec = {"mimeType": "audio/opus", "payloadType": 111, "clockRate": 48000, "channels": 2}
    return {
        "mid": str(number),
        "codecs": [codec],
        "encodings": [{"ssrc": 1000 + number}],
        "rtcp": {"cname": "nobody"},
    }
