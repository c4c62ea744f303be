"""The server over loopback, with real WebSocket clients and the real media layer but no network."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from sidecar.classroom.policy import POLICIES
from sidecar.limits import Limits
from sidecar.ortc.parameters import DtlsFingerprint, DtlsParameters, IceCandidate, IceParameters
from sidecar.sfu import Link, Recipients, WebRtcTransport, Worker
from sidecar.sfu.batch import Packets
from sidecar.signaling import server as server_module
from sidecar.signaling.connection_table import ConnectionTable
from sidecar.signaling.gate import Gate
from sidecar.signaling.listen import listen
from sidecar.signaling.origin import OriginRule, OwnHosts
from sidecar.signaling.pin import PinRule
from sidecar.signaling.server import MAX_FRAME_BYTES, ServerSnapshot, SignalingServer
from sidecar.signaling.teacher_rule import TeacherRule

ANYBODY_TEACHES = TeacherRule("any", "", lambda _address: False)
NO_PIN = PinRule("", 1, time.monotonic)
ORIGIN_RULE = OriginRule((), OwnHosts((), lambda _address: False))
LIMITS = Limits()
OURS = ("extensions", "rejoinToken")
SAMPLES = Path(__file__).parents[2] / "fixtures" / "samples"


class DeadLink:
    """A link to nowhere."""

    def __init__(self, local_address: str | None) -> None:
        address = local_address or "192.0.2.1"
        self.ice_parameters = IceParameters("ufrag", "password")
        self.ice_candidates = (IceCandidate("udpcandidate", 1, address, address, 40000),)
        self.dtls_parameters = DtlsParameters((DtlsFingerprint("sha-256", "AB:CD"),))
        self.silence_ns: int | None = None
        self.closed = False

    def connect(self, dtls_parameters: DtlsParameters) -> None:
        pass

    def restart_ice(self) -> IceParameters:
        return self.ice_parameters

    def offer_ice_restart(self) -> IceParameters:
        return self.restart_ice()

    def send_rtp(self, groups: Sequence[Packets]) -> None:
        pass

    def forget_incoming(self, ssrc: int) -> None:
        pass

    def end_outgoing(self, ssrc: int) -> None:
        pass

    def send_rtcp(self, compounds: Sequence[bytes]) -> None:
        pass

    def close(self) -> None:
        self.closed = True


class DeadNetwork:
    """Opens links to nowhere, and remembers them."""

    def __init__(self) -> None:
        self.links: list[DeadLink] = []

    def prepare(self) -> None:
        pass

    def open_link(self, transport: WebRtcTransport, local_address: str | None) -> DeadLink:
        self.links.append(DeadLink(local_address))
        return self.links[-1]

    def recipients(self, links: Sequence[Link]) -> Recipients:
        raise AssertionError("nobody sends anything")

    def report_defect(self, transport: WebRtcTransport, error: Exception) -> None:
        raise error

    def wake(self) -> None:
        pass


class Site:
    """A running server."""

    def __init__(
        self, teacher_rule: TeacherRule = ANYBODY_TEACHES, limits: Limits = LIMITS
    ) -> None:
        self.network = DeadNetwork()
        worker = Worker(self.network, random.Random(1), max_incoming_bitrate_bps=6_000_000)
        table = ConnectionTable(limits, None, lambda _address: True)
        self.server = SignalingServer(
            worker,
            POLICIES["classroom"],
            limits,
            Gate(teacher_rule, NO_PIN),
            ORIGIN_RULE,
            table=table,
        )
        self.port = 0

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    async def start(self, host: str = "127.0.0.1") -> None:
        listeners = await listen(host, 0)
        await self.server.start(listeners)
        self.port = listeners[0].getsockname()[1]


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    await site.start()
    yield site
    await site.server.close()


async def say(client: ClientConnection, type_: str, data: object = None) -> None:
    await client.send(json.dumps({"type": type_, "data": data}))


async def hear(client: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(await client.recv())
    return message


async def join(client: ClientConnection, peer_id: str, *, is_teacher: bool = False) -> None:
    data = {"roomId": "room", "peerId": peer_id, "name": peer_id, "isTeacher": is_teacher}
    await say(client, "join", data)
    assert (await hear(client))["type"] == "joined"


class Recording:
    """One client's side of a recorded class, played against our server.

    Each message of the server must be there and look as it was recorded. Among each other, events
    and replies may come in another order: the recorded server took its time for some replies.
    """

    def __init__(self, client: ClientConnection, name: str) -> None:
        self._client = client
        self._messages: list[tuple[str, dict[str, Any]]] = [
            (each["dir"], each["message"])
            for each in json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8"))
            if "__close" not in each["message"]
        ]
        self._position = 0
        self._unexpected: list[dict[str, Any]] = []

    async def play(self, ids: dict[str, str], until: int | None = None) -> None:
        """Say what the client said, and check what the server says.

        Args:
            ids: Recorded ids to ours; grows.
            until: Stop before this message.
        """
        for direction, recorded in self._messages[self._position : until]:
            if direction == "c2s":
                await self._client.send(with_ids(json.dumps(recorded), ids))
            else:
                ours = await self._hear(recorded["type"])
                assert shape(ours) == shape(recorded)
                ids |= dict(matching_ids(recorded["data"], ours["data"]))
        self._position = len(self._messages) if until is None else until

    def find(self, direction: str, type_: str) -> int:
        """The position of the first such message."""
        found = [(each, message["type"]) for each, message in self._messages]
        return found.index((direction, type_))

    @property
    def is_complete(self) -> bool:
        """Everything was played, and nothing else was heard."""
        return self._position == len(self._messages) and not self._unexpected

    async def _hear(self, type_: str) -> dict[str, Any]:
        for message in self._unexpected:
            if message["type"] == type_:
                self._unexpected.remove(message)
                return message
        while (message := await hear(self._client))["type"] != type_:
            self._unexpected.append(message)
        return message


def with_ids(text: str, ids: dict[str, str]) -> str:
    for theirs, ours in ids.items():
        text = text.replace(theirs, ours)
    return text


def matching_ids(recorded: Any, ours: Any) -> list[tuple[str, str]]:
    """Pairs of the ids that a server makes."""
    if isinstance(recorded, list):
        pairs = [matching_ids(*each) for each in zip(recorded, ours, strict=True)]
        return [pair for each in pairs for pair in each]
    return [(recorded[key], ours[key]) for key in ("producerId", "consumerId") if key in recorded]


def shape(value: Any) -> Any:
    """The names and types of all fields; of a list, each different shape in it once."""
    if isinstance(value, dict):
        return {name: shape(each) for name, each in value.items() if name not in OURS}
    if isinstance(value, list):
        shapes = [shape(each) for each in value]
        return [each for position, each in enumerate(shapes) if each not in shapes[:position]]
    return type(value)


async def test_a_recorded_class(site: Site) -> None:
    async with connect(site.url) as teacher_client, connect(site.url) as student_client:
        teacher = Recording(teacher_client, "teacher")
        student = Recording(student_client, "student1")
        ids: dict[str, str] = {}
        await teacher.play(ids, until=teacher.find("s2c", "peerJoined"))
        await student.play(ids, until=student.find("s2c", "chatMessage"))
        await teacher.play(ids)
        await student.play(ids)
        assert teacher.is_complete
        assert student.is_complete
    assert len(ids) == 6


async def test_a_student_leaves_as_recorded(site: Site) -> None:
    recorded = json.loads((SAMPLES / "teacher-after-student-left.json").read_text("utf-8"))
    async with connect(site.url) as teacher:
        await join(teacher, "teacher", is_teacher=True)
        async with connect(site.url) as student:
            await join(student, "student-4176-1")
            await hear(teacher)
        assert await hear(teacher) == recorded[0]["message"]


async def test_candidates_begin_with_the_address_that_the_client_reached(site: Site) -> None:
    async with connect(site.url) as client:
        await join(client, "ann")
        await say(client, "createTransport", {"direction": "recv"})
        candidates = (await hear(client))["data"]["iceCandidates"]
        assert candidates[0]["address"] == "127.0.0.1"


async def test_a_connection_that_breaks_off(site: Site) -> None:
    async with connect(site.url) as teacher:
        await join(teacher, "teacher", is_teacher=True)
        client = await connect(site.url)
        await join(client, "ann")
        await say(client, "createTransport", {"direction": "recv"})
        await hear(client)
        assert (await hear(teacher))["type"] == "peerJoined"
        client.transport.abort()
        assert (await hear(teacher))["type"] == "peerLeft"
        assert [link.closed for link in site.network.links] == [True]


@pytest.mark.parametrize("frame", [b"\x00\xff", b'{"type":"leave"}', "rubbish", "[1]"])
async def test_rubbish_is_answered(site: Site, frame: str | bytes) -> None:
    async with connect(site.url) as client:
        await client.send(frame)
        assert (await hear(client))["data"]["message"] == "Invalid message format"
        await join(client, "ann")


@pytest.mark.parametrize(
    ("frame", "code"), [(b"\xff\xfe", 1007), (b"x" * (MAX_FRAME_BYTES + 1), 1009)]
)
async def test_what_websocket_itself_forbids_ends_only_that_connection(
    site: Site, frame: bytes, code: int
) -> None:
    async with connect(site.url) as bystander, connect(site.url) as client:
        await join(bystander, "ann")
        await client.send(frame, text=True)
        with pytest.raises(ConnectionClosed):
            await client.recv()
        assert client.close_code == code
        await say(bystander, "getProducers")
        assert (await hear(bystander))["type"] == "producers"


async def test_plain_http_is_told_what_this_is(site: Site) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    response = await reader.read()
    assert response.startswith(b"HTTP/1.1 426 ")
    assert b"WebSocket" in response
    writer.close()
    await writer.wait_closed()


async def test_a_strange_page_is_refused_before_the_upgrade(site: Site) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await connect(site.url, additional_headers={"Origin": "http://evil.example"})
    assert refused.value.response.status_code == 403
    async with connect(site.url, additional_headers={"Origin": "tauri://localhost"}) as client:
        await join(client, "teacher", is_teacher=True)


async def test_closing_ends_every_session(site: Site) -> None:
    async with connect(site.url) as teacher, connect(site.url) as student:
        await join(teacher, "teacher", is_teacher=True)
        await join(student, "ann")
        await say(student, "createTransport", {"direction": "recv"})
        await hear(student)
        await site.server.close()
        for client in (teacher, student):
            await client.wait_closed()
            assert client.close_code == 1001
    assert [link.closed for link in site.network.links] == [True]
    assert site.server.snapshot() == ServerSnapshot(0, ())


async def test_closing_does_not_wait_for_who_never_said_anything(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "STOP_TIMEOUT_S", 0)
    _, writer = await asyncio.open_connection("127.0.0.1", site.port)
    async with connect(site.url):  # Accepted after the other one.
        await site.server.close()
    writer.close()
    await writer.wait_closed()


async def test_snapshot(site: Site) -> None:
    async with connect(site.url) as ann, connect(site.url):
        await join(ann, "ann")
        await say(ann, "createTransport", {"direction": "recv"})
        transport_id = (await hear(ann))["data"]["id"]
        snapshot = site.server.snapshot()
        assert snapshot.connections == 2
        [room] = snapshot.rooms
        [peer] = room.peers
        assert (room.id, peer.id, peer.is_teacher) == ("room", "ann", False)
        assert peer.transports["recv"].transport_id == transport_id


async def test_the_rule_for_teachers_gets_the_address_that_a_client_comes_from() -> None:
    seen: list[str] = []

    def is_own_address(address: str) -> bool:
        seen.append(address)
        return True

    site = Site(TeacherRule("local", "secret", is_own_address))
    await site.start()
    async with connect(site.url) as client:
        await join(client, "teacher", is_teacher=True)
    await site.server.close()
    assert seen == ["127.0.0.1"]
