"""Events on their way to one client, in the way that its kind of client can take them.

A client that has never given a request an ``id`` is a frontend of the earlier servers: it can't
tell two replies of one type apart, and does nothing about events that it doesn't know.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

from sidecar.classroom.events import (
    ChatMessage,
    Event,
    NewProducer,
    ProducerClosed,
    TransportClosed,
)
from sidecar.classroom.peer import Peer
from sidecar.signaling.announcements import Announcements
from sidecar.signaling.client import Client
from sidecar.signaling.connection import MEDIA_LOST
from sidecar.signaling.messages import AnyRequest, Consume, GetProducers, ResumeConsumer
from sidecar.signaling.replies import Consumed, ProducerInfo, Reply

CLOSED_BY_CLIENT: Final = "dtls-closed"
"""The reason of a transport that its own client has closed: nothing is lost."""


class EventDelivery:
    """Delivers what a client hears without having asked.

    Args:
        client: Hears it.

    Attributes:
        uses_ids: Whether the client has given a request an ``id``.
    """

    def __init__(self, client: Client) -> None:
        self.uses_ids = False
        self._client = client
        self._announcements = Announcements(client.deliver)

    def tell(self, event: Event, message: bytes) -> None:
        """Deliver an event, now or when it is its turn.

        Args:
            event: What has happened.
            message: The same as JSON.
        """
        match event:
            case NewProducer() if not self.uses_ids:
                self._announcements.announce(event.producer_id, message)
            case ProducerClosed():
                if not self._announcements.holds_back(event.producer_id):
                    self._client.deliver(message)
                self._announcements.closed(event.producer_id)
            case TransportClosed() if not self.uses_ids and event.reason != CLOSED_BY_CLIENT:
                self._client.stop(MEDIA_LOST)
            case ChatMessage():
                self._client.deliver(message, is_spare=True)
            case _:
                self._client.deliver(message)

    def found_id(self) -> None:
        """Hear that a request had an ``id``."""
        if not self.uses_ids:
            self.uses_ids = True
            self._announcements.release()

    def answered(self, peer: Peer, request: AnyRequest, reply: Reply) -> None:
        """Hear what a peer was answered, which may make it the turn of an event."""
        if self.uses_ids:
            return
        match request, reply.data:
            case Consume(), Consumed(consumer_id=consumer_id, producer_id=producer_id):
                self._announcements.consumed(producer_id, consumer_id)
            case Consume(data=data), _:
                self._announcements.refused(data.producer_id)
            case ResumeConsumer(data=data), _:
                self._announcements.resumed(data.consumer_id)
            case GetProducers(), list(listed):
                self._announcements.listed(_to_consume(peer, listed))
            case _:
                pass

    def forget(self) -> None:
        """Drop what is waiting: the client has left the room."""
        self._announcements.forget()


def _to_consume(peer: Peer, listed: Sequence[object]) -> list[str]:
    """Which of the listed streams the client is going to consume now."""
    consumed = {consumer.producer_id for consumer in peer.consumers.values()}
    return [
        info.producer_id
        for info in cast(Sequence[ProducerInfo], listed)
        if info.peer_id != peer.id and info.producer_id not in consumed
    ]
