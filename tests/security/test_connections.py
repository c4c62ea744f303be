"""Somebody opens far more connections than there may be, beside a class that wants to go on."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection, connect

from sidecar.signaling.connection_table import RESERVED_CONNECTIONS
from tests.interop.conftest import DEFAULT_ARGUMENTS, StartSfu
from tests.support.attack import expect_undisturbed, message, who
from tests.support.classroom import Classroom
from tests.support.programs import program
from tests.support.sfu_process import SfuProcess
from tests.support.signaling import ProtocolError, SignalingClient

resource = pytest.importorskip("resource", reason="needs a POSIX system")

ATTEMPTS = 600
AT_ONCE = 50


@pytest.fixture(autouse=True)
def files() -> Iterator[None]:
    """The attackers need some as well."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, before[1]), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.fixture
def sfu(start_sfu: StartSfu) -> SfuProcess:
    return start_sfu("--log-level", "info")


class HonestClass:
    """A class that was there before the attack."""

    def __init__(self, sfu: SfuProcess) -> None:
        self.sfu = sfu
        self.room = Classroom(sfu.url)

    async def begin(self) -> None:
        self.teacher = await self.room.teach()
        self.students = await self.room.attend(5)

    async def expect_undisturbed_and_open(self) -> None:
        """Nobody lost anything, and a student and another class's teacher still get in."""
        newcomers = await self.room.attend(1)
        other_room = Classroom(self.sfu.url, "another class")
        await other_room.teach()
        await other_room.attend(1)
        await expect_undisturbed(self.teacher, self.students)
        await other_room.leave()
        assert newcomers[0].video.packets > 0
        log = self.sfu.log()
        assert "Traceback" not in log
        assert len(log.splitlines()) < 300


@pytest.fixture
async def honest_class(sfu: SfuProcess) -> AsyncIterator[HonestClass]:
    one = HonestClass(sfu)
    await one.begin()
    yield one
    await one.room.leave()


async def open_sockets(sfu: SfuProcess, stack: AsyncExitStack, first: bytes = b"") -> None:
    """Open TCP connections, say at most a little, and keep them."""
    for _ in range(ATTEMPTS):
        silent = stack.enter_context(socket.socket())
        silent.setblocking(False)
        address = ("127.0.0.1", sfu.ready["port"])
        await asyncio.get_running_loop().sock_connect(silent, address)
        if first:
            with suppress(OSError):
                silent.send(first)


async def open_websockets(sfu: SfuProcess, stack: AsyncExitStack) -> list[ClientConnection]:
    """Open WebSockets as fast as they get through, and keep them."""
    opened = []
    for _ in range(ATTEMPTS // AT_ONCE):
        attempts = (connect(sfu.url, ping_interval=None) for _ in range(AT_ONCE))
        for attempt in await asyncio.gather(*attempts, return_exceptions=True):
            if isinstance(attempt, ClientConnection):
                stack.push_async_callback(attempt.close)
                opened.append(attempt)
    return opened


@pytest.mark.parametrize(
    "first", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n", b"\x16\x03\x01rubbish\r\n\r\n"]
)
async def test_silent_sockets(honest_class: HonestClass, first: bytes) -> None:
    async with AsyncExitStack() as stack:
        await open_sockets(honest_class.sfu, stack, first)
        await honest_class.expect_undisturbed_and_open()


async def test_websockets_that_never_join(honest_class: HonestClass) -> None:
    async with AsyncExitStack() as stack:
        await open_websockets(honest_class.sfu, stack)
        await honest_class.expect_undisturbed_and_open()


async def test_websockets_that_all_join_rooms_of_their_own(honest_class: HonestClass) -> None:
    async with AsyncExitStack() as stack:
        for number, each in enumerate(await open_websockets(honest_class.sfu, stack)):
            with suppress(Exception):
                await each.send(message("join", who(f"room-{number}", "attacker")).data)
        await honest_class.expect_undisturbed_and_open()


async def test_a_table_full_of_students_lets_the_teacher_in(start_sfu: StartSfu) -> None:
    sfu = start_sfu("--log-level", "info", "--max-connections", "20")
    async with AsyncExitStack() as stack:
        clients = []
        for number in range(20):
            client = await stack.enter_async_context(await SignalingClient.connect(sfu.url))
            await client.request("join", who("class", f"student-{number}"))
            clients.append(client)
        for number in range(40):
            late = await SignalingClient.connect(sfu.url)
            with pytest.raises(ProtocolError) as refused:
                await late.request("join", who("class", f"late-{number}"))
            assert refused.value.code == "server-full"
            assert await late.wait_closed() == 1013
        room = Classroom(sfu.url)
        await room.teach()
        for client in clients:
            await client.wait_for("newProducer")
        await room.leave()


async def test_students_who_come_back_hold_no_reserved_places(start_sfu: StartSfu) -> None:
    sfu = start_sfu("--log-level", "info", "--max-connections", str(RESERVED_CONNECTIONS))
    async with AsyncExitStack() as stack:

        async def connect_() -> SignalingClient:
            return await stack.enter_async_context(await SignalingClient.connect(sfu.url))

        students = [who("class", f"student-{number}") for number in range(RESERVED_CONNECTIONS)]
        first = [(await connect_(), student) for student in students]
        tokens = [
            (await client.request("join", student))["rejoinToken"] for client, student in first
        ]
        for (old, student), token in zip(first, tokens, strict=True):
            new = await connect_()
            await new.request("join", {**student, "rejoinToken": token})
            assert await old.wait_closed() == 4000
        for number in range(RESERVED_CONNECTIONS):
            late = await connect_()
            with pytest.raises(ProtocolError) as refused:
                await late.request("join", who("class", f"late-{number}"))
            assert refused.value.code == "server-full"
        teacher = await connect_()
        await teacher.request("join", {**who("class", "teacher"), "isTeacher": True})


async def test_a_system_that_allows_few_open_files(tmp_path: Path) -> None:
    limited = ("sh", "-c", 'ulimit -n 256 && exec "$0" "$@"', *program("source"))
    sfu = SfuProcess([*DEFAULT_ARGUMENTS, "--log-level", "info"], tmp_path / "sfu", limited)
    honest = HonestClass(sfu)
    try:
        await honest.begin()
        async with AsyncExitStack() as stack:
            await open_sockets(sfu, stack)
            await honest.expect_undisturbed_and_open()
        await honest.room.leave()
    finally:
        assert sfu.stop() == 0
