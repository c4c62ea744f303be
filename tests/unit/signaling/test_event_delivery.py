"""What clients with and without ids hear, over sessions in one room."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sidecar.signaling.connection import MEDIA_LOST
from tests.unit.signaling.fakes import Client, School

OPUS = {"kind": "audio", "mimeType": "audio/opus", "clockRate": 48000, "channels": 2}
CAPABILITIES = {"codecs": [OPUS], "headerExtensions": []}
AUDIO = {"kind": "audio", "rtpParameters": {"codecs": []}}


async def teacher_of(school: School) -> Client:
    teacher = school.client()
    await teacher.join("teacher", is_teacher=True)
    for direction in ("send", "recv"):
        await teacher.request("createTransport", {"direction": direction})
    return teacher


async def speaking(school: School, name: str) -> tuple[Client, str]:
    """A student with a microphone."""
    student = school.client()
    await student.join(name)
    await student.request("createTransport", {"direction": "send"})
    return student, (await student.request("produce", AUDIO))["data"]["producerId"]


async def consume(client: Client, producer_id: str, **extra: object) -> dict[str, Any]:
    data = {"producerId": producer_id, "rtpCapabilities": CAPABILITIES}
    return await client.request("consume", data, **extra)


async def resume(client: Client, consumed: dict[str, Any]) -> None:
    data = {"consumerId": consumed["data"]["consumerId"]}
    assert (await client.request("resumeConsumer", data))["type"] == "consumerResumed"


async def told(client: Client) -> list[str]:
    """The events that are there, of streams by their producer's id."""
    await settle()
    heard = []
    while not client.connection.sent.empty():
        event = client.connection.sent.get_nowait()
        heard.append(event["data"].get("producerId", event["type"]))
    return heard


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


class TestWithoutIds:
    async def test_streams_are_announced_one_by_one(self, school: School) -> None:
        teacher = await teacher_of(school)
        _, first = await speaking(school, "ann")
        _, second = await speaking(school, "bob")
        assert await told(teacher) == ["peerJoined", first, "peerJoined"]
        consumed = await consume(teacher, first)
        assert await told(teacher) == []
        await resume(teacher, consumed)
        assert await told(teacher) == [second]

    async def test_the_answer_comes_before_the_next_stream(self, school: School) -> None:
        teacher = await teacher_of(school)
        _, first = await speaking(school, "ann")
        _, second = await speaking(school, "bob")
        await told(teacher)
        await resume(teacher, await consume(teacher, first))  # which reads the very next message
        assert await told(teacher) == [second]

    async def test_a_refusal_is_an_answer(self, school: School) -> None:
        teacher = school.client()
        await teacher.join("teacher", is_teacher=True)
        _, first = await speaking(school, "ann")
        _, second = await speaking(school, "bob")
        await told(teacher)
        assert (await consume(teacher, first))["type"] == "error"
        assert await told(teacher) == [second]

    async def test_a_refused_resumption_is_an_answer(self, school: School) -> None:
        teacher = await teacher_of(school)
        _, first = await speaking(school, "ann")
        _, second = await speaking(school, "bob")
        await told(teacher)
        consumer = (await consume(teacher, first))["data"]["consumerId"]
        await teacher.request("closeConsumer", {"consumerId": consumer})
        refusal = await teacher.request("resumeConsumer", {"consumerId": consumer})
        assert refusal["type"] == "error"
        assert await told(teacher) == [second]

    async def test_a_stream_that_was_never_announced_ends_silently(self, school: School) -> None:
        teacher = await teacher_of(school)
        _, first = await speaking(school, "ann")
        bob, second = await speaking(school, "bob")
        await told(teacher)
        await bob.request("closeProducer", {"producerId": second})
        assert await told(teacher) == []
        await resume(teacher, await consume(teacher, first))
        assert await told(teacher) == []

    async def test_the_end_of_a_stream_is_told_before_the_next_one(self, school: School) -> None:
        teacher = await teacher_of(school)
        ann, first = await speaking(school, "ann")
        _, second = await speaking(school, "bob")
        await told(teacher)
        await ann.leave()
        assert await told(teacher) == [first, second, "peerLeft"]

    async def test_what_was_listed_is_not_announced(self, school: School) -> None:
        teacher = await teacher_of(school)
        own = (await teacher.request("produce", AUDIO))["data"]["producerId"]
        _, first = await speaking(school, "ann")
        _, second = await speaking(school, "bob")
        await told(teacher)
        await resume(teacher, await consume(teacher, first))
        assert await told(teacher) == [second]
        _, third = await speaking(school, "cat")
        assert await told(teacher) == ["peerJoined"]
        listed = (await teacher.request("getProducers"))["data"]
        assert [each["producerId"] for each in listed] == [own, first, second, third]
        _, fourth = await speaking(school, "dan")
        for each in (second, third):
            assert await told(teacher) in ([], ["peerJoined"])
            await resume(teacher, await consume(teacher, each))
        assert await told(teacher) == [fourth]

    async def test_other_events_pass(self, school: School) -> None:
        teacher = await teacher_of(school)
        await speaking(school, "ann")
        bob, _ = await speaking(school, "bob")
        await told(teacher)
        bob.send("chatMessage", {"content": "hello", "timestamp": "now"})
        assert await told(teacher) == ["chatMessage"]

    async def test_who_comes_back_starts_anew(self, school: School) -> None:
        teacher = await teacher_of(school)
        await speaking(school, "ann")
        await speaking(school, "bob")
        await told(teacher)
        await teacher.request("leave")
        await teacher.join("teacher", is_teacher=True)
        _, third = await speaking(school, "cat")
        assert await told(teacher) == ["peerJoined", third]

    @pytest.mark.parametrize("direction", [0, 1])
    @pytest.mark.parametrize(
        "reason", ["ice-timeout", "dtls-failed", "srtp-failed", "internal-error"]
    )
    async def test_a_lost_transport_is_the_end(
        self, school: School, direction: int, reason: str
    ) -> None:
        teacher = await teacher_of(school)
        school.worker.routers[0].transports[direction].lose(reason)
        await teacher.task
        assert teacher.connection.closed_with == MEDIA_LOST
        assert school.registry.rooms == ()

    async def test_a_transport_that_the_client_has_closed_is_no_loss(self, school: School) -> None:
        teacher = await teacher_of(school)
        school.worker.routers[0].transports[0].lose("dtls-closed")
        assert await told(teacher) == ["transportClosed"]
        assert (await teacher.request("getProducers"))["type"] == "producers"


