"""Many rooms on several processes: nobody notices, also not when one of them dies."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import connect

from tests.interop.conftest import DEFAULT_ARGUMENTS, StartSidecar
from tests.support.classroom import Classroom
from tests.support.received_stream import ReceivedStream
from tests.support.sidecar import Sidecar
from tests.support.signaling import ProtocolError, SignalingClient
from tests.support.synthetic import SyntheticStudent, SyntheticTeacher, eventually

TWO_PROCESSES = (*DEFAULT_ARGUMENTS, "--num-workers", "2")
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)
FRAMES_TO_WATCH = 30
POSIX_ONLY = pytest.mark.skipif(os.name != "posix", reason="needs a POSIX system")


class School:
    """A server with rooms, as its host sees it.

    Args:
        sidecar: It; its stderr must be a pipe.
    """

    def __init__(self, sidecar: Sidecar) -> None:
        self.sidecar = sidecar
        self.ready = sidecar.hear()
        self.url: str = self.ready["localUrl"]
        self._rooms: list[Classroom] = []

    @property
    def port(self) -> int:
        """The UDP port of the main process."""
        number: int = self.ready["media"]["port"]
        return number

    def room(self, room_id: str) -> Classroom:
        """A room, empty at first."""
        room = Classroom(self.url, room_id)
        self._rooms.append(room)
        return room

    async def hear(self, name: str) -> dict[str, Any]:
        """The next event of that name."""
        while (event := await asyncio.to_thread(self.sidecar.hear))["event"] != name:
            pass
        return event

    async def status(self) -> dict[str, Any]:
        self.sidecar.say('{"command":"status"}')
        return await self.hear("status")

    async def worker_pid(self) -> int:
        """The process id of the worker that is ready next, or was."""
        assert self.sidecar.process.stderr is not None
        while True:
            line = await asyncio.to_thread(self.sidecar.process.stderr.readline)
            assert line, "it has ended"
            if found := re.search(rb"worker \d+ is process (\d+)", line):
                return int(found[1])

    async def wait_until_all_processes_are_gone(self) -> None:
        """They share one stderr, which ends with the last of them."""
        assert self.sidecar.process.stderr is not None
        await asyncio.to_thread(self.sidecar.process.stderr.read)

    async def leave(self) -> None:
        for room in self._rooms:
            with contextlib.suppress(ConnectionError):
                await room.leave()


OpenSchool = Callable[..., School]


@pytest.fixture
async def open_school(start_sidecar: StartSidecar) -> AsyncIterator[OpenSchool]:
    """Start a server with command-line arguments; whoever is in its rooms leaves after the test."""
    schools: list[School] = []

    def open_school_(*arguments: str, **streams: Any) -> School:
        sidecar = start_sidecar(*(arguments or TWO_PROCESSES), stderr=subprocess.PIPE, **streams)
        schools.append(School(sidecar))
        return schools[-1]

    yield open_school_
    for school in schools:
        await school.leave()


@pytest.fixture
def school(open_school: OpenSchool) -> School:
    return open_school()


@asynccontextmanager
async def client(school: School) -> AsyncIterator[SignalingClient]:
    async with await SignalingClient.connect(school.url) as client:
        yield client


def who(room_id: str, peer_id: str, *, is_teacher: bool = False) -> dict[str, Any]:
    return {"roomId": room_id, "peerId": peer_id, "name": peer_id, "isTeacher": is_teacher}


def media_port(peer: SyntheticTeacher) -> int:
    """Where a teacher sends."""
    port: int = peer.send_transport["iceCandidates"][0]["port"]
    return port


async def media_port_of(client: SignalingClient) -> int:
    transport = await client.request("createTransport", {"direction": "send"})
    port: int = transport["iceCandidates"][0]["port"]
    return port


async def watch(teacher: SyntheticTeacher, frames: int = FRAMES_TO_WATCH) -> None:
    """Let the class go on for some frames."""
    goal = teacher.outgoing.source.frames + frames
    await eventually(lambda: teacher.outgoing.source.frames >= goal, "the teacher sends on")


async def expect_everything(teacher: SyntheticTeacher, students: list[SyntheticStudent]) -> None:
    """Stop the teacher's sources and check that nothing that was sent is missing anywhere."""
    await teacher.outgoing.stop()
    await eventually(
        lambda: all(student.has_everything(teacher) for student in students),
        lambda: "\n".join(student.describe() for student in students),
    )
    for stream in (stream for student in students for stream in _streams(student)):
        assert (stream.duplicates, len(stream.segments)) == (0, 1)


