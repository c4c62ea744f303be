from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest

from sidecar.limits import Limits
from sidecar.ortc.errors import OrtcError
from sidecar.sfu import SfuError
from sidecar.signaling import keepalive
from sidecar.signaling.connection import (
    FULL,
    NO_SIGN_OF_LIFE,
    NORMAL,
    TOO_MANY_INVALID_MESSAGES,
    TOO_MANY_MESSAGES,
    TOO_SLOW,
)
from sidecar.signaling.limits import Patience
from sidecar.signaling.teacher_rule import TeacherRule
from tests.unit.signaling.fakes import Client, School

DTLS = {"role": "client", "fingerprints": [{"algorithm": "sha-256", "value": "AB:CD"}]}
OPUS = {"kind": "audio", "mimeType": "audio/opus", "clockRate": 48000, "channels": 2}
CAPABILITIES = {"codecs": [OPUS], "headerExtensions": []}
AUDIO = {"kind": "audio", "rtpParameters": {"codecs": []}}
VIDEO = {"kind": "video", "rtpParameters": {"codecs": []}}


def error(message: str, code: str, request: str) -> dict[str, Any]:
    return {"type": "error", "data": {"message": message, "code": code, "request": request}}


async def connected(school: School, peer_id: str, *, is_teacher: bool = False) -> Client:
    """A client with both transports."""
    client = school.client()
    await client.join(peer_id, is_teacher=is_teacher)
    for direction in ("send", "recv"):
        await client.request("createTransport", {"direction": direction})
    return client


async def producing(client: Client, data: dict[str, Any] = AUDIO) -> str:
    reply = await client.request("produce", data)
    assert reply["type"] == "produced"
    producer_id: str = reply["data"]["producerId"]
    return producer_id


