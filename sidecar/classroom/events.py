"""What peers are told without having asked, as it stands in the ``data`` of the message."""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from sidecar.classroom.peer import Direction
from sidecar.ortc.parameters import IceParameters, MediaKind


class Event(Struct, frozen=True, rename="camel"):
    """The base of all events. ``type`` is the name of the message that carries it."""

    type: ClassVar[str]


class PeerJoined(Event, frozen=True):
    """Somebody came."""

    type: ClassVar[str] = "peerJoined"
    peer_id: str
    name: str
    is_teacher: bool


class PeerLeft(Event, frozen=True):
    """Somebody left, or their connection ended."""

    type: ClassVar[str] = "peerLeft"
    peer_id: str
    was_teacher: bool


class NewProducer(Event, frozen=True):
    """A stream that the recipient may consume from now on."""

    type: ClassVar[str] = "newProducer"
    producer_id: str
    kind: MediaKind
    peer_id: str


class ProducerClosed(Event, frozen=True):
    """A stream that the recipient knew of is no more; so are its consumers."""

    type: ClassVar[str] = "producerClosed"
    producer_id: str
    peer_id: str


class ProducerPaused(Event, frozen=True):
    """A stream that the recipient knows of is silent until ``ProducerResumed``."""

    type: ClassVar[str] = "producerPaused"
    producer_id: str
    peer_id: str


class ProducerResumed(Event, frozen=True):
    """A stream that the recipient knows of goes on."""

    type: ClassVar[str] = "producerResumed"
    producer_id: str
    peer_id: str


class TransportClosed(Event, frozen=True):
    """The recipient's own transport was lost, and with it all that ran over it.

    ``reason`` is ``ice-timeout``, ``dtls-failed``, ``dtls-closed``, ``srtp-failed`` or
    ``internal-error``.
    """

    type: ClassVar[str] = "transportClosed"
    direction: Direction
    transport_id: str
    reason: str


class IceRestart(Event, frozen=True):
    """The recipient is offered new ICE credentials for its own transport.

    It may take them up or not: those that it has stay good until it uses the new ones.
    """

    type: ClassVar[str] = "iceRestart"
    direction: Direction
    transport_id: str
    ice_parameters: IceParameters


class ChatMessage(Event, frozen=True):
    """Somebody said something. ``timestamp`` is the sender's own ISO 8601 text."""

    type: ClassVar[str] = "chatMessage"
    sender_id: str
    sender_name: str
    content: str
    timestamp: str
    is_teacher: bool
