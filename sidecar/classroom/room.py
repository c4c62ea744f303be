"""A room: its peers, their streams, and who is to be told what.

Every method does its work at once and hands what others must hear to ``publish``. Who closes what
in which order is described in ``docs/closing.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, TypeAlias

from sidecar.classroom import usage
from sidecar.classroom.errors import ClassroomError, Fault
from sidecar.classroom.events import (
    ChatMessage,
    Event,
    IceRestart,
    NewProducer,
    PeerJoined,
    PeerLeft,
    ProducerClosed,
    ProducerPaused,
    ProducerResumed,
    TransportClosed,
)
from sidecar.classroom.peer import Direction, Peer
from sidecar.classroom.policy import Policy
from sidecar.classroom.publication import Publication
from sidecar.classroom.text import one_line, speech
from sidecar.classroom.usage import Totals
from sidecar.limits import Limits
from sidecar.ortc.errors import OrtcError
from sidecar.ortc.parameters import MediaKind, RtpCapabilities, RtpParameters
from sidecar.sfu import Consumer, Producer, Router, WebRtcTransport

MAX_IDLE_PRODUCERS: Final = 2
"""Of one peer and kind, silent when another one is made."""

Publish: TypeAlias = Callable[[Sequence[Peer], Event], None]


class Room:
    """One class.

    Args:
        room_id: Chosen by the clients.
        router: Carries this room's media; the room owns it.
        policy: Who may send what to whom.
        limits: What peers may use.
        totals: What all rooms use.
        publish: Is called with those who are to be told and with what.
    """

    def __init__(
        self,
        room_id: str,
        router: Router,
        policy: Policy,
        limits: Limits,
        totals: Totals,
        publish: Publish,
    ) -> None:
        self.id = room_id
        self._router = router
        self._policy = policy
        self._limits = limits
        self._totals = totals
        self._publish = publish
        self._peers: dict[str, Peer] = {}
        self._publications: dict[str, Publication] = {}

    @property
    def peers(self) -> tuple[Peer, ...]:
        """Who is here, in the order of coming."""
        return tuple(self._peers.values())

    @property
    def producers_count(self) -> int:
        """How many streams are sent here."""
        return len(self._publications)

    @property
    def consumers_count(self) -> int:
        """How many streams are received here."""
        return sum(len(peer.consumers) for peer in self._peers.values())

    @property
    def rtp_capabilities(self) -> RtpCapabilities:
        """What can be sent and received here."""
        return self._router.rtp_capabilities

    def find(self, peer_id: str) -> Peer | None:
        """Who is here under an id."""
        return self._peers.get(peer_id)

    def conflict(self, peer_id: str, is_teacher: bool) -> tuple[Peer, Fault] | None:
        """Who is in the way of a newcomer, and what the newcomer hears if they stay."""
        if is_teacher and self._policy.one_teacher:
            for peer in self._peers.values():
                if peer.is_teacher:
                    return peer, Fault.TEACHER_EXISTS
        namesake = self._peers.get(peer_id)
        return (namesake, Fault.PEER_EXISTS) if namesake is not None else None

    def add(self, peer: Peer) -> None:
        """Let a peer in and tell the others.

        Raises:
            ClassroomError: Somebody is in the way, or the room is full.
        """
        conflict = self.conflict(peer.id, peer.is_teacher)
        if conflict is not None:
            raise ClassroomError(conflict[1])
        if self._is_full_for(peer):
            raise ClassroomError(Fault.ROOM_FULL)
        self._peers[peer.id] = peer
        self._publish(self._all_but(peer), PeerJoined(peer.id, peer.name, peer.is_teacher))

    def remove(self, peer: Peer) -> None:
        """Close everything of a peer who is here and tell the others."""
        del self._peers[peer.id]
        for direction in tuple(peer.transports):
            self._close_transport(peer, direction)
        for publication in self._publications.values():
            publication.audience.discard(peer)
        self._publish(self._all_but(peer), PeerLeft(peer.id, peer.is_teacher))

    def close(self) -> None:
        """Close the router. The last peer must have been removed."""
        self._router.close()

    def create_transport(
        self, peer: Peer, direction: Direction, local_address: str | None
    ) -> WebRtcTransport:
        """Open a transport; one of the same direction that was there before is closed.

        Args:
            peer: Whose.
            direction: As the peer sees it.
            local_address: Our address that the peer is known to reach; None if unknown.

        Raises:
            SfuError: There is none to be had; the one before stays.
        """
        transport = self._router.create_transport(local_address, peer.id)
        self._close_transport(peer, direction)
        transport.on_closed = partial(self._transport_lost, peer, direction)
        transport.on_stale = partial(self._offer_ice_restart, peer, direction)
        peer.transports[direction] = transport
        return transport

    def produce(self, peer: Peer, kind: MediaKind, rtp_parameters: RtpParameters) -> Producer:
        """Let a peer send a stream, and announce it.

        Raises:
            ClassroomError: Against the rules, one too many, or without a send transport.
            OrtcError: The parameters are invalid or not supported.
            SfuError: The transport refuses.
        """
        _refuse(self._policy.produce_fault(peer, kind))
        _refuse(usage.produce_fault(peer, self._limits, self._totals))
        transport = peer.transport("send", Fault.SEND_TRANSPORT_NOT_FOUND)
        producer = transport.produce(kind, rtp_parameters)
        producer.on_closed = partial(self._unpublish, peer, producer.id)
        self._supersede(peer, kind)
        peer.producers[producer.id] = producer
        told = [each for each in self._all_but(peer) if self._policy.announces(peer, each)]
        self._publications[producer.id] = Publication(producer, peer, set(told))
        self._publish(told, NewProducer(producer.id, kind, peer.id))
        return producer

    def producers(self, asker: Peer) -> list[Publication]:
        """The streams that ``asker`` is to know of: the live ones first, the oldest of them first.

        Existing frontends show whatever comes first.
        """
        listed = [
            publication
            for publication in self._publications.values()
            if self._policy.lists(publication.owner, asker, publication.producer.kind)
        ]
        for publication in listed:
            publication.audience.add(asker)
        return sorted(listed, key=lambda each: each.producer.silent)

    def close_producer(self, peer: Peer, producer_id: str) -> None:
        """Close a peer's own producer.

        Raises:
            ClassroomError: The peer has no such producer.
        """
        peer.producer(producer_id).close()
        self._unpublish(peer, producer_id)

    def pause_producer(self, peer: Peer, producer_id: str) -> None:
        """Stop forwarding a peer's own stream for the time being.

        Raises:
            ClassroomError: The peer has no such producer.
        """
        producer = peer.producer(producer_id)
        if not producer.paused:
            producer.pause()
            self._tell_audience(self._publications[producer_id], ProducerPaused)

    def resume_producer(self, peer: Peer, producer_id: str) -> None:
        """Forward a peer's own stream again.

        Raises:
            ClassroomError: The peer has no such producer.
        """
        producer = peer.producer(producer_id)
        if producer.paused:
            producer.resume()
            self._tell_audience(self._publications[producer_id], ProducerResumed)

    def consume(self, peer: Peer, producer_id: str, rtp_capabilities: RtpCapabilities) -> Consumer:
        """Send a stream to a peer; it starts paused. Where the peer had it before, that ends.

        Raises:
            ClassroomError: Against the rules, no such producer, one too many, no receive
                transport, or nothing in common between the stream and the peer's capabilities.
            SfuError: The transport refuses.
        """
        publication = self._publications.get(producer_id)
        if publication is None:
            raise ClassroomError(Fault.PRODUCER_NOT_FOUND)
        producer = publication.producer
        _refuse(self._policy.consume_fault(peer, publication.owner, producer.kind))
        transport = peer.transport("recv", Fault.RECV_TRANSPORT_NOT_FOUND)
        earlier = [each for each in peer.consumers.values() if each.producer_id == producer_id]
        if not earlier:
            _refuse(usage.consume_fault(peer, self._limits, self._totals))
        try:
            consumer = transport.consume(producer, rtp_capabilities)
        except OrtcError as error:
            raise ClassroomError(Fault.CANNOT_CONSUME) from error
        for each in earlier:
            self.close_consumer(peer, each.id)
        consumer.on_closed = partial(_forget_consumer, peer, consumer.id)
        peer.consumers[consumer.id] = consumer
        publication.audience.add(peer)
        return consumer

    def close_consumer(self, peer: Peer, consumer_id: str) -> None:
        """Stop sending a stream to a peer.

        Raises:
            ClassroomError: The peer has no such consumer.
        """
        peer.consumer(consumer_id).close()
        del peer.consumers[consumer_id]

    def offer_ice_restarts(self) -> None:
        """Offer new ICE credentials for every transport that ever worked."""
        for peer in self.peers:
            for direction, transport in peer.transports.items():
                if transport.silence_ns is not None:
                    self._offer_ice_restart(peer, direction)

    def chat(self, peer: Peer, content: str, timestamp: str) -> None:
        """Pass what a peer said on to everybody else, as they may see it."""
        message = ChatMessage(
            peer.id, peer.name, speech(content), one_line(timestamp), peer.is_teacher
        )
        self._publish(self._all_but(peer), message)

    def _is_full_for(self, newcomer: Peer) -> bool:
        """What students can fill is never counted against the teacher, who has a place reserved."""
        places = self._limits.max_clients_per_room
        if self._policy.one_teacher:
            students = sum(not each.is_teacher for each in self._peers.values())
            return not newcomer.is_teacher and students >= places - 1
        return not newcomer.is_proven and len(self._peers) >= places

    def _all_but(self, peer: Peer) -> list[Peer]:
        return [each for each in self._peers.values() if each is not peer]

    def _tell_audience(
        self,
        publication: Publication,
        event: type[ProducerClosed | ProducerPaused | ProducerResumed],
    ) -> None:
        others = [each for each in self._all_but(publication.owner) if each in publication.audience]
        self._publish(others, event(publication.producer.id, publication.owner.id))

    def _close_transport(self, peer: Peer, direction: Direction) -> None:
        transport = peer.transports.pop(direction, None)
        if transport is not None:
            transport.on_closed = transport.on_stale = None
            transport.close()
            self._drop_media(peer, direction)

    def _transport_lost(self, peer: Peer, direction: Direction, reason: str) -> None:
        transport = peer.transports.pop(direction)
        self._drop_media(peer, direction)
        self._publish([peer], TransportClosed(direction, transport.id, reason))

    def _offer_ice_restart(self, peer: Peer, direction: Direction) -> None:
        if peer.uses_ids:
            transport = peer.transports[direction]
            offer = IceRestart(direction, transport.id, transport.offer_ice_restart())
            self._publish([peer], offer)

    def _supersede(self, peer: Peer, kind: MediaKind) -> None:
        """Note that a peer's earlier streams of a kind may be over: existing frontends don't say.

        Those whose sender is there but has nothing to send may be sent again. It is not believed of
        many.
        """
        idle: list[Producer] = []
        for producer in peer.producers.values():
            if producer.kind == kind:
                producer.supersede()
                if producer.silent and not producer.paused:
                    idle.append(producer)
        for producer in idle[:-MAX_IDLE_PRODUCERS]:
            producer.close()
            self._unpublish(peer, producer.id)

    def _drop_media(self, peer: Peer, direction: Direction) -> None:
        """Forget what ran over a transport that is closed."""
        if direction == "recv":
            peer.consumers.clear()
        else:
            for producer_id in tuple(peer.producers):
                self._unpublish(peer, producer_id)

    def _unpublish(self, peer: Peer, producer_id: str) -> None:
        del peer.producers[producer_id]
        self._tell_audience(self._publications.pop(producer_id), ProducerClosed)


def _refuse(fault: Fault | None) -> None:
    if fault is not None:
        raise ClassroomError(fault)


def _forget_consumer(peer: Peer, consumer_id: str) -> None:
    peer.consumers.pop(consumer_id, None)