class TestReplies:
    async def test_join(self, school: School) -> None:
        reply = await school.client().join("ann")
        assert reply["type"] == "joined"
        assert {**reply["data"], "extensions": None, "rejoinToken": None} == {
            "roomId": "room",
            "peerId": "ann",
            "isTeacher": False,
            "rtpCapabilities": {
                "codecs": [{**OPUS, "parameters": {}, "rtcpFeedback": []}],
                "headerExtensions": [],
            },
            "extensions": None,
            "rejoinToken": None,
        }
        assert "restartIce" in reply["data"]["extensions"]

    async def test_get_router_rtp_capabilities(self, school: School) -> None:
        client = school.client()
        capabilities = (await client.join("ann"))["data"]["rtpCapabilities"]
        reply = await client.request("getRouterRtpCapabilities")
        assert reply == {"type": "routerRtpCapabilities", "data": capabilities}

    async def test_create_transport(self, school: School) -> None:
        client = school.client()
        await client.join("ann")
        reply = await client.request("createTransport", {"direction": "recv"})
        assert reply == {
            "type": "transportCreated",
            "data": {
                "direction": "recv",
                "id": "transport-1",
                "iceParameters": {
                    "usernameFragment": "ufrag",
                    "password": "password",
                    "iceLite": True,
                },
                "iceCandidates": [
                    {
                        "foundation": "udpcandidate",
                        "priority": 1,
                        "ip": "192.0.2.1",
                        "address": "192.0.2.1",
                        "port": 40000,
                        "protocol": "udp",
                        "type": "host",
                    }
                ],
                "dtlsParameters": {
                    "role": "auto",
                    "fingerprints": [{"algorithm": "sha-256", "value": "AB:CD"}],
                },
            },
        }
        assert school.worker.routers[0].transports[0].local_address == "192.0.2.1"

    async def test_connect_transport(self, school: School) -> None:
        client = await connected(school, "ann")
        data = {"direction": "send", "dtlsParameters": DTLS}
        reply = await client.request("connectTransport", data)
        assert reply == {"type": "transportConnected", "data": {"direction": "send"}}
        connected_with = school.worker.routers[0].transports[0].connected_with
        assert connected_with is not None
        assert connected_with.role == "client"

    async def test_restart_ice(self, school: School) -> None:
        client = await connected(school, "ann")
        reply = await client.request("restartIce", {"direction": "recv"})
        ice = {"usernameFragment": "ufrag2", "password": "password2", "iceLite": True}
        data = {"direction": "recv", "iceParameters": ice}
        assert reply == {"type": "iceRestarted", "data": data}

    async def test_producing_and_consuming(self, school: School) -> None:
        teacher = await connected(school, "teacher", is_teacher=True)
        student = await connected(school, "ann")
        assert (await teacher.receive())["type"] == "peerJoined"
        producer_id = await producing(teacher)
        info = {"producerId": producer_id, "kind": "audio", "peerId": "teacher"}
        assert await student.receive() == {"type": "newProducer", "data": info}
        assert await student.request("getProducers", {}) == {"type": "producers", "data": [info]}
        reply = await student.request(
            "consume", {"producerId": producer_id, "rtpCapabilities": CAPABILITIES}
        )
        consumer_id = reply["data"]["consumerId"]
        assert reply["type"] == "consumed"
        assert reply["data"]["producerId"] == producer_id
        assert reply["data"]["kind"] == "audio"
        assert "codecs" in reply["data"]["rtpParameters"]
        for request, answer in [
            ("resumeConsumer", "consumerResumed"),
            ("pauseConsumer", "consumerPaused"),
            ("closeConsumer", "consumerClosed"),
        ]:
            data = {"consumerId": consumer_id}
            assert await student.request(request, data) == {"type": answer, "data": data}

    async def test_a_producer_s_life(self, school: School) -> None:
        teacher = await connected(school, "teacher", is_teacher=True)
        student = school.client()
        await student.join("ann")
        await teacher.receive()
        producer_id = await producing(teacher)
        await student.receive()
        for request, answer in [
            ("pauseProducer", "producerPaused"),
            ("resumeProducer", "producerResumed"),
            ("closeProducer", "producerClosed"),
        ]:
            data = {"producerId": producer_id}
            assert await teacher.request(request, data) == {"type": answer, "data": data}
            told = {"producerId": producer_id, "peerId": "teacher"}
            assert await student.receive() == {"type": answer, "data": told}
        assert teacher.connection.sent.empty()

    async def test_chat_has_no_reply(self, school: School) -> None:
        teacher, student = school.client(), school.client()
        await teacher.join("teacher", is_teacher=True)
        await student.join("ann")
        student.send("chatMessage", {"content": "hello", "timestamp": "now"}, id=1)
        assert (await student.request("getProducers"))["type"] == "producers"
        await teacher.receive()
        assert await teacher.receive() == {
            "type": "chatMessage",
            "data": {
                "senderId": "ann",
                "senderName": "Ann",
                "content": "hello",
                "timestamp": "now",
                "isTeacher": False,
            },
        }

    async def test_leave_and_come_back(self, school: School) -> None:
        client = school.client()
        await client.join("ann")
        assert await client.request("leave", id="x") == {"type": "left", "data": {}, "id": "x"}
        assert school.worker.routers[0].closed
        assert (await client.request("getProducers"))["data"]["code"] == "not-joined"
        assert (await client.join("ann"))["type"] == "joined"

    async def test_in_the_order_of_the_requests(self, school: School) -> None:
        client = school.client()
        client.send("getProducers", id=0)
        client.send_join("ann")
        client.connection.frames.put_nowait("rubbish")
        client.send("createTransport", {"direction": "send"}, id=3)
        client.send("chatMessage", {"content": "hello", "timestamp": "now"})
        client.send("getProducers", id=5)
        replies = [await client.receive() for _ in range(5)]
        assert [(each["type"], each.get("id")) for each in replies] == [
            ("error", 0),
            ("joined", None),
            ("error", None),
            ("transportCreated", 3),
            ("producers", 5),
        ]


