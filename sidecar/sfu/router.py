"""A room's media: which producer feeds which consumers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sidecar import ortc
from sidecar.ortc.parameters import MediaKind, RtpCapabilities, RtpParameters
from sidecar.rtp.header_extensions import (
    ABS_SEND_TIME_URI,
    MID_URI,
    REPAIRED_RTP_STREAM_ID_URI,
    RTP_STREAM_ID_URI,
    TRANSPORT_CC_URI,
)
from sidecar.sfu.consumer import Consumer
from sidecar.sfu.forwarding import PacketTranslator
from sidecar.sfu.identifiers import Identifiers
from sidecar.sfu.incoming import IncomingStream
from sidecar.sfu.outgoing import OutgoingStart, OutgoingStream
from sidecar.sfu.producer import Producer
from sidecar.sfu.transport import WebRtcTransport

if TYPE_CHECKING:
    from sidecar.sfu.worker import Worker

_HOP_BY_HOP_URIS: Final = frozenset(
    {MID_URI, RTP_STREAM_ID_URI, REPAIRED_RTP_STREAM_ID_URI, TRANSPORT_CC_URI}
)
"""Header extensions that mean something between a sender and us only."""


class Router:
    """One room's transports, producers and consumers.

    Attributes:
        id: Unique.
        worker: Where it belongs.
        rtp_capabilities: What producers may send and consumers can get.
        transports: By id.
        producers: By id, over all transports.
    """

    def __init__(self, router_id: str, worker: Worker, identifiers: Identifiers) -> None:
        self.id = router_id
        self.worker = worker
        self.rtp_capabilities = ortc.router_rtp_capabilities()
        self.transports: dict[str, WebRtcTransport] = {}
        self.producers: dict[str, Producer] = {}
        self._identifiers = identifiers
        ids = {each.uri: each.preferred_id for each in self.rtp_capabilities.header_extensions}
        self._abs_send_time_id = ids[ABS_SEND_TIME_URI]
        self._hop_by_hop_ids = frozenset(ids[uri] for uri in _HOP_BY_HOP_URIS if uri in ids)

    def create_transport(
        self, local_address: str | None, owner: str | None = None
    ) -> WebRtcTransport:
        """Opens a transport for one peer.

        Args:
            local_address: Our own address as the peer knows it; it is the first candidate.
            owner: The peer's id, if it may have other transports, now or later.
        """
        transport = WebRtcTransport(
            self._identifiers.unique_id(),
            self,
            self._identifiers.ssrc(),
            self._identifiers.cname(),
            self.worker.now_ns,
            owner,
        )
        transport.link = self.worker.network.open_link(transport, local_address)
        self.transports[transport.id] = transport
        self.worker.add_transport(transport)
        return transport

    def can_consume(self, producer: Producer, rtp_capabilities: RtpCapabilities) -> bool:
        """Whether a receiver with these capabilities can play a producer's stream."""
        return ortc.can_consume(producer.consumable, rtp_capabilities)

    def close(self) -> None:
        """Ends the room's media."""
        for transport in list(self.transports.values()):
            transport.close()

    def make_producer(
        self, kind: MediaKind, rtp_parameters: RtpParameters, transport: WebRtcTransport
    ) -> Producer:
        """Negotiates a producer; `WebRtcTransport.produce` registers it.

        Raises:
            OrtcError: The parameters can't be used.
        """
        mapping = ortc.producer_rtp_mapping(rtp_parameters, self.rtp_capabilities)
        consumable = ortc.consumable_rtp_parameters(
            kind,
            rtp_parameters,
            self.rtp_capabilities,
            mapping,
            fallback_cname=transport.cname,
        )
        translator = PacketTranslator(
            mapping,
            abs_send_time_id=self._abs_send_time_id,
            hop_by_hop_ids=self._hop_by_hop_ids,
        )
        stream = IncomingStream(rtp_parameters, mapping, translator, self.worker.now_ns)
        return Producer(
            self._identifiers.unique_id(),
            kind,
            rtp_parameters,
            consumable,
            stream,
            transport,
            outgoing_ssrc=self._identifiers.ssrc(),
            outgoing_start=OutgoingStart(
                seq_offset=self._identifiers.sequence(),
                timestamp_offset=self._identifiers.timestamp(),
                rtx_sequence_number=self._identifiers.rtx_sequence(),
            ),
        )

    def make_consumer(
        self,
        producer: Producer,
        rtp_capabilities: RtpCapabilities,
        transport: WebRtcTransport,
        mid: str,
    ) -> Consumer:
        """Negotiates a consumer; `WebRtcTransport.consume` registers it.

        Raises:
            OrtcError: The receiver can't play the stream.
        """
        ssrc = producer.outgoing_ssrc
        if transport.streams.is_spent(ssrc) or transport.streams.is_spent(ssrc + 1):
            ssrc = self._free_ssrc(transport)
        parameters = ortc.consumer_rtp_parameters(
            producer.consumable,
            rtp_capabilities,
            ssrc=ssrc,
            rtx_ssrc=ssrc + 1,
            mid=mid,
        )
        stream = OutgoingStream(parameters, producer.stream.buffer, producer.outgoing_start)
        return Consumer(self._identifiers.unique_id(), producer, parameters, stream, transport)

    def register(self, producer: Producer) -> None:
        """Makes a producer known."""
        self.producers[producer.id] = producer

    def forget_producer(self, producer: Producer) -> None:
        """Drops a producer that has closed."""
        del self.producers[producer.id]

    def forget_transport(self, transport: WebRtcTransport) -> None:
        """Drops a transport that has closed."""
        del self.transports[transport.id]
        self.worker.forget_transport(transport)

    def _free_ssrc(self, transport: WebRtcTransport) -> int:
        """Picks an SSRC that the transport has never sent, nor its successor."""
        while True:
            ssrc = self._identifiers.ssrc()
            if not (transport.streams.is_spent(ssrc) or transport.streams.is_spent(ssrc + 1)):
                return ssrc
