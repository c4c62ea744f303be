"""A client whose room is in another process; all else is told in the tests of sessions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from sidecar.classroom.peer import Peer
from sidecar.limits import Limits
from sidecar.signaling import keepalive
from sidecar.signaling.client import Client
from sidecar.signaling.connection import NO_SIGN_OF_LIFE, CloseReason
from sidecar.signaling.registry import Registry
from sidecar.signaling.teacher_rule import TeacherRule
from tests.unit.signaling.fakes import School

REASON = CloseReason(1012, "gone")


class FakeRepresentative:
    """Answers what the test tells it to, and remembers what it was asked."""

    def __init__(self, client: Client, is_proven: bool) -> None:
        self.client = client
        self.is_proven = is_proven
        self.frames: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.answers: asyncio.Queue[tuple[str, bool]] = asyncio.Queue()
        self.has_left = False
        self.silence_ns: int | None = None

    async def handle(self, frame: str | bytes) -> bool:
        self.frames.put_nowait(json.loads(frame))
        type_, has_seat = await self.answers.get()
        self.client.deliver(json.dumps({"type": type_}).encode())
        return has_seat

    async def media_silence_ns(self) -> int | None:
        return self.silence_ns

    def leave(self, how: str) -> None:
        self.has_left = True
        self.farewell = how


class FakeElsewhere:
    """Has every room whose name begins with "far"."""

    def __init__(self) -> None:
        self.peers: dict[tuple[str, str], Peer] = {}
        self.representatives: asyncio.Queue[FakeRepresentative] = asyncio.Queue()

    def find(self, room_id: str, peer_id: str) -> Peer | None:
        return self.peers.get((room_id, peer_id))

    async def represent(
        self, client: Client, room_id: str, here: Registry, *, is_proven: bool
    ) -> FakeRepresentative | None:
        if not room_id.startswith("far") or here.holds(room_id):
            return None
        representative = FakeRepresentative(client, is_proven)
        self.representatives.put_nowait(representative)
        return representative


@pytest.fixture
def elsewhere() -> FakeElsewhere:
    return FakeElsewhere()


@pytest.fixture
async def school(elsewhere: FakeElsewhere) -> AsyncIterator[School]:
    school = School(elsewhere=elsewhere, limits=Limits(max_invalid_messages=1))
    yield school
    await school.close()


async def test_from_its_join_on_a_client_is_represented_where_its_room_is(
    school: School, elsewhere: FakeElsewhere
) -> None:
    client = school.client()
    client.send_join("ann", room_id="far")
    client.send("getProducers")
    representative = await elsewhere.representatives.get()
    assert not representative.is_proven
    assert (await representative.frames.get())["type"] == "join"
    assert representative.frames.empty()
    representative.answers.put_nowait(("joined", True))
    assert await client.receive() == {"type": "joined"}
    assert (await representative.frames.get())["type"] == "getProducers"
    representative.answers.put_nowait(("producers", True))
    assert await client.receive() == {"type": "producers"}
    assert school.registry.rooms == ()


async def test_who_has_left_may_join_a_room_here(school: School, elsewhere: FakeElsewhere) -> None:
    client = school.client()
    client.send_join("ann", room_id="far")
    client.send("leave")
    client.send_join("ann", room_id="near")
    representative = await elsewhere.representatives.get()
    for answer in (("joined", True), ("left", False)):
        representative.answers.put_nowait(answer)
    types = [(await client.receive())["type"] for _ in range(3)]
    assert types == ["joined", "left", "joined"]
    assert school.registry.holds("near")
    assert not representative.has_left, "it has no seat to give up"


async def test_who_is_refused_there_is_answered_here_again(
    school: School, elsewhere: FakeElsewhere
) -> None:
    client = school.client()
    client.send_join("ann", room_id="far")
    (await elsewhere.representatives.get()).answers.put_nowait(("error", False))
    assert (await client.receive())["type"] == "error"
    assert (await client.request("getProducers"))["data"]["code"] == "not-joined"


async def test_the_end_of_a_connection_is_passed_on(
    school: School, elsewhere: FakeElsewhere
) -> None:
    client = school.client()
    client.send_join("ann", room_id="far")
    representative = await elsewhere.representatives.get()
    representative.answers.put_nowait(("joined", True))
    await client.receive()
    await client.leave()
    assert representative.has_left


async def test_the_end_is_passed_on_also_while_an_answer_is_due(
    school: School, elsewhere: FakeElsewhere
) -> None:
    client = school.client()
    client.send_join("ann", room_id="far")
    representative = await elsewhere.representatives.get()
    await representative.frames.get()
    representative.client.stop(REASON)
    await client.task
    assert client.connection.closed_with == REASON
    assert representative.has_left


async def test_media_there_is_a_sign_of_life_here(
    school: School, elsewhere: FakeElsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keepalive, "PING_INTERVAL_S", 0)
    client = school.client(answers_pings=False)
    client.send_join("ann", room_id="far")
    representative = await elsewhere.representatives.get()
    representative.silence_ns = 0
    representative.answers.put_nowait(("joined", True))
    await client.receive()
    for _ in range(100):
        school.clock.now_s += 4
        await asyncio.sleep(0)
    assert not client.task.done()
    representative.silence_ns = None
    while not client.task.done():
        school.clock.now_s += 4
        await asyncio.sleep(0)
    assert client.connection.closed_with == NO_SIGN_OF_LIFE


async def test_what_is_invalid_there_counts_here(school: School, elsewhere: FakeElsewhere) -> None:
    client = school.client()
    client.send_join("ann", room_id="far")
    representative = await elsewhere.representatives.get()
    for _ in range(2):
        representative.client.sent_invalid()
    await client.task
    assert client.connection.closed_with is not None
    assert client.connection.closed_with.code == 1008


async def test_who_may_come_in_is_decided_before_anybody_elsewhere_is_asked(
    elsewhere: FakeElsewhere,
) -> None:
    rule = TeacherRule("local", "secret", lambda address: address == "192.0.2.1")
    school = School(elsewhere=elsewhere, teacher_rule=rule)
    client = school.client()
    refused = await client.join("t", is_teacher=True, room_id="far")
    assert refused["data"]["code"] == "teacher-not-allowed"
    assert elsewhere.representatives.empty()
    client.connection.remote_address = "192.0.2.1"
    client.send_join("t", is_teacher=True, room_id="far")
    representative = await elsewhere.representatives.get()
    assert representative.is_proven
    representative.answers.put_nowait(("joined", True))
    await client.receive()
    await school.close()


async def test_a_teacher_who_comes_back_there_needs_no_other_proof(
    elsewhere: FakeElsewhere,
) -> None:
    nobody = TeacherRule("token", "secret", lambda _address: False)
    school = School(elsewhere=elsewhere, teacher_rule=nobody)
    elsewhere.peers["far", "t"] = Peer("t", "T", True, is_proven=True, rejoin_token="seat")
    client = school.client()
    who = {"roomId": "far", "peerId": "t", "name": "T", "isTeacher": True}
    refused = await client.request("join", {**who, "rejoinToken": "else"})
    assert refused["data"]["code"] == "teacher-not-allowed"
    client.send("join", {**who, "rejoinToken": "seat"})
    representative = await elsewhere.representatives.get()
    assert representative.is_proven
    representative.answers.put_nowait(("joined", True))
    await client.receive()
    await school.close()