def _streams(student: SyntheticStudent) -> tuple[ReceivedStream, ReceivedStream]:
    return student.video, student.audio


@pytest.mark.in_all_forms
async def test_two_rooms_are_two_processes_and_both_classes_get_everything(school: School) -> None:
    near, far = school.room("near"), school.room("far")
    teachers = [await room.teach() for room in (near, far)]
    classes = [await room.attend(3) for room in (near, far)]
    assert media_port(teachers[0]) == school.port
    assert media_port(teachers[1]) != school.port
    await watch(teachers[0])
    for teacher, students in zip(teachers, classes, strict=True):
        await expect_everything(teacher, students)
        assert all(student.incoming.nacks_sent == 0 for student in students)


async def test_a_status_is_that_of_all_processes(school: School) -> None:
    for room_id in ("near", "far"):
        room = school.room(room_id)
        await room.teach()
        await room.attend(2)
    status = await school.status()
    assert status["totals"] == {
        "connections": 6,
        "rooms": 2,
        "peers": 6,
        "producers": 4,
        "consumers": 8,
    }
    assert [room["id"] for room in status["rooms"]] == ["near", "far"]
    far_teacher = status["rooms"][1]["peers"][0]
    assert far_teacher["id"] == "teacher"
    assert far_teacher["transports"]["send"]["producers"][0]["packets"] > 0
    assert status["process"]["processes"] == 2


async def test_the_host_sees_who_comes_and_goes_everywhere(school: School) -> None:
    async with client(school) as near, client(school) as far:
        await near.request("join", who("near", "ann"))
        await far.request("join", who("far", "ben", is_teacher=True))
        await school.hear("peer-joined")
        ben = {"roomId": "far", "peerId": "ben", "name": "ben", "isTeacher": True}
        assert await school.hear("peer-joined") == {"event": "peer-joined", **ben}
        await far.request("leave")
        assert await school.hear("peer-left") == {"event": "peer-left", **ben}


@pytest.mark.in_all_forms
async def test_a_worker_dies_alone_and_its_room_can_be_joined_again(school: School) -> None:
    near, far = school.room("near"), school.room("far")
    teacher = await near.teach()
    students = await near.attend(2)
    lost = [await far.teach(), *await far.attend(2)]
    os.kill(await school.worker_pid(), KILL)
    assert [await peer.signaling.wait_closed() for peer in lost] == [1012] * 3
    warning = await school.hear("warning")
    assert warning["code"] == "worker-lost"
    assert "3 people" in warning["message"]
    left = [await school.hear("peer-left") for _ in lost]
    assert [event["roomId"] for event in left] == ["far"] * 3

    again = school.room("far")
    second_teacher = await again.teach()
    second_class = await again.attend(2)
    assert media_port(second_teacher) != school.port
    await watch(second_teacher)
    await expect_everything(second_teacher, second_class)
    await expect_everything(teacher, students)
    assert all(student.incoming.nacks_sent == 0 for student in students)


@POSIX_ONLY
@pytest.mark.in_all_forms
async def test_no_worker_outlives_the_main_process(school: School) -> None:
    async with client(school) as near, client(school) as far:
        await near.request("join", who("near", "ann"))
        await far.request("join", who("far", "ben"))
        os.kill(school.ready["pid"], KILL)
        await school.wait_until_all_processes_are_gone()


@POSIX_ONLY
@pytest.mark.parametrize("is_stuck", [False, True], ids=["well", "stuck"])
async def test_the_end_is_the_end_of_all_processes(school: School, is_stuck: bool) -> None:
    async with client(school) as near, client(school) as far:
        await near.request("join", who("near", "ann"))
        await far.request("join", who("far", "ben"))
        pid = await school.worker_pid()
        if is_stuck:
            os.kill(pid, signal.SIGSTOP)
        school.sidecar.vanish()
        events = await asyncio.to_thread(school.sidecar.hear_all)
        await school.wait_until_all_processes_are_gone()
    assert school.sidecar.exit_code() == 0
    names = [(event["event"], event.get("peerId")) for event in events]
    assert names[-3:] == [("peer-left", "ann"), ("peer-left", "ben"), ("stopped", None)]


