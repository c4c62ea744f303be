"""Clients, and workers that are no processes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

from sidecar.classroom.peer import Peer
from sidecar.net.addresses import AddressBook
from sidecar.settings import Settings
from sidecar.signaling.connection import CloseReason
from sidecar.workers import messages
from sidecar.workers.framing import Unframer, encode
from sidecar.workers.messages import Message, Start, ToMain, ToWorker
from sidecar.workers.service import Reporter, Service
from tests.unit.signaling.fakes import School

START = Start(Settings(num_workers=3))


class FakeClient:
    """A client in the main process; what it is told is read with ``hear``."""

    def __init__(self, *, is_alive: bool = True) -> None:
        self.is_open = True
        self.local_address = "192.0.2.1"
        self.remote_address = "192.0.2.99"
        self.answers_pings = is_alive
        self.closed = asyncio.Event()
        self.delivered: asyncio.Queue[bytes] = asyncio.Queue()
        self.invalid = 0
        self.stopped: list[CloseReason] = []

    async def is_alive(self) -> bool:
        return self.answers_pings

    async def wait_closed(self) -> None:
        await self.closed.wait()

    def deliver(self, message: bytes, *, is_spare: bool = False) -> None:
        self.delivered.put_nowait(message)

    def sent_invalid(self) -> None:
        self.invalid += 1

    def stop(self, reason: CloseReason) -> None:
        self.stopped.append(reason)

    async def hear(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(await self.delivered.get())
        return message


class FakeChild:
    """A worker whose part is played by the test.

    Attributes:
        posted: What it was told.
        is_killed: Whether it was ended by force.
    """

    def __init__(
        self, on_messages: Callable[[Sequence[ToMain]], None], on_end: Callable[[str], None]
    ) -> None:
        self._on_messages = on_messages
        self._on_end = on_end
        self.posted: list[Message] = []
        self.is_killed = False

    def post(self, message: Message) -> None:
        self.posted.append(message)

    def kill(self) -> None:
        self.is_killed = True

    def say(self, *said: ToMain) -> None:
        self._on_messages(said)

    def die(self, reason: str = "exit code -9") -> None:
        self._on_end(reason)


class LoopbackChild:
    """A worker in this very process: the real service, over rooms without media.

    Attributes:
        school: Its rooms.
        is_stuck: Whether it does nothing of what it is told.
    """

    def __init__(
        self, on_messages: Callable[[Sequence[ToMain]], None], on_end: Callable[[str], None]
    ) -> None:
        self._on_messages = on_messages
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._has_ended = False
        self.is_stuck = False
        self.school = School(observer=Reporter(self._say))
        self.book = AddressBook(bound_to="0.0.0.0", announced=(), list_addresses=lambda: [])
        self._service = Service(self._say, self.school.registry, self.book)

    def post(self, message: Message) -> None:
        (received,) = Unframer[ToWorker](ToWorker).feed(encode(message))
        self._loop.call_soon(self._obey, received)

    def kill(self) -> None:
        self.die("exit code -9")

    def die(self, reason: str) -> None:
        if not self._has_ended:
            self._has_ended = True
            self._loop.call_soon(self._on_end, reason)

    def _obey(self, message: ToWorker) -> None:
        if self._has_ended or self.is_stuck:
            return
        match message:
            case messages.Start():
                self._say(messages.Ready(4711, 40001))
            case messages.Leave():
                self._service.close()
                self.die("exit code 0")
            case _:
                self._service.obey(message)

    def _say(self, message: Message) -> None:
        if not self._has_ended:
            self._loop.call_soon(self._on_messages, Unframer[ToMain](ToMain).feed(encode(message)))


class Diary:
    """An observer of rooms."""

    def __init__(self) -> None:
        self.entries: list[str] = []

    def joined(self, room_id: str, peer: Peer) -> None:
        self.entries.append(f"{peer.name} joined {room_id}")

    def left(self, room_id: str, peer: Peer) -> None:
        self.entries.append(f"{peer.name} left {room_id}")


def join(room_id: str, peer_id: str, *, is_teacher: bool = False) -> str:
    """The frame of a request to join."""
    data = {"roomId": room_id, "peerId": peer_id, "name": peer_id, "isTeacher": is_teacher}
    return json.dumps({"type": "join", "data": data})


async def settle() -> None:
    """Let everything happen that does not wait for anybody."""
    for _ in range(50):
        await asyncio.sleep(0)
