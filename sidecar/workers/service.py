"""What a worker does for the clients of its rooms."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping

from sidecar.classroom.peer import Peer
from sidecar.classroom.snapshot import room_snapshot
from sidecar.lifecycle.address_keeper import Book
from sidecar.net.platform import monotonic_ns, resident_memory_bytes
from sidecar.signaling.connection import DEFECT
from sidecar.signaling.dialogue import Dialogue
from sidecar.signaling.gate import Judge
from sidecar.signaling.registry import Registry
from sidecar.workers import messages
from sidecar.workers.messages import Message, ToWorker
from sidecar.workers.remote_client import RemoteClient

logger = logging.getLogger(__name__)

Post = Callable[[Message], None]


class Reporter:
    """Tells the main process who comes and goes (``sidecar.signaling.registry.Observer``)."""

    def __init__(self, post: Post) -> None:
        self._post = post

    def joined(self, room_id: str, peer: Peer) -> None:
        """Tell of somebody who came."""
        self._post(
            messages.PeerJoined(
                room_id, peer.id, peer.name, peer.is_teacher, peer.is_proven, peer.rejoin_token
            )
        )

    def left(self, room_id: str, peer: Peer) -> None:
        """Tell of somebody who left."""
        self._post(messages.PeerLeft(room_id, peer.id))


class Service:
    """Does what the messages of the main process ask for.

    Args:
        post: Sends a message to the main process.
        registry: The rooms of this process.
        book: What is announced to peers.
        counters: What has come to nothing in this process so far, by why.
    """

    def __init__(
        self,
        post: Post,
        registry: Registry,
        book: Book,
        counters: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        self._counters = counters
        self._post = post
        self._registry = registry
        self._book = book
        self._desks: dict[int, _Desk] = {}

    def obey(self, message: ToWorker) -> None:
        """Do what a message asks for; ``Start`` and ``Leave`` are the process's own."""
        match message:
            case messages.Open():
                self._open(message)
            case messages.Announce(addresses):
                self._book.announce(addresses)
            case messages.Found(addresses):
                self._book.update(addresses, monotonic_ns())
            case messages.Ask(question):
                self._answer(question)
            case messages.Ping():
                self._post(messages.Pong())
            case messages.Start() | messages.Leave():
                pass
            case _:
                self._obey_client(message)

    def close(self) -> None:
        """Close everything of everybody."""
        while self._desks:
            self._desks.popitem()[1].close("Server is stopping")

    def _obey_client(
        self,
        message: messages.Frame
        | messages.Gone
        | messages.End
        | messages.Alive
        | messages.AskSilence,
    ) -> None:
        desk = self._desks.get(message.client)
        if isinstance(message, messages.AskSilence):
            silence_ns = desk.media_silence_ns if desk is not None else None
            self._post(messages.Silence(message.client, silence_ns))
            return
        if desk is None:
            return
        match message:
            case messages.Frame():
                desk.handle(message.frame)
            case messages.Gone():
                desk.client.hang_up()
            case messages.Alive(_, probe, is_alive):
                desk.client.probed(probe, is_alive)
            case messages.End(_, how):
                del self._desks[message.client]
                desk.close(how)
                self._post(messages.Ended(message.client))

    def _open(self, message: messages.Open) -> None:
        client = RemoteClient(
            message.client, message.local_address, message.remote_address, self._post
        )
        dialogue = Dialogue(client, self._registry, _judge(message))

        def on_answered(has_seat: bool) -> None:
            if not has_seat:
                del self._desks[message.client]
                client.hang_up()
            self._post(messages.Answered(message.client, has_seat))

        self._desks[message.client] = _Desk(client, dialogue, on_answered)

    def _answer(self, question: int) -> None:
        rooms = tuple(room_snapshot(room) for room in self._registry.rooms)
        cpu_ns, memory_bytes = time.process_time_ns(), resident_memory_bytes()
        counters = dict(self._counters())
        self._post(messages.Answer(question, rooms, cpu_ns, memory_bytes, counters))


def _judge(message: messages.Open) -> Judge:
    """What the main process has decided."""
    return lambda remote_address, data, own=None: message.is_proven


class _Desk:
    """Where one client is served."""

    def __init__(
        self, client: RemoteClient, dialogue: Dialogue, on_answered: Callable[[bool], None]
    ) -> None:
        self.client = client
        self._dialogue = dialogue
        self._on_answered = on_answered
        self._task: asyncio.Task[None] | None = None

    @property
    def media_silence_ns(self) -> int | None:
        """How long nothing has been heard of the client's media; None if nothing ever was."""
        return self._dialogue.local_silence_ns

    def handle(self, frame: str | bytes) -> None:
        """Begin to answer a frame; the one before has been answered."""
        self._task = asyncio.create_task(self._handle(frame))

    def close(self, how: str) -> None:
        """Give up the client's seat; what is not answered yet never will be."""
        if self._task is not None:
            self._task.cancel()
        self.client.hang_up()
        self._dialogue.leave(how)

    async def _handle(self, frame: str | bytes) -> None:
        try:
            await self._dialogue.handle(frame)
        except Exception:
            logger.exception("a frame could not be dealt with")
            self.client.stop(DEFECT)
        self._on_answered(self._dialogue.has_seat)