@POSIX_ONLY
async def test_a_signal_to_the_whole_group_ends_all_in_good_order(school: School) -> None:
    async with client(school) as near, client(school) as far:
        await near.request("join", who("near", "ann"))
        await far.request("join", who("far", "ben"))
        os.kill(await school.worker_pid(), signal.SIGINT)
        school.sidecar.process.send_signal(signal.SIGINT)
        assert await far.wait_closed() == 1001
        events = await asyncio.to_thread(school.sidecar.hear_all)
    assert school.sidecar.exit_code() == 0
    assert [event["event"] for event in events].count("warning") == 0


@POSIX_ONLY
async def test_a_stuck_worker_holds_up_no_status(school: School) -> None:
    async with client(school) as near, client(school) as far:
        await near.request("join", who("near", "ann"))
        await far.request("join", who("far", "ben"))
        os.kill(await school.worker_pid(), signal.SIGSTOP)
        status = await school.status()
        assert [room["id"] for room in status["rooms"]] == ["near", "far"]
        (ben,) = status["rooms"][1]["peers"]
        assert ben == {"id": "ben", "name": "ben", "isTeacher": False, "transports": {}}
        await near.request("getProducers")


async def test_from_room_to_room_over_one_connection(school: School) -> None:
    async with client(school) as stays, client(school) as goes:
        await stays.request("join", who("near", "ann"))
        await goes.request("join", who("far", "ben"))
        far_port = await media_port_of(goes)
        assert far_port != school.port
        with pytest.raises(ProtocolError, match="Already joined"):
            await goes.request("join", who("near", "ben"))
        await goes.request("leave")
        with pytest.raises(ProtocolError, match="Not joined"):
            await goes.request("getProducers")
        await goes.request("join", who("near", "ben"))
        assert await media_port_of(goes) == school.port
        await stays.wait_for("peerJoined")
        await goes.request("leave")
        await goes.request("join", who("far", "ben"))
        assert await media_port_of(goes) == far_port


async def test_replies_keep_their_order_from_process_to_process(school: School) -> None:
    joins = [who(room_id, "ben") for room_id in ("far", "near", "farther", "far")]
    requests: list[tuple[str, Any]] = []
    for join in joins:
        requests += [("join", join), ("nonsense", None), ("getProducers", {}), ("leave", None)]
    async with client(school) as stays, connect(school.url) as goes:
        await stays.request("join", who("near", "ann"))
        for number, (type_, data) in enumerate(requests):
            await goes.send(json.dumps({"type": type_, "id": number, "data": data}))
        replies = [json.loads(await goes.recv()) for _ in requests]
    assert [reply["id"] for reply in replies] == list(range(len(requests)))
    types = [reply["type"] for reply in replies]
    assert types == ["joined", "error", "producers", "left"] * len(joins)


async def test_a_teacher_who_is_there_keeps_the_place_and_a_dead_one_loses_it(
    school: School,
) -> None:
    async with client(school) as near, client(school) as first, client(school) as second:
        await near.request("join", who("near", "ann"))
        await first.request("join", who("far", "first", is_teacher=True))
        with pytest.raises(ProtocolError) as refused:
            await second.request("join", who("far", "second", is_teacher=True))
        assert refused.value.code == "teacher-exists"
        first.stop_reading()
        await second.request("join", who("far", "second", is_teacher=True))
        assert await media_port_of(second) != school.port
        await school.hear("peer-left")
        status = await school.status()
        assert [peer["id"] for peer in status["rooms"][1]["peers"]] == ["second"]
        await first.abort()


async def test_the_token_is_that_of_all_processes(open_school: OpenSchool) -> None:
    school = open_school(*TWO_PROCESSES, "--teacher-from", "token")
    join = who("far", "ben", is_teacher=True)
    async with client(school) as near, client(school) as far:
        await near.request("join", who("near", "ann"))
        with pytest.raises(ProtocolError) as refused:
            await far.request("join", join)
        assert refused.value.code == "teacher-not-allowed"
        await far.request("join", {**join, "token": school.ready["teacherToken"]})


async def test_limits_hold_for_those_who_are_elsewhere(open_school: OpenSchool) -> None:
    school = open_school(*TWO_PROCESSES, "--max-invalid-messages", "2")
    async with client(school) as near, client(school) as far:
        await near.request("join", who("near", "ann"))
        await far.request("join", who("far", "ben"))
        for _ in range(3):
            await far.send_raw("nonsense")
        assert await far.wait_closed() == 1008
        assert (await school.hear("peer-left"))["peerId"] == "ben"


