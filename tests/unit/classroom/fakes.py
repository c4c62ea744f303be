"""The media layer's nouns with nothing behind them, for tests of who may do what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import cast

from sidecar.classroom.events import Event
from sidecar.classroom.peer import Peer
from sidecar.classroom.policy import POLICIES
from sidecar.classroom.room import Room
from sidecar.limits import Limits
from sidecar.ortc.errors import OrtcError
from sidecar.ortc.parameters import (
    DtlsFingerprint,
    DtlsParameters,
    IceCandidate,
    IceParameters,
    MediaKind,
    RtpCapabilities,
    RtpCodecCapability,
    RtpParameters,
)
from sidecar.sfu import Router, TransportStats, Worker

LIMITS = Limits()
RTP_PARAMETERS = RtpParameters(codecs=())
OPUS_ONLY = RtpCapabilities(codecs=(RtpCodecCapability("audio/opus", 48000, "audio", channels=2),))
"""What the fake router supports, and what a receiver needs to consume anything."""
DTLS_PARAMETERS = DtlsParameters(fingerprints=(DtlsFingerprint("sha-256", "AB:CD"),))


class FakeConsumer:
    def __init__(self, consumer_id: str, producer: FakeProducer) -> None:
        self.id = consumer_id
        self.producer_id = producer.id
        self.kind = producer.kind
        self.rtp_parameters = RTP_PARAMETERS
        self.paused = True
        self.closed = False
        self.on_closed: Callable[[], None] | None = None

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    def close(self) -> None:
        self.closed = True


class FakeProducer:
    def __init__(self, producer_id: str, kind: MediaKind) -> None:
        self.id = producer_id
        self.kind = kind
        self.paused = False
        self.silent = False
        self.superseded = False
        self.closed = False
        self.on_closed: Callable[[], None] | None = None
        self.consumers: list[FakeConsumer] = []

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    def supersede(self) -> None:
        self.superseded = True

    def give_up(self) -> None:
        """What happens when its sender has dropped it."""
        self.close()
        if self.on_closed is not None:
            self.on_closed()

    def close(self) -> None:
        self.closed = True
        for consumer in self.consumers:
            if not consumer.closed:
                consumer.close()
                if consumer.on_closed is not None:
                    consumer.on_closed()


class FakeTransport:
    def __init__(self, router: FakeRouter, transport_id: str, local_address: str | None) -> None:
        self.owner: str | None = None
        self.id = transport_id
        self.local_address = local_address
        self.ice_parameters = IceParameters("ufrag", "password")
        self.ice_candidates = (IceCandidate("udpcandidate", 1, "192.0.2.1", "192.0.2.1", 40000),)
        self.dtls_parameters = DTLS_PARAMETERS
        self.connected_with: DtlsParameters | None = None
        self.closed = False
        self.on_closed: Callable[[str], None] | None = None
        self.on_stale: Callable[[], None] | None = None
        self.silence_ns: int | None = None
        self.producers: list[FakeProducer] = []
        self.consumers: list[FakeConsumer] = []
        self._router = router

    def connect(self, dtls_parameters: DtlsParameters) -> None:
        self.connected_with = dtls_parameters

    def restart_ice(self) -> IceParameters:
        return IceParameters("ufrag2", "password2")

    def offer_ice_restart(self) -> IceParameters:
        return self.restart_ice()

    def produce(self, kind: MediaKind, rtp_parameters: RtpParameters) -> FakeProducer:
        if self._router.produce_error is not None:
            raise self._router.produce_error
        producer = FakeProducer(self._router.new_id("producer"), kind)
        self.producers.append(producer)
        return producer

    def consume(self, producer: FakeProducer, rtp_capabilities: RtpCapabilities) -> FakeConsumer:
        if not rtp_capabilities.codecs:
            raise OrtcError("no codec in common")
        consumer = FakeConsumer(self._router.new_id("consumer"), producer)
        producer.consumers.append(consumer)
        self.consumers.append(consumer)
        return consumer

    def close(self) -> None:
        self.closed = True
        for producer in self.producers:
            producer.close()
        for consumer in self.consumers:
            consumer.close()

    def lose(self, reason: str) -> None:
        """What happens when the network gives up."""
        self.close()
        if self.on_closed is not None:
            self.on_closed(reason)

    def stats(self) -> TransportStats:
        return TransportStats(self.id, True, 0, 0, 0, None, (), ())


class FakeRouter:
    def __init__(self) -> None:
        self.rtp_capabilities = OPUS_ONLY
        self.transports: list[FakeTransport] = []
        self.create_error: Exception | None = None
        self.produce_error: Exception | None = None
        self.closed = False
        self._ids: Counter[str] = Counter()

    def new_id(self, noun: str) -> str:
        self._ids[noun] += 1
        return f"{noun}-{self._ids[noun]}"

    def create_transport(
        self, local_address: str | None, owner: str | None = None
    ) -> FakeTransport:
        if self.create_error is not None:
            raise self.create_error
        transport = FakeTransport(self, self.new_id("transport"), local_address)
        transport.owner = owner
        self.transports.append(transport)
        return transport

    def close(self) -> None:
        self.closed = True


class FakeWorker:
    def __init__(self) -> None:
        self.routers: list[FakeRouter] = []

    def create_router(self) -> FakeRouter:
        self.routers.append(FakeRouter())
        return self.routers[-1]

    def as_worker(self) -> Worker:
        return cast(Worker, self)


class Stage:
    """A room over a fake router, and everything that was published in it."""

    def __init__(self, policy: str = "classroom", limits: Limits = LIMITS) -> None:
        self.router = FakeRouter()
        self.told: list[tuple[str, Event]] = []
        self.room = Room(
            "room", cast(Router, self.router), POLICIES[policy], limits, self, self._publish
        )

    @property
    def producers(self) -> int:
        return self.room.producers_count

    @property
    def consumers(self) -> int:
        return self.room.consumers_count

    def enter(self, peer_id: str, *, is_teacher: bool = False) -> Peer:
        peer = Peer(peer_id, peer_id.title(), is_teacher)
        self.room.add(peer)
        return peer

    def connected(self, peer_id: str, *, is_teacher: bool = False) -> Peer:
        """A peer with both transports."""
        peer = self.enter(peer_id, is_teacher=is_teacher)
        self.room.create_transport(peer, "send", None)
        self.room.create_transport(peer, "recv", None)
        return peer

    def take_told(self) -> list[tuple[str, Event]]:
        """Who was told what since the last call, in order."""
        told, self.told = self.told, []
        return told

    def _publish(self, recipients: object, event: Event) -> None:
        assert isinstance(recipients, list)
        self.told += [(peer.id, event) for peer in recipients]
