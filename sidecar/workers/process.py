"""One worker, as the main process has it: its clients, its people, its end."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Protocol, TypeAlias

from sidecar.classroom.peer import Peer
from sidecar.classroom.snapshot import PeerSnapshot, RoomSnapshot
from sidecar.lifecycle.events import ProcessPart
from sidecar.lifecycle.status import part
from sidecar.lifecycle.warner import Warn
from sidecar.signaling.client import Client
from sidecar.signaling.connection import CloseReason
from sidecar.signaling.registry import Observer
from sidecar.workers import messages
from sidecar.workers.log_handler import log_of_worker
from sidecar.workers.messages import Message, Start, ToMain
from sidecar.workers.placement import Load
from sidecar.workers.pulse import Pulse
from sidecar.workers.relay import Relay

logger = logging.getLogger(__name__)

READY_TIMEOUT_S: Final = 15.0
"""How long it may take to start, on an old computer with a virus scanner."""

LEAVE_TIMEOUT_S: Final = 2.0
"""How long an idle worker may take to leave."""


class Child(Protocol):
    """The process itself, see ``sidecar.workers.child.Child``."""

    def post(self, message: Message) -> None:
        """Send a message; never waits."""

    def kill(self) -> None:
        """End it the hard way."""


MakeChild: TypeAlias = Callable[[Callable[[Sequence[ToMain]], None], Callable[[str], None]], Child]
"""Starts a process: takes who hears what it says, and who hears of its end and the reason."""


class WorkerProcess:
    """Starts at once; what it is asked meanwhile waits for it.

    Args:
        number: For people, in the log.
        make_child: Starts the process.
        start: The first message to it.
        observer: Sees who comes and goes.
        on_idle: Is called when its last room has ended.
        on_end: Is called when it has ended, or is given up; with whether it ever served, and the
            reason.
        ready_timeout_s: See ``READY_TIMEOUT_S``.
        warn: Takes its warnings.

    Attributes:
        number: See above.
        peers: Who is in its rooms, by room and peer id.
        cpu_ns: Processor time, as of its last answer.
        memory_bytes: Resident memory, as of its last answer; None if unknown.
        counters: What came to nothing there, as of its last answer.
    """

    def __init__(
        self,
        number: int,
        make_child: MakeChild,
        start: Start,
        observer: Observer | None,
        on_idle: Callable[[WorkerProcess], None],
        on_end: Callable[[WorkerProcess, bool, str], None],
        ready_timeout_s: float = READY_TIMEOUT_S,
        warn: Warn = lambda _code, _message: None,
    ) -> None:
        self._warn = warn
        self.number = number
        self.peers: dict[tuple[str, str], Peer] = {}
        self.cpu_ns = 0
        self.memory_bytes: int | None = None
        self.counters: dict[str, int] = {}
        self._pid = 0
        self._observer = observer
        self._on_idle = on_idle
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._is_ready: asyncio.Future[bool] = self._loop.create_future()
        self._has_ended = asyncio.Event()
        self._rooms: Counter[str] = Counter()
        self._relays: dict[int, Relay] = {}
        self._client_numbers = itertools.count()
        self._question: asyncio.Future[tuple[RoomSnapshot, ...] | None] | None = None
        self._question_numbers = itertools.count()
        self._is_late = False
        self._pulse = Pulse(partial(self.post, messages.Ping()), self._give_up)
        self._ready_timer = self._loop.call_later(ready_timeout_s, self._give_up_starting)
        self._child = make_child(self._hear, self._end)
        self._child.post(start)

    @property
    def load(self) -> Load:
        """Who is here or on the way, and in how many rooms."""
        return Load(self._rooms.total(), len(self._rooms))

    @property
    def part(self) -> ProcessPart:
        """What it costs, as of its last answer."""
        return part(self._pid, self.cpu_ns, self.memory_bytes, self.counters)

    def holds(self, room_id: str) -> bool:
        """Whether somebody is in a room here, or on the way to it."""
        return room_id in self._rooms

    def claim(self, room_id: str) -> None:
        """Count somebody who is on the way to a room; ``release`` must follow."""
        self._rooms[room_id] += 1

    def release(self, room_id: str) -> None:
        """Count somebody no more who was claimed."""
        self._rooms[room_id] -= 1
        if not self._rooms[room_id]:
            del self._rooms[room_id]
            if not self._rooms:
                self._on_idle(self)

    async def ready(self) -> bool:
        """Wait until it serves; False if it has ended."""
        return await asyncio.shield(self._is_ready) and not self._has_ended.is_set()

    def represent(self, client: Client, room_id: str, *, is_proven: bool) -> Relay:
        """Have a client represented; it counts as claimed for as long as that."""
        number = next(self._client_numbers)
        self.claim(room_id)
        self.post(messages.Open(number, client.local_address, client.remote_address, is_proven))
        relay = Relay(number, room_id, client, self.post)
        self._relays[number] = relay
        return relay

    def post(self, message: Message) -> None:
        """Send it a message; never waits."""
        if not self._has_ended.is_set():
            self._child.post(message)

    async def rooms(self, timeout_s: float) -> tuple[RoomSnapshot, ...]:
        """Ask what is going on; all who ask at the same time share one question.

        Args:
            timeout_s: If there is no answer by then, who is there is all that is told; likewise
                if it is still starting, or hasn't answered the question before.
        """
        if not self._is_ready.done() or self._has_ended.is_set() or self._is_late:
            return self._known_rooms()
        if self._question is None:
            self._question = self._loop.create_future()
            self.post(messages.Ask(next(self._question_numbers)))
        try:
            async with asyncio.timeout(timeout_s):
                answer = await asyncio.shield(self._question)
        except TimeoutError:
            logger.warning("worker %d does not say what is going on", self.number)
            self._is_late = True
            answer = None
        return self._known_rooms() if answer is None else answer

    def leave(self) -> None:
        """Have it end by itself, or else by force."""
        self.post(messages.Leave())
        self._loop.call_later(LEAVE_TIMEOUT_S, self.kill)

    def kill(self) -> None:
        """End it the hard way."""
        if not self._has_ended.is_set():
            self._child.kill()

    async def wait_ended(self) -> None:
        """Wait until it is gone, and everybody has been told."""
        await self._has_ended.wait()

    def _hear(self, heard: Sequence[ToMain]) -> None:
        if self._has_ended.is_set():
            return  # It was given up, and is late.
        for message in heard:
            self._take(message)

    def _take(self, message: ToMain) -> None:
        match message:
            case messages.Ready(pid, port):
                logger.info("worker %d is process %d, UDP port %d", self.number, pid, port)
                self._pid = pid
                self._ready_timer.cancel()
                self._is_ready.set_result(True)
                self._pulse.start()
            case messages.Pong():
                self._pulse.answered()
            case messages.Warn(code, text):
                self._warn(code, text)
            case messages.Failed(text):
                logger.warning("worker %d cannot serve: %s", self.number, text)
            case messages.Log():
                log_of_worker(self.number, message)
            case messages.PeerJoined():
                self._joined(message)
            case messages.PeerLeft(room_id, peer_id):
                self._left(room_id, peer_id)
            case messages.Answer():
                self._learn(message)
            case messages.Probe(client, probe) if client not in self._relays:
                self.post(messages.Alive(client, probe, False))
            case _:
                relay = self._relays.get(message.client)
                if relay is not None:
                    self._take_for(relay, message)

    def _take_for(
        self,
        relay: Relay,
        message: messages.Deliver
        | messages.Answered
        | messages.Ended
        | messages.Invalid
        | messages.Stop
        | messages.Probe
        | messages.Silence,
    ) -> None:
        match message:
            case messages.Deliver(_, text, is_spare):
                relay.deliver(text, is_spare=is_spare)
            case messages.Invalid():
                relay.sent_invalid()
            case messages.Stop(_, code, reason):
                relay.stop(CloseReason(code, reason))
            case messages.Probe(_, probe):
                relay.probe(probe)
            case messages.Silence(_, media_silence_ns):
                relay.silent(media_silence_ns)
            case messages.Ended(client):
                self._forget(client)
            case messages.Answered(client, has_seat):
                if not has_seat:
                    self._forget(client)
                relay.answered(has_seat)

    def _forget(self, number: int) -> None:
        relay = self._relays.pop(number)
        relay.end()
        self.release(relay.room_id)

    def _joined(self, message: messages.PeerJoined) -> None:
        peer = Peer(
            message.peer_id,
            message.name,
            message.is_teacher,
            message.is_proven,
            message.rejoin_token,
        )
        self.peers[message.room_id, message.peer_id] = peer
        if self._observer is not None:
            self._observer.joined(message.room_id, peer)

    def _left(self, room_id: str, peer_id: str) -> None:
        peer = self.peers.pop((room_id, peer_id))
        if self._observer is not None:
            self._observer.left(room_id, peer)

    def _learn(self, answer: messages.Answer) -> None:
        self.cpu_ns = answer.cpu_ns
        self.memory_bytes = answer.memory_bytes
        self.counters = answer.counters
        self._is_late = False
        question, self._question = self._question, None
        if question is not None:
            question.set_result(answer.rooms)

    def _known_rooms(self) -> tuple[RoomSnapshot, ...]:
        rooms: dict[str, list[PeerSnapshot]] = {}
        for (room_id, _), peer in self.peers.items():
            known = PeerSnapshot(peer.id, peer.name, peer.is_teacher, {})
            rooms.setdefault(room_id, []).append(known)
        return tuple(RoomSnapshot(room_id, tuple(peers)) for room_id, peers in rooms.items())

    def _give_up(self) -> None:
        logger.error("worker %d does not answer: it is ended", self.number)
        self.kill()
        self._end("it does not answer any more")

    def _give_up_starting(self) -> None:
        self.kill()
        self._end("it takes too long")

    def _end(self, reason: str) -> None:
        """Tell everybody, as soon as it is known; the system may take longer to end it."""
        if self._has_ended.is_set():
            return
        self._has_ended.set()
        self._pulse.stop()
        self._ready_timer.cancel()
        was_ready = self._is_ready.done()
        if not was_ready:
            self._is_ready.set_result(False)
        self._on_end(self, was_ready, reason)
        if self._question is not None:
            self._question.set_result(None)
            self._question = None
        for relay in self._relays.values():
            relay.lose()
        self._relays.clear()
        for room_id, peer_id in tuple(self.peers):
            self._left(room_id, peer_id)