async def test_who_does_not_read_holds_up_nobody(open_school: OpenSchool) -> None:
    messages = 250
    school = open_school(*TWO_PROCESSES, "--max-chat-messages", str(messages))
    async with client(school) as near, client(school) as talks, client(school) as hears:
        await near.request("join", who("near", "ann"))
        async with client(school) as sleeps:
            for each, name in ((talks, "talks"), (hears, "hears"), (sleeps, "sleeps")):
                await each.request("join", who("far", name))
            sleeps.stop_reading()
            for number in range(messages):
                data = {"content": f"{number} " + "x" * 3900, "timestamp": "now"}
                await talks.send_raw(json.dumps({"type": "chatMessage", "data": data}))
            last = f"{messages - 1} "
            await hears.wait_for("chatMessage", lambda data: data["content"].startswith(last))
            await sleeps.abort()
        await hears.wait_for("peerLeft")


async def test_announced_addresses_reach_every_process(open_school: OpenSchool) -> None:
    async def announced(client: SignalingClient) -> list[str]:
        transport = await client.request("createTransport", {"direction": "send"})
        return [each["ip"] for each in transport["iceCandidates"]]

    school = open_school(*DEFAULT_ARGUMENTS, "--num-workers", "3")
    async with client(school) as near, client(school) as far, client(school) as farther:
        await near.request("join", who("near", "ann"))
        await far.request("join", who("far", "ben"))
        school.sidecar.say('{"command":"set-announce","addresses":["192.0.2.7"]}')
        await school.hear("addresses")
        await farther.request("join", who("farther", "zoe"))
        for each in (near, far, farther):
            assert await announced(each) == ["192.0.2.7"]
        school.sidecar.say('{"command":"set-announce","addresses":[]}')
        await school.hear("addresses")
        for each in (near, far, farther):
            assert await announced(each) == ["127.0.0.1"]


async def test_one_process_is_enough_if_that_is_the_rule(open_school: OpenSchool) -> None:
    school = open_school(*DEFAULT_ARGUMENTS, "--num-workers", "1")
    async with client(school) as ann, client(school) as ben:
        for each, room_id in ((ann, "one"), (ben, "two")):
            await each.request("join", who(room_id, "peer"))
            assert await media_port_of(each) == school.port
        assert (await school.status())["process"]["processes"] == 1


async def test_without_a_port_for_a_worker_rooms_share_a_process(open_school: OpenSchool) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        first = _take_second_of_two_ports(taken)
        ports = ("--media-ports", f"{first}-{first + 1}")
        school = open_school("--host", "127.0.0.1", "--port", "0", *ports, "--num-workers", "2")
        async with client(school) as ann, client(school) as ben:
            for each, room_id in ((ann, "one"), (ben, "two")):
                await each.request("join", who(room_id, "peer"))
                assert await media_port_of(each) == first


def _take_second_of_two_ports(second: socket.socket) -> int:
    """Bind a socket to a port, and return the one before it, which is free."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as first:
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            with contextlib.suppress(OSError, OverflowError):
                second.bind(("127.0.0.1", port + 1))
                return port


@pytest.mark.parametrize("rooms", [1, 2])
async def test_a_single_class_loads_nothing_of_all_this(
    open_school: OpenSchool, rooms: int
) -> None:
    program = (
        "import sys\n"
        "from sidecar.cli import main\n"
        "exit_code = main()\n"
        "loaded = [name for name in sys.modules if name.startswith('sidecar.workers')]\n"
        "sys.stderr.write(f'loaded: {bool(loaded)}\\n')\n"
        "sys.exit(exit_code)\n"
    )
    school = open_school(program=(sys.executable, "-c", program))
    async with client(school) as ann, client(school) as ben:
        for number, each in enumerate((ann, ben)[:rooms]):
            await each.request("join", who(f"room-{number}", "peer"))
    school.sidecar.vanish()
    await asyncio.to_thread(school.sidecar.hear_all)
    assert school.sidecar.process.stderr is not None
    log = await asyncio.to_thread(school.sidecar.process.stderr.read)
    assert f"loaded: {rooms > 1}".encode() in log