class TestWithIds:
    async def test_streams_are_announced_at_once(self, school: School) -> None:
        teacher = await teacher_of(school)
        await teacher.request("getProducers", id=1)
        _, first = await speaking(school, "ann")
        _, second = await speaking(school, "bob")
        assert await told(teacher) == ["peerJoined", first, "peerJoined", second]

    async def test_the_first_id_brings_all_that_was_held_back(self, school: School) -> None:
        teacher = await teacher_of(school)
        _, first = await speaking(school, "ann")
        _, second = await speaking(school, "bob")
        _, third = await speaking(school, "cat")
        await told(teacher)
        teacher.send("rubbish", id="x")
        heard = await told(teacher)
        assert heard[:2] == [second, third]
        assert first not in heard

    async def test_a_lost_transport_is_told(self, school: School) -> None:
        teacher = await teacher_of(school)
        await teacher.request("getProducers", id=1)
        school.worker.routers[0].transports[1].lose("ice-timeout")
        assert await teacher.receive() == {
            "type": "transportClosed",
            "data": {"direction": "recv", "transportId": "transport-2", "reason": "ice-timeout"},
        }

    async def test_a_silent_link_is_told_with_an_offer(self, school: School) -> None:
        teacher = await teacher_of(school)
        await teacher.request("getProducers", id=1)
        on_stale = school.worker.routers[0].transports[0].on_stale
        assert on_stale is not None
        on_stale()
        ice = {"usernameFragment": "ufrag2", "password": "password2", "iceLite": True}
        data = {"direction": "send", "transportId": "transport-1", "iceParameters": ice}
        assert await teacher.receive() == {"type": "iceRestart", "data": data}

    async def test_after_sleep_everybody_with_ids_gets_an_offer(self, school: School) -> None:
        teacher = await teacher_of(school)
        await teacher.request("getProducers", id=1)
        ann, _ = await speaking(school, "ann")
        for transport in school.worker.routers[0].transports:
            transport.silence_ns = 0
        await told(teacher)
        school.registry.offer_ice_restarts()
        assert await told(teacher) == ["iceRestart", "iceRestart"]
        assert await told(ann) == []

    async def test_whoever_joins_with_an_id_uses_ids(self, school: School) -> None:
        client = school.client()
        who = {"roomId": "room", "peerId": "ann", "name": "Ann", "isTeacher": False}
        await client.request("join", who, id=1)
        assert school.registry.rooms[0].peers[0].uses_ids