class TestRefusals:
    @pytest.mark.parametrize(
        ("request_type", "data"),
        [
            ("leave", None),
            ("getRouterRtpCapabilities", None),
            ("createTransport", {"direction": "send"}),
            ("connectTransport", {"direction": "send", "dtlsParameters": DTLS}),
            ("restartIce", {"direction": "send"}),
            ("produce", AUDIO),
            ("closeProducer", {"producerId": "x"}),
            ("pauseProducer", {"producerId": "x"}),
            ("resumeProducer", {"producerId": "x"}),
            ("getProducers", None),
            ("consume", {"producerId": "x", "rtpCapabilities": CAPABILITIES}),
            ("closeConsumer", {"consumerId": "x"}),
            ("pauseConsumer", {"consumerId": "x"}),
            ("resumeConsumer", {"consumerId": "x"}),
            ("chatMessage", {"content": "x", "timestamp": "x"}),
        ],
    )
    async def test_before_joining(self, school: School, request_type: str, data: object) -> None:
        reply = await school.client().request(request_type, data)
        assert reply == error("Not joined", "not-joined", request_type)

    async def test_joining_twice(self, school: School) -> None:
        client = school.client()
        await client.join("ann")
        assert await client.join("ann") == error("Already joined", "already-joined", "join")

    async def test_the_room_is_full(self) -> None:
        school = School(limits=Limits(max_clients_per_room=1))
        await school.client().join("ann")
        reply = await school.client().join("bob")
        assert reply == error("Room is full", "room-full", "join")
        await school.close()

    async def test_an_error_repeats_the_id(self, school: School) -> None:
        assert (await school.client().request("getProducers", id="x"))["id"] == "x"
        assert (await school.client().request("getProducers", [], id=8))["id"] == 8

    @pytest.mark.parametrize(
        ("request_type", "data", "message", "code"),
        [
            ("produce", VIDEO, "Only teacher can share screen", "video-not-allowed"),
            ("closeProducer", {"producerId": "x"}, "Producer not found", "producer-not-found"),
            ("pauseProducer", {"producerId": "x"}, "Producer not found", "producer-not-found"),
            (
                "consume",
                {"producerId": "x", "rtpCapabilities": CAPABILITIES},
                "Producer not found",
                "producer-not-found",
            ),
            ("resumeConsumer", {"consumerId": "x"}, "Consumer not found", "consumer-not-found"),
            ("pauseConsumer", {"consumerId": "x"}, "Consumer not found", "consumer-not-found"),
            ("closeConsumer", {"consumerId": "x"}, "Consumer not found", "consumer-not-found"),
        ],
    )
    async def test_with_transports(
        self, school: School, request_type: str, data: object, message: str, code: str
    ) -> None:
        client = await connected(school, "ann")
        assert await client.request(request_type, data) == error(message, code, request_type)

    @pytest.mark.parametrize(
        ("request_type", "data", "message", "code"),
        [
            ("produce", AUDIO, "Send transport not found", "send-transport-not-found"),
            ("restartIce", {"direction": "recv"}, "Transport not found", "transport-not-found"),
            (
                "connectTransport",
                {"direction": "send", "dtlsParameters": DTLS},
                "Transport not found",
                "transport-not-found",
            ),
        ],
    )
    async def test_without_transports(
        self, school: School, request_type: str, data: object, message: str, code: str
    ) -> None:
        client = school.client()
        await client.join("ann")
        assert await client.request(request_type, data) == error(message, code, request_type)

    async def test_consuming(self, school: School) -> None:
        teacher = await connected(school, "teacher", is_teacher=True)
        producer_id = await producing(teacher)
        student = school.client()
        await student.join("ann")
        consume = {"producerId": producer_id, "rtpCapabilities": CAPABILITIES}
        reply = await student.request("consume", consume)
        assert reply["data"]["message"] == "Recv transport not found"
        await student.request("createTransport", {"direction": "recv"})
        reply = await student.request("consume", consume | {"rtpCapabilities": {"codecs": []}})
        assert reply == error("Cannot consume", "cannot-consume", "consume")
        await teacher.receive()
        reply = await teacher.request("consume", consume)
        assert reply == error("Teacher cannot consume from self", "own-producer", "consume")

    @pytest.mark.parametrize(
        ("raised", "message", "code"),
        [
            (OrtcError("no codec matches"), "no codec matches", "invalid-rtp-parameters"),
            (SfuError("SSRC in use", "ssrc-in-use"), "SSRC in use", "ssrc-in-use"),
        ],
    )
    async def test_by_the_media_layer(
        self, school: School, raised: Exception, message: str, code: str
    ) -> None:
        client = await connected(school, "ann")
        school.worker.routers[0].produce_error = raised
        assert await client.request("produce", AUDIO) == error(message, code, "produce")

    async def test_a_defect_of_ours(self, school: School, caplog: pytest.LogCaptureFixture) -> None:
        client = await connected(school, "ann")
        school.worker.routers[0].produce_error = KeyError("oops")
        reply = await client.request("produce", AUDIO, id=1)
        assert reply == error("Internal error", "internal", "produce") | {"id": 1}
        [record] = [each for each in caplog.records if each.levelno == logging.ERROR]
        assert record.exc_info is not None
        assert (await client.request("getProducers"))["type"] == "producers"

    async def test_invalid_messages(self, school: School) -> None:
        client = school.client()
        client.connection.frames.put_nowait("}{")
        assert await client.receive() == {
            "type": "error",
            "data": {"message": "Invalid message format", "code": "invalid-message"},
        }
        client.connection.frames.put_nowait(b'{"type":"leave"}')
        assert (await client.receive())["data"]["code"] == "invalid-message"
        assert (await client.join("ann"))["type"] == "joined"


