"""The teacher's seat is the teacher's, whatever students do about it."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.interop.conftest import StartSfu
from tests.support.sfu_process import SfuProcess
from tests.support.signaling import ProtocolError, SignalingClient

BY_TOKEN = ("--teacher-from", "token")
PROCESSES = pytest.mark.parametrize("processes", ["1", "2"])


def who(peer_id: str, room_id: str = "class") -> dict[str, Any]:
    return {"roomId": room_id, "peerId": peer_id, "name": peer_id, "isTeacher": False}


class People:
    """Whoever connects to an SFU, until the test is over."""

    def __init__(self, sfu: SfuProcess, stack: AsyncExitStack) -> None:
        self._sfu = sfu
        self._stack = stack

    async def connect(self) -> SignalingClient:
        client = await SignalingClient.connect(self._sfu.url)
        return await self._stack.enter_async_context(client)

    async def student(self, peer_id: str, room_id: str = "class") -> SignalingClient:
        client = await self.connect()
        await client.request("join", who(peer_id, room_id))
        return client

    async def teacher(self, peer_id: str = "teacher") -> SignalingClient:
        client = await self.connect()
        proof = {"isTeacher": True, "token": self._sfu.ready["teacherToken"]}
        await client.request("join", who(peer_id) | proof)
        return client

    async def another_room_first(self) -> None:
        """With two processes, the class is then carried by the other one."""
        await self.student("somebody", "another room")


async def code_of(client: SignalingClient, data: dict[str, Any]) -> str:
    with pytest.raises(ProtocolError) as refused:
        await client.request("join", data)
    return refused.value.code


@PROCESSES
async def test_a_student_with_the_absent_teachers_id_makes_way(
    start_sfu: StartSfu, processes: str
) -> None:
    sfu = start_sfu(*BY_TOKEN, "--num-workers", processes)
    async with AsyncExitStack() as stack:
        people = People(sfu, stack)
        await people.another_room_first()
        witness = await people.student("witness")
        impostor = await people.student("teacher")
        teacher = await people.teacher()
        assert await impostor.wait_closed() == 4000
        joined = await witness.wait_for("peerJoined", lambda data: data["isTeacher"])
        assert joined["peerId"] == "teacher"
        again = await people.connect()
        for _ in range(3):
            assert await code_of(again, who("teacher")) == "peer-exists"
        await teacher.request("getProducers")


@PROCESSES
async def test_the_teachers_seat_is_never_full(start_sfu: StartSfu, processes: str) -> None:
    sfu = start_sfu(*BY_TOKEN, "--num-workers", processes, "--max-clients-per-room", "4")
    async with AsyncExitStack() as stack:
        people = People(sfu, stack)
        await people.another_room_first()
        for number in range(3):
            await people.student(f"student-{number}")
        late = await people.connect()
        assert await code_of(late, who("late")) == "room-full"
        await people.teacher()
        assert await code_of(late, who("late")) == "room-full"


async def test_a_proven_teacher_gets_into_a_full_open_room(start_sfu: StartSfu) -> None:
    sfu = start_sfu(*BY_TOKEN, "--policy", "open", "--max-clients-per-room", "2")
    async with AsyncExitStack() as stack:
        people = People(sfu, stack)
        await people.student("ann")
        await people.student("teacher")
        await people.teacher()


@PROCESSES
async def test_a_crowd_at_one_seat_is_answered(start_sfu: StartSfu, processes: str) -> None:
    """The one who has the seat and all who want it are silent: none of them answers pings."""
    sfu = start_sfu(*BY_TOKEN, "--num-workers", processes)
    async with AsyncExitStack() as stack:
        people = People(sfu, stack)
        await people.another_room_first()
        occupant = await people.student("ann")
        occupant.stop_reading()
        crowd = [await people.connect() for _ in range(12)]
        answers = await asyncio.gather(
            *(each.request("join", who("ann")) for each in crowd), return_exceptions=True
        )
        assert sum(isinstance(each, dict) for each in answers) == 1
        refused = [each.code for each in answers if isinstance(each, ProtocolError)]
        assert refused == ["peer-exists"] * 11
        await people.teacher()
