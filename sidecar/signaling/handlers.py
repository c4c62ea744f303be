"""What is done for each request of a peer who is in a room: one function per request, one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from sidecar.signaling import messages, replies
from sidecar.signaling.registry import Seat
from sidecar.signaling.replies import Reply

Handler: TypeAlias = Callable[[Seat, Any], Reply | None]


def joined(seat: Seat) -> Reply:
    """The reply to the request that got the seat."""
    room, peer, _ = seat
    data = replies.Joined(
        room.id, peer.id, peer.is_teacher, room.rtp_capabilities, peer.rejoin_token
    )
    return Reply("joined", data)


def _get_router_rtp_capabilities(seat: Seat, _: messages.GetRouterRtpCapabilities) -> Reply:
    return Reply("routerRtpCapabilities", seat.room.rtp_capabilities)


def _create_transport(seat: Seat, request: messages.CreateTransport) -> Reply:
    direction = request.data.direction
    transport = seat.room.create_transport(seat.peer, direction, seat.member.local_address)
    data = replies.TransportCreated(
        direction=direction,
        id=transport.id,
        ice_parameters=transport.ice_parameters,
        ice_candidates=transport.ice_candidates,
        dtls_parameters=transport.dtls_parameters,
    )
    return Reply("transportCreated", data)


def _connect_transport(seat: Seat, request: messages.ConnectTransport) -> Reply:
    direction = request.data.direction
    seat.peer.transport(direction).connect(request.data.dtls_parameters)
    return Reply("transportConnected", replies.TransportConnected(direction))


def _restart_ice(seat: Seat, request: messages.RestartIce) -> Reply:
    direction = request.data.direction
    ice_parameters = seat.peer.transport(direction).restart_ice()
    return Reply("iceRestarted", replies.IceRestarted(direction, ice_parameters))


def _produce(seat: Seat, request: messages.Produce) -> Reply:
    producer = seat.room.produce(seat.peer, request.data.kind, request.data.rtp_parameters)
    return Reply("produced", replies.Produced(producer.id, producer.kind))


def _close_producer(seat: Seat, request: messages.CloseProducer) -> Reply:
    seat.room.close_producer(seat.peer, request.data.producer_id)
    return Reply("producerClosed", replies.ProducerRef(request.data.producer_id))


def _pause_producer(seat: Seat, request: messages.PauseProducer) -> Reply:
    seat.room.pause_producer(seat.peer, request.data.producer_id)
    return Reply("producerPaused", replies.ProducerRef(request.data.producer_id))


def _resume_producer(seat: Seat, request: messages.ResumeProducer) -> Reply:
    seat.room.resume_producer(seat.peer, request.data.producer_id)
    return Reply("producerResumed", replies.ProducerRef(request.data.producer_id))


def _get_producers(seat: Seat, _: messages.GetProducers) -> Reply:
    publications = seat.room.producers(seat.peer)
    data = [
        replies.ProducerInfo(each.producer.id, each.producer.kind, each.owner.id)
        for each in publications
    ]
    return Reply("producers", data)


def _consume(seat: Seat, request: messages.Consume) -> Reply:
    consumer = seat.room.consume(seat.peer, request.data.producer_id, request.data.rtp_capabilities)
    data = replies.Consumed(
        consumer.id, consumer.producer_id, consumer.kind, consumer.rtp_parameters
    )
    return Reply("consumed", data)


def _close_consumer(seat: Seat, request: messages.CloseConsumer) -> Reply:
    seat.room.close_consumer(seat.peer, request.data.consumer_id)
    return Reply("consumerClosed", replies.ConsumerRef(request.data.consumer_id))


def _pause_consumer(seat: Seat, request: messages.PauseConsumer) -> Reply:
    seat.peer.consumer(request.data.consumer_id).pause()
    return Reply("consumerPaused", replies.ConsumerRef(request.data.consumer_id))


def _resume_consumer(seat: Seat, request: messages.ResumeConsumer) -> Reply:
    seat.peer.consumer(request.data.consumer_id).resume()
    return Reply("consumerResumed", replies.ConsumerRef(request.data.consumer_id))


def _chat_message(seat: Seat, request: messages.ChatMessage) -> None:
    seat.room.chat(seat.peer, request.data.content, request.data.timestamp)


HANDLERS: Final[Mapping[type[messages.Request], Handler]] = MappingProxyType(
    {
        messages.GetRouterRtpCapabilities: _get_router_rtp_capabilities,
        messages.CreateTransport: _create_transport,
        messages.ConnectTransport: _connect_transport,
        messages.RestartIce: _restart_ice,
        messages.Produce: _produce,
        messages.CloseProducer: _close_producer,
        messages.PauseProducer: _pause_producer,
        messages.ResumeProducer: _resume_producer,
        messages.GetProducers: _get_producers,
        messages.Consume: _consume,
        messages.CloseConsumer: _close_consumer,
        messages.PauseConsumer: _pause_consumer,
        messages.ResumeConsumer: _resume_consumer,
        messages.ChatMessage: _chat_message,
    }
)
"""All requests but ``join`` and ``leave``, which change the seat itself. None of them waits, so
no event can come between a request and its reply."""