async def test_frames_that_came_together_are_answered_one_by_one(school: School) -> None:
    client, other = school.client(), school.client()
    await client.join("ann")
    await other.join("ben")
    await client.receive()
    sent = client.connection.sent
    for number in range(50):
        client.send("getProducers", id=number)
    most = 0
    for _ in range(1000):
        await asyncio.sleep(0)
        most = max(most, 50 - client.connection.frames.qsize() - sent.qsize())
    assert sent.qsize() == 50
    assert most <= 2, "of these requests so many were carried out before the first was answered"


def chat(content: str) -> dict[str, str]:
    return {"content": content, "timestamp": "now"}


class TestAllowances:
    async def test_chat_has_its_own(self) -> None:
        school = School(limits=Limits(max_chat_messages=3))
        client, other = school.client(), school.client()
        await client.join("ann")
        await other.join("ben")
        await client.receive()
        for number in range(5):
            client.send("chatMessage", chat(str(number)), id=number)
        refused = [await client.receive() for _ in range(2)]
        assert [each["id"] for each in refused] == [3, 4]
        assert {each["data"]["code"] for each in refused} == {"too-many-chat-messages"}
        assert {each["data"]["request"] for each in refused} == {"chatMessage"}
        heard = [(await other.receive())["data"]["content"] for _ in range(3)]
        assert heard == ["0", "1", "2"]
        assert (await client.request("getProducers"))["type"] == "producers"
        school.clock.now_s += 10 / 3
        client.send("chatMessage", chat("again"))
        assert (await other.receive())["data"]["content"] == "again"
        await school.close()

    @pytest.mark.parametrize(
        ("request_type", "data"),
        [
            ("createTransport", {"direction": "send"}),
            ("restartIce", {"direction": "send"}),
            ("produce", AUDIO),
            ("closeProducer", {"producerId": "x"}),
            ("pauseProducer", {"producerId": "x"}),
            ("resumeProducer", {"producerId": "x"}),
            ("join", {"roomId": "r", "peerId": "p", "name": "n", "isTeacher": False}),
        ],
    )
    async def test_what_others_hear_of_and_what_sets_things_up(
        self, request_type: str, data: object
    ) -> None:
        school = School(limits=Limits(max_changes=10))
        client = await connected(school, "ann")
        for _ in range(7):  # The joining and two transports were the first three.
            await client.request(request_type, data)
        reply = await client.request(request_type, data)
        words = "Too many requests, wait some seconds"
        assert reply == error(words, "too-many-changes", request_type)
        assert (await client.request("getProducers"))["type"] == "producers"
        school.clock.now_s += 1
        reply = await client.request(request_type, data)
        assert reply["data"].get("code") != "too-many-changes"
        await school.close()

    async def test_joining_and_leaving_in_turns(self) -> None:
        school = School(limits=Limits(max_changes=10))
        client, other = school.client(), school.client()
        await other.join("ben")
        for _ in range(10):
            assert (await client.join("ann"))["type"] == "joined"
            assert (await client.request("leave"))["type"] == "left"
        assert (await client.join("ann"))["data"]["code"] == "too-many-changes"
        await school.close()

    async def test_consuming(self) -> None:
        school = School(limits=Limits(max_consume_requests=10))
        client = await connected(school, "ann")
        consume = {"producerId": "x", "rtpCapabilities": CAPABILITIES}
        for _ in range(10):
            assert (await client.request("consume", consume))["data"]["code"] != "too-many-changes"
        reply = await client.request("consume", consume, id="eleventh")
        assert (reply["id"], reply["data"]["code"]) == ("eleventh", "too-many-changes")
        await school.close()


