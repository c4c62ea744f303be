"""The program and its host, over real pipes: what is said, and that it never outlives its host.

None of these tests measures time, but each that ends the program requires exit code 0, which is not
that of the watchdog: what the watchdog has to end exits with 9 after 1.9 s.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import IO, NamedTuple

import pytest
from websockets.exceptions import ConnectionClosed

from tests.interop.conftest import DEFAULT_ARGUMENTS, StartSidecar
from tests.support.programs import Program
from tests.support.signaling import ProtocolError, SignalingClient

pytestmark = pytest.mark.in_all_forms

POSIX_ONLY = pytest.mark.skipif(os.name != "posix", reason="needs a POSIX system")


class UnreadPipe(NamedTuple):
    """A pipe that is soon full."""

    reader: IO[bytes]
    writer: IO[bytes]
    size_bytes: int


@pytest.fixture
def unread_pipe() -> Iterator[UnreadPipe]:
    """A pipe that holds as little as can be."""
    import fcntl

    ours, theirs = os.pipe()
    size_bytes = 64 * 1024
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        size_bytes = fcntl.fcntl(theirs, fcntl.F_SETPIPE_SZ, 4096)
    with open(ours, "rb", buffering=0) as reader, open(theirs, "wb") as writer:
        yield UnreadPipe(reader, writer, size_bytes)


@asynccontextmanager
async def people(url: str, count: int) -> AsyncIterator[list[SignalingClient]]:
    """Peers in one room, the first of whom is the teacher."""
    async with AsyncExitStack() as stack:
        clients = []
        for number in range(count):
            client = await SignalingClient.connect(url)
            stack.push_async_callback(client.close)
            peer_id = f"peer-{number}"
            join = {"roomId": "7b", "peerId": peer_id, "name": "Zoë", "isTeacher": number == 0}
            await client.request("join", join)
            clients.append(client)
        yield clients


def test_commands_and_their_answers(start_sidecar: StartSidecar) -> None:
    sidecar = start_sidecar()
    ready = sidecar.hear()
    assert ready["event"] == "ready"
    assert ready["teacherToken"]
    assert sidecar.ask('{"command":"ping","id":1}') == {"event": "pong", "id": 1}
    status = sidecar.ask('{"command":"status","id":"s"}')
    assert (status["event"], status["id"]) == ("status", "s")
    assert status["process"]["memoryBytes"] > 10_000_000
    assert status["process"]["cpuSeconds"] > 0
    addresses = sidecar.ask('{"command":"set-announce","id":2,"addresses":["192.0.2.7"]}')
    assert addresses == {
        "event": "addresses",
        "id": 2,
        "urls": ready["urls"],
        "media": {"port": ready["media"]["port"], "addresses": ["192.0.2.7"]},
    }
    sidecar.say('{"command":"shutdown","id":3}')
    assert sidecar.hear_all() == [{"event": "stopped", "id": 3, "reason": "shutdown"}]
    assert sidecar.exit_code() == 0


def test_lines_that_are_no_commands_change_nothing(start_sidecar: StartSidecar) -> None:
    sidecar = start_sidecar()
    sidecar.hear()
    for line in (b"", b"nonsense", b"\xff\xfe", b"[]", b'{"command":"fly"}', b"x" * 200_000):
        sidecar.say(line)
        assert sidecar.hear()["event"] == "error"
    answer = sidecar.ask('{"command":"set-announce","id":2,"addresses":["nowhere"]}')
    assert (answer["event"], answer["id"]) == ("error", 2)
    assert sidecar.ask('{"command":"ping"}') == {"event": "pong"}


def test_a_command_in_pieces_and_several_at_once(start_sidecar: StartSidecar) -> None:
    sidecar = start_sidecar()
    sidecar.write(b'{"command":"ping","id":1}\n{"command":"pi')
    assert sidecar.hear()["event"] == "ready"
    assert sidecar.hear()["id"] == 1
    sidecar.write(b'ng","id":2}\r\n{"command":"ping","id":3}\n')
    assert [sidecar.hear()["id"] for _ in range(2)] == [2, 3]


async def test_a_host_sees_who_comes_and_goes_and_what_they_have(
    start_sidecar: StartSidecar,
) -> None:
    sidecar = start_sidecar()
    ready = sidecar.hear()
    async with people(ready["localUrl"], 2) as (teacher, student):
        peer = {"roomId": "7b", "peerId": "peer-0", "name": "Zoë", "isTeacher": True}
        assert sidecar.hear() == {"event": "peer-joined", **peer}
        assert sidecar.hear()["peerId"] == "peer-1"
        await teacher.request("createTransport", {"direction": "send"})
        status = sidecar.ask('{"command":"status"}')
        assert status["totals"]["peers"] == 2
        ids = [each["id"] for each in status["rooms"][0]["peers"]]
        assert ids == ["peer-0", "peer-1"]
        assert status["rooms"][0]["peers"][0]["transports"]["send"]["connected"] is False
        await student.request("leave")
        left = sidecar.hear()
        assert (left["event"], left["peerId"]) == ("peer-left", "peer-1")


async def test_announced_addresses_are_those_of_new_transports(start_sidecar: StartSidecar) -> None:
    sidecar = start_sidecar()
    async with people(sidecar.hear()["localUrl"], 1) as (teacher,):
        sidecar.hear()
        sidecar.ask('{"command":"set-announce","addresses":["192.0.2.7","192.0.2.8"]}')
        transport = await teacher.request("createTransport", {"direction": "send"})
        assert [each["ip"] for each in transport["iceCandidates"]] == ["192.0.2.7", "192.0.2.8"]


async def test_a_teacher_needs_the_token_if_that_is_the_rule(start_sidecar: StartSidecar) -> None:
    sidecar = start_sidecar(*DEFAULT_ARGUMENTS, "--teacher-from", "token")
    ready = sidecar.hear()
    join = {"roomId": "7b", "peerId": "t", "name": "T", "isTeacher": True}
    async with await SignalingClient.connect(ready["localUrl"]) as client:
        with pytest.raises(ProtocolError) as refused:
            await client.request("join", join)
        assert refused.value.code == "teacher-not-allowed"
        await client.request("join", {**join, "token": ready["teacherToken"]})


async def test_a_full_class_is_told_before_the_program_leaves(start_sidecar: StartSidecar) -> None:
    sidecar = start_sidecar()
    async with people(sidecar.hear()["localUrl"], 50) as clients:
        sidecar.say('{"command":"shutdown"}')
        for client in clients:
            with pytest.raises((ConnectionError, ConnectionClosed)):
                await client.wait_for("nothing")
        events = sidecar.hear_all()
    assert sidecar.exit_code() == 0
    names = [each["event"] for each in events]
    assert names == ["peer-joined"] * 50 + ["peer-left"] * 50 + ["stopped"]


async def test_the_host_dies_during_a_full_class(start_sidecar: StartSidecar) -> None:
    sidecar = start_sidecar()
    ready = sidecar.hear()
    address = ("127.0.0.1", ready["port"])
    async with people(ready["localUrl"], 50) as clients:
        await clients[0].request("createTransport", {"direction": "send"})
        # One that never says anything, and one that stops in the middle of its first request.
        with socket.create_connection(address), socket.create_connection(address) as half_way:
            half_way.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nUpgra")
            sidecar.vanish()
            events = sidecar.hear_all()
            assert sidecar.exit_code() == 0
    assert events[-1] == {"event": "stopped", "reason": "host-gone"}


def test_the_host_dies_at_once(start_sidecar: StartSidecar) -> None:
    sidecar = start_sidecar()
    sidecar.vanish()
    assert [each["event"] for each in sidecar.hear_all()] == ["ready", "stopped"]
    assert sidecar.exit_code() == 0


@POSIX_ONLY
def test_the_host_is_killed(start_sidecar: StartSidecar, sfu_program: Program) -> None:
    host = (
        "import subprocess\n"
        f"command = {[*sfu_program, *DEFAULT_ARGUMENTS]!r}\n"
        "subprocess.Popen(command, stdin=subprocess.PIPE).wait()\n"
    )
    sidecar = start_sidecar(program=(sys.executable, "-c", host))
    ready = sidecar.hear()
    assert ready["pid"] != sidecar.process.pid
    sidecar.process.kill()
    # The end of stdout is the end of the last process that has it.
    assert sidecar.hear_all() == [{"event": "stopped", "reason": "host-gone"}]


@POSIX_ONLY
async def test_a_host_that_never_reads_stops_nobody(
    start_sidecar: StartSidecar, unread_pipe: UnreadPipe
) -> None:
    sidecar = start_sidecar(stdout=unread_pipe.writer)
    ready = json.loads(unread_pipe.reader.readline())
    # More than the pipe holds, so that whoever writes to it hangs.
    for _ in range(unread_pipe.size_bytes // 100):
        sidecar.say('{"command":"status"}')
    async with people(ready["localUrl"], 3) as (_, *students):
        for student in students:
            await student.request("getProducers")
    sidecar.say('{"command":"shutdown"}')
    assert sidecar.exit_code() == 0


@POSIX_ONLY
async def test_a_host_that_never_reads_the_log_stops_nobody(
    start_sidecar: StartSidecar, unread_pipe: UnreadPipe
) -> None:
    sidecar = start_sidecar(*DEFAULT_ARGUMENTS, "--log-level", "debug", stderr=unread_pipe.writer)
    ready = sidecar.hear()
    async with people(ready["localUrl"], 2) as (_, student):
        for _ in range(unread_pipe.size_bytes // 100):
            await student.request("getProducers")
    sidecar.say('{"command":"shutdown"}')
    assert sidecar.hear_all()[-1]["event"] == "stopped"
    assert sidecar.exit_code() == 0


def test_a_host_that_closes_our_stdout_has_not_gone(start_sidecar: StartSidecar) -> None:
    sidecar = start_sidecar()
    ready = sidecar.hear()
    assert sidecar.process.stdout is not None
    sidecar.process.stdout.close()
    sidecar.process.stdout = None
    for _ in range(3):
        sidecar.say('{"command":"status"}')
    with socket.create_connection(("127.0.0.1", ready["port"])):
        pass
    sidecar.say('{"command":"shutdown"}')
    assert sidecar.exit_code() == 0


@POSIX_ONLY
def test_nothing_is_no_host_that_could_die(start_sidecar: StartSidecar) -> None:
    sidecar = start_sidecar(stdin=subprocess.DEVNULL)
    ready = sidecar.hear()
    with socket.create_connection(("127.0.0.1", ready["port"])):
        pass
    sidecar.process.send_signal(signal.SIGTERM)
    assert sidecar.hear_all() == [{"event": "stopped", "reason": "signal"}]
    assert sidecar.exit_code() == 0


def test_only_the_handshake_is_on_stdout(start_sidecar: StartSidecar) -> None:
    chatty = (
        "import os, sys, sidecar.app\n"
        "serve = sidecar.app.run\n"
        "def run(*arguments):\n"
        "    print('printed')\n"
        "    os.write(1, b'written\\n')\n"
        "    serve(*arguments)\n"
        "    print('printed at the end')\n"
        "sidecar.app.run = run\n"
        "from sidecar.cli import main\n"
        "sys.exit(main())\n"
    )
    sidecar = start_sidecar(program=(sys.executable, "-c", chatty), stderr=subprocess.PIPE)
    assert sidecar.hear()["event"] == "ready"
    sidecar.vanish()
    assert [each["event"] for each in sidecar.hear_all()] == ["stopped"]
    assert sidecar.process.stderr is not None
    stderr = sidecar.process.stderr.read()
    assert b"printed\n" in stderr
    assert b"written\n" in stderr
    assert b"printed at the end\n" in stderr
    assert sidecar.exit_code() == 0


def test_a_second_instance_says_who_holds_the_port(
    start_sidecar: StartSidecar, free_port: int
) -> None:
    arguments = ("--host", "127.0.0.1", "--port", str(free_port), "--media-ports", "0")
    first = start_sidecar(*arguments)
    ready = first.hear()
    assert ready["port"] == free_port
    second = start_sidecar(*arguments)
    (fatal,) = second.hear_all()
    assert (fatal["event"], fatal["code"], fatal["exitCode"]) == ("fatal", "port-taken", 3)
    assert f"process {ready['pid']}" in fatal["message"]
    assert second.exit_code() == 3
    third = start_sidecar(*arguments, "--port-fallback").hear()
    assert third["requestedPort"] == free_port
    assert third["port"] > free_port
    with socket.create_connection(("127.0.0.1", third["port"])):
        pass


@pytest.fixture
def free_port() -> int:
    """A TCP port that is free, as far as anybody can say."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def test_the_log_is_also_in_a_file(start_sidecar: StartSidecar, tmp_path: Path) -> None:
    log = tmp_path / "sfu.log"
    sidecar = start_sidecar(*DEFAULT_ARGUMENTS, "--log-file", str(log))
    sidecar.hear()
    sidecar.vanish()
    assert sidecar.exit_code() == 0
    assert "stopping: host-gone" in log.read_text(encoding="utf-8")
