"""A connection whose other end is the test."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from sidecar.classroom.policy import POLICIES
from sidecar.limits import Limits
from sidecar.signaling.allowance import Allowances
from sidecar.signaling.connection import CloseReason, Disconnected
from sidecar.signaling.connection_table import ConnectionTable
from sidecar.signaling.elsewhere import Elsewhere
from sidecar.signaling.gate import Gate
from sidecar.signaling.limits import Patience
from sidecar.signaling.pin import PinRule
from sidecar.signaling.registry import Observer, Registry
from sidecar.signaling.session import Session
from sidecar.signaling.standing import Standing
from sidecar.signaling.teacher_rule import TeacherRule
from tests.unit.classroom.fakes import LIMITS, FakeWorker

ANYBODY_TEACHES = TeacherRule("any", "", lambda _address: False)
UNTIL_TOLD = Patience(probe_timeout_s=3600, send_timeout_s=3600)
"""Whoever waits for a client waits until the test decides."""


class FakeClock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class FakeConnection:
    """What the session sends is read with ``reply``; frames for it are put into ``frames``."""

    def __init__(self, *, answers_pings: bool = True) -> None:
        self.is_open = True
        self.local_address = "192.0.2.1"
        self.remote_address = "192.0.2.99"
        self.frames: asyncio.Queue[str | bytes | None] = asyncio.Queue()
        self.sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.reads = asyncio.Event()
        self.reads.set()
        self.pings: asyncio.Queue[None] = asyncio.Queue()
        self.pong = asyncio.Event()
        self.pong_is_late = False
        if answers_pings:
            self.pong.set()
        self.closed_with: CloseReason | None = None
        self.closed = asyncio.Event()

    async def receive(self) -> str | bytes:
        frame = await self.frames.get()
        if frame is None:
            raise Disconnected
        return frame

    async def send(self, text: bytes) -> None:
        await self.reads.wait()
        self.sent.put_nowait(json.loads(text))

    async def ping(self) -> None:
        self.pings.put_nowait(None)
        await self.pong.wait()
        if self.pong_is_late:
            raise TimeoutError
        if not self.is_open:
            raise Disconnected

    async def wait_closed(self) -> None:
        await self.closed.wait()

    async def close(self, reason: CloseReason) -> None:
        self.is_open = False
        self.closed_with = reason
        self.closed.set()

    def give_up_on_pong(self) -> None:
        """The time for answering a ping is over."""
        self.pong_is_late = True
        self.pong.set()

    def disconnect(self) -> None:
        """The client goes away."""
        self.is_open = False
        self.closed.set()
        self.pong.set()
        self.frames.put_nowait(None)


class Client:
    """A session over a fake connection, and the client at the other end."""

    def __init__(self, school: School, connection: FakeConnection) -> None:
        self.connection = connection
        self.place = school.table.take(connection.remote_address, connection.disconnect)
        assert self.place is not None
        self._lent = school.allowances.lend(self.place.origin)
        self.session = Session(
            connection,
            school.registry,
            Standing(school.table, self.place, school.judge),
            self._lent.__enter__(),
            school.clock,
            school.elsewhere,
            school.patience,
        )
        self.task = asyncio.create_task(self.session.run())
        self.task.add_done_callback(lambda _: self._lent.__exit__(None, None, None))

    def send(self, type_: str, data: object = None, **extra: object) -> None:
        message = {"type": type_, "data": data, **extra}
        self.connection.frames.put_nowait(json.dumps(message))

    async def receive(self) -> dict[str, Any]:
        return await self.connection.sent.get()

    async def request(self, type_: str, data: object = None, **extra: object) -> dict[str, Any]:
        self.send(type_, data, **extra)
        return await self.receive()

    def send_join(self, peer_id: str, *, is_teacher: bool = False, room_id: str = "room") -> None:
        name = peer_id.title()
        data = {"roomId": room_id, "peerId": peer_id, "name": name, "isTeacher": is_teacher}
        self.send("join", data)

    async def join(
        self, peer_id: str, *, is_teacher: bool = False, room_id: str = "room"
    ) -> dict[str, Any]:
        self.send_join(peer_id, is_teacher=is_teacher, room_id=room_id)
        return await self.receive()

    async def leave(self) -> None:
        """Disconnect, and wait until the server has done all that follows from it."""
        self.connection.disconnect()
        await self.task


class School:
    """A registry over a fake worker, and its clients."""

    def __init__(
        self,
        *,
        policy: str = "classroom",
        limits: Limits = LIMITS,
        patience: Patience = UNTIL_TOLD,
        teacher_rule: TeacherRule = ANYBODY_TEACHES,
        observer: Observer | None = None,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        self.elsewhere = elsewhere
        self.worker = FakeWorker()
        self.registry = Registry(self.worker.as_worker(), POLICIES[policy], limits, observer)
        self.limits = limits
        self.patience = patience
        self.table = ConnectionTable(limits, None, lambda _address: True)
        self.clock = FakeClock()
        self.allowances = Allowances(limits, self.clock)
        self.pin_rule = PinRule("", limits.max_pin_tries, self.clock)
        self.judge = Gate(teacher_rule, self.pin_rule)
        self.clients: list[Client] = []

    def client(self, *, answers_pings: bool = True) -> Client:
        client = Client(self, FakeConnection(answers_pings=answers_pings))
        self.clients.append(client)
        return client

    async def close(self) -> None:
        for client in self.clients:
            if not client.task.done():
                await client.leave()