class TestTooManyConnections:
    async def test_who_joins_stays_and_who_leaves_may_have_to_go(self) -> None:
        school = School(limits=Limits(max_unjoined_connections=1))
        ann = school.client()
        await ann.join("ann")
        waits = school.client()
        ben = school.client()
        await waits.task
        assert (await ben.join("ben"))["type"] == "joined"
        await ben.request("leave")
        school.client()
        await ben.task
        ben = school.client()
        assert (await ben.join("ben"))["type"] == "joined"
        await school.close()

    async def test_only_a_proven_teacher_gets_into_a_full_server(self) -> None:
        rule = TeacherRule("token", "secret", lambda _address: False)
        school = School(limits=Limits(max_connections=1), teacher_rule=rule)
        await school.client().join("ann")
        student, teacher = school.client(), school.client()
        assert (await student.join("ben"))["data"]["code"] == "server-full"
        await student.task
        assert student.connection.closed_with == FULL
        who = {"roomId": "room", "peerId": "t", "name": "T", "isTeacher": True}
        assert (await teacher.request("join", who | {"token": "secret"}))["type"] == "joined"
        await school.close()


class TestEnding:
    async def test_everything_ends_with_the_connection(self, school: School) -> None:
        teacher = await connected(school, "teacher", is_teacher=True)
        student = school.client()
        await student.join("ann")
        await teacher.receive()
        producer_id = await producing(teacher)
        await student.receive()
        await teacher.leave()
        assert await student.receive() == {
            "type": "producerClosed",
            "data": {"producerId": producer_id, "peerId": "teacher"},
        }
        assert (await student.receive())["type"] == "peerLeft"
        router = school.worker.routers[0]
        assert all(transport.closed for transport in router.transports)
        assert not router.closed
        await student.leave()
        assert router.closed
        assert teacher.connection.closed_with == NORMAL

    async def test_what_was_sent_before_hanging_up_is_heard(self, school: School) -> None:
        teacher, student = school.client(), school.client()
        await teacher.join("teacher", is_teacher=True)
        await student.join("ann")
        student.send("chatMessage", {"content": "bye", "timestamp": "now"})
        await student.leave()
        heard = [(await teacher.receive())["type"] for _ in range(3)]
        assert heard == ["peerJoined", "chatMessage", "peerLeft"]

    async def test_who_gives_no_sign_of_life(
        self, school: School, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(keepalive, "PING_INTERVAL_S", 0)
        client = school.client(answers_pings=False)
        await client.join("ann")
        while not client.task.done():
            school.clock.now_s += 4
            await asyncio.sleep(0)
        assert client.connection.closed_with == NO_SIGN_OF_LIFE
        assert school.registry.rooms == ()

    async def test_media_is_a_sign_of_life(
        self, school: School, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(keepalive, "PING_INTERVAL_S", 0)
        client = school.client(answers_pings=False)
        await client.join("ann")
        await client.request("createTransport", {"direction": "send"})
        await client.request("createTransport", {"direction": "recv"})
        transport = school.worker.routers[0].transports[1]
        transport.silence_ns = 0
        for _ in range(100):
            school.clock.now_s += 4
            await asyncio.sleep(0)
        assert not client.task.done()
        transport.silence_ns = 60_000_000_000
        while not client.task.done():
            school.clock.now_s += 4
            await asyncio.sleep(0)

    async def test_a_cancelled_session_leaves(self, school: School) -> None:
        client = school.client()
        await client.join("ann")
        client.task.cancel()
        await asyncio.wait([client.task])
        assert school.worker.routers[0].closed

    async def test_too_many_invalid_messages(self) -> None:
        school = School(limits=Limits(max_invalid_messages=3))
        client = school.client()
        for _ in range(3):
            await client.request("rubbish")
        school.clock.now_s += 4
        await client.request("rubbish")
        assert not client.task.done()
        client.send("rubbish")
        await client.task
        assert client.connection.closed_with == TOO_MANY_INVALID_MESSAGES

    async def test_a_flood(self) -> None:
        school = School(limits=Limits(max_messages_per_second=5))
        client = school.client()
        await client.join("ann")
        for _ in range(4):
            await client.request("getProducers")
        for number in range(5):
            reply = await client.request("getProducers", id=number)
            assert reply == {"id": number} | error(
                "Too many messages", "too-many-messages", "getProducers"
            )
        school.clock.now_s += 0.2
        assert (await client.request("getProducers"))["type"] == "producers"
        # A fifth of a second is one message, carried out or refused.
        assert (await client.request("getProducers"))["type"] == "error"
        client.send("getProducers")
        await client.task
        assert client.connection.closed_with == TOO_MANY_MESSAGES
        assert school.worker.routers[0].closed

    async def test_a_client_that_reads_nothing_holds_up_nobody(self) -> None:
        school = School(patience=Patience(send_timeout_s=3600, max_waiting_bytes=500))
        slow, teacher, student = school.client(), school.client(), school.client()
        await slow.join("slow")
        slow.connection.reads.clear()
        await teacher.join("teacher", is_teacher=True)
        await student.join("ann")
        assert (await teacher.receive())["type"] == "peerJoined"
        # Chat alone doesn't cut it off, however much there is.
        for number in range(15):
            data = {"content": str(number), "timestamp": "now"}
            teacher.send("chatMessage", data)
            assert (await student.receive())["data"]["content"] == str(number)
        assert slow.connection.closed_with is None
        # One message is being sent when the others come.
        for number in range(6):
            await school.client().join(f"newcomer-{number}")
        await slow.task
        assert slow.connection.closed_with == TOO_SLOW
        for other in (teacher, student):
            left = {"type": "peerLeft", "data": {"peerId": "slow", "wasTeacher": False}}
            assert left in [await other.receive() for _ in range(7)]
        await school.close()

    async def test_a_client_that_reads_nothing_is_answered_nothing_more(self) -> None:
        school = School()
        client = school.client()
        client.connection.reads.clear()
        for number in range(100):
            client.send("getProducers", id=number)
        for _ in range(100):
            await asyncio.sleep(0)
        assert client.connection.frames.qsize() > 90
        client.connection.reads.set()
        answered = [(await client.receive())["id"] for _ in range(100)]
        assert answered == list(range(100))
        await school.close()

    async def test_a_client_that_takes_a_message_too_slowly(self) -> None:
        school = School(patience=Patience(send_timeout_s=0))
        client = school.client()
        client.connection.reads.clear()
        client.send("getProducers")
        await client.task
        assert client.connection.closed_with == TOO_SLOW


async def test_an_event_is_the_same_for_everybody(school: School) -> None:
    clients = [school.client() for _ in range(3)]
    for number, client in enumerate(clients):
        await client.join(f"peer-{number}")
    clients[2].connection.frames.put_nowait(
        json.dumps({"type": "chatMessage", "data": {"content": "é", "timestamp": "t"}})
    )
    await clients[0].receive()
    await clients[0].receive()
    await clients[1].receive()
    assert await clients[0].receive() == await clients[1].receive()
