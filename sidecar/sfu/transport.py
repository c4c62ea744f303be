"""One peer's media in one or both directions, over one DTLS association."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from sidecar.engine.sender_report_mapper import SenderReportMapper
from sidecar.engine.transport_cc_generator import TransportCcGenerator
from sidecar.ortc.parameters import (
    DtlsParameters,
    IceCandidate,
    IceParameters,
    MediaKind,
    RtpCapabilities,
    RtpParameters,
)
from sidecar.rtp.errors import RtpError
from sidecar.rtp.packet import parse_rtp, ssrc_of
from sidecar.rtp.rtcp import Bye, ReceiverReport, RtcpPacket
from sidecar.sfu.batch import Packets
from sidecar.sfu.budgets import (
    RTCP_SURCHARGE_BYTES,
    RTP_SURCHARGE_BYTES,
    audio_budget,
    nack_budget,
    rtcp_budget,
    rtp_budget,
)
from sidecar.sfu.consumer import Consumer
from sidecar.sfu.errors import SfuError
from sidecar.sfu.feedback import handle_rtcp, periodic_reports
from sidecar.sfu.network import Link
from sidecar.sfu.producer import Producer
from sidecar.sfu.stats import TransportStats
from sidecar.sfu.stream_table import StreamTable

if TYPE_CHECKING:
    from sidecar.sfu.router import Router

REPORT_INTERVAL_NS: Final = 1_000_000_000
"""Between two rounds of Sender and Receiver Reports (RFC 3550 section 6.2, scaled down)."""

REPORT_GRID_NS: Final = REPORT_INTERVAL_NS // 8
"""Reports go out at multiples of this: to wake up for each transport alone would cost more."""

MAX_RTP_BYTES: Final = 1344
"""With the 10 bytes that forwarding may add (abs-send-time, RTX) and SRTP's, it fits 1500."""

MAX_COMPOUND_BYTES: Final = 1200
"""Of RTCP: a datagram that no path has to fragment."""

MAX_CONSUMERS_EVER: Final = 30_000
"""One after another on one transport: none of their SSRCs may be used again under its keys."""

_MAX_RTP_COST: Final = MAX_RTP_BYTES + RTP_SURCHARGE_BYTES
_ANYTHING: Final = 1 << 62
_NEVER: Final = 1 << 62


class WebRtcTransport:
    """The media half of a connection: what arrives is handed in, what is to be sent waits here.

    Attributes:
        id: Unique.
        router: Where it belongs.
        ssrc: Ours in feedback messages.
        cname: The name of the peer's streams if it gives them none: one for all of them.
        owner: Whom what it may ask of others is counted for, also under later transports.
        producers: What the peer sends, by id.
        consumers: What the peer gets, by id.
        streams: Which SSRC belongs to which of them.
        clock: The peer's NTP clock, known from its Sender Reports.
        connected: ICE and DTLS are done.
        closed: For good.
        now_ns: When it last did something.
        next_timeout_ns: When `poll` has something to do.
        outgoing_rtp: Packets that wait to be sent.
        outgoing_rtcp: Serialised RTCP that waits to be sent.
        available_outgoing_bps: The peer's latest REMB.
        nack_budget: Packets that it may ask for again.
        on_closed: Called once with a reason when the network closes the transport.
        on_stale: Called when nothing has been heard of the peer for some seconds, and again while
            that lasts.
    """

    def __init__(
        self,
        transport_id: str,
        router: Router,
        ssrc: int,
        cname: str,
        now_ns: int,
        owner: str | None = None,
    ) -> None:
        worker, limits = router.worker, router.worker.limits
        self.id = transport_id
        self.router = router
        self.ssrc = ssrc
        self.cname = cname
        self.owner = owner if owner is not None else transport_id
        self.producers: dict[str, Producer] = {}
        self.consumers: dict[str, Consumer] = {}
        self.streams = StreamTable()
        self.clock = SenderReportMapper()
        self.connected = False
        self.closed = False
        self.now_ns = now_ns
        self.next_timeout_ns = _NEVER
        self.outgoing_rtp: list[Packets] = []
        self.outgoing_rtcp: list[bytes] = []
        self.available_outgoing_bps: int | None = None
        self.on_closed: Callable[[str], None] | None = None
        self.on_stale: Callable[[], None] | None = None
        self.nack_budget = nack_budget(limits, now_ns)
        self._link: Link | None = None
        self._known_source = self.streams.known_source
        self._fed = worker.fed
        self._rtp_budget = rtp_budget(worker.max_incoming_bitrate_bps, now_ns)
        self._rtcp_budget = rtcp_budget(limits, now_ns)
        self._rtp_cost = self._affordable = 0
        self._refuses = False
        self._transport_cc = TransportCcGenerator()
        self._next_report_ns = _NEVER
        self._connecting = False
        self._asked_again: dict[Consumer, None] = {}
        self._next_mid = 0
        self._other_bytes_received = 0  # all but what the streams have counted
        self._bytes_sent = 0
        self._discarded = 0

    # What the signalling asks for.

    @property
    def ice_parameters(self) -> IceParameters:
        """The local ICE credentials."""
        return self.link.ice_parameters

    @property
    def ice_candidates(self) -> Sequence[IceCandidate]:
        """Where the peer can reach us, best first."""
        return self.link.ice_candidates

    @property
    def dtls_parameters(self) -> DtlsParameters:
        """The fingerprints of our certificate."""
        return self.link.dtls_parameters

    def connect(self, dtls_parameters: DtlsParameters) -> None:
        """Takes the peer's half of the DTLS parameters.

        Raises:
            SfuError: They were given before, or say nothing usable.
        """
        if self._connecting:
            raise SfuError("Transport already connected", "transport-connected")
        self.link.connect(dtls_parameters)
        self._connecting = True

    def restart_ice(self) -> IceParameters:
        """Makes new ICE credentials (RFC 8445 section 9)."""
        return self.link.restart_ice()

    def offer_ice_restart(self) -> IceParameters:
        """Credentials for a restart that the peer did not ask for, and may do without.

        Until a check has used them, they are the same each time, and those before stay good.
        """
        return self.link.offer_ice_restart()

    @property
    def silence_ns(self) -> int | None:
        """How long nothing has been heard of the peer; None if nothing ever was, or it is over."""
        return self._link.silence_ns if self._link is not None else None

    def produce(self, kind: MediaKind, rtp_parameters: RtpParameters) -> Producer:
        """Takes a stream from the peer.

        Raises:
            OrtcError: The parameters can't be used with this router.
            SfuError: An SSRC or MID is taken.
        """
        producer = self.router.make_producer(kind, rtp_parameters, self)
        limits = self.router.worker.limits
        budget = audio_budget(limits, self.now_ns) if kind == "audio" else None
        self.streams.add_producer(producer, budget)
        self.producers[producer.id] = producer
        self.router.register(producer)
        self.report_soon()
        return producer

    def consume(self, producer: Producer, rtp_capabilities: RtpCapabilities) -> Consumer:
        """Sends a producer's stream to the peer, once the consumer is resumed.

        Raises:
            OrtcError: The peer can't play it.
            SfuError: The producer is closed, or the transport has had more consumers than it can.
        """
        if producer.closed:
            raise SfuError("Producer not found", "producer-not-found")
        if self._next_mid >= MAX_CONSUMERS_EVER:
            raise SfuError("Transport used up, create a new one", "transport-used-up")
        mid = str(self._next_mid)
        consumer = self.router.make_consumer(producer, rtp_capabilities, self, mid)
        self._next_mid += 1
        self.streams.add_consumer(consumer)
        self.consumers[consumer.id] = consumer
        producer.add_consumer(consumer)
        return consumer

    def close(self) -> None:
        """Ends it with all of its producers and consumers.

        Whatever goes wrong on the way, nothing is left of it: it may be closed for a mistake of
        ours that shows here as well.
        """
        if self.closed:
            return
        self.closed = True  # first: what is called from here may close it again
        consumers = [each.close for each in self.consumers.values()]
        producers = [each.close for each in self.producers.values()]
        for end in (*consumers, *producers, self.flush):
            try:
                end()
            except Exception as error:
                self.router.worker.network.report_defect(self, error)
        self.connected = False
        self.router.forget_transport(self)
        self.on_closed = self.on_stale = None  # whoever listens may know us, as does the link
        link, self._link = self.link, None
        link.close()

    def stats(self) -> TransportStats:
        """What is known of it now."""
        return TransportStats(
            transport_id=self.id,
            connected=self.connected,
            bytes_received=self._other_bytes_received
            + sum(each.stream.bytes_received for each in self.producers.values()),
            bytes_sent=self._bytes_sent + sum(map(_bytes_sent_to, self.consumers.values())),
            packets_discarded=self._discarded,
            available_outgoing_bps=self.available_outgoing_bps,
            producers=tuple(each.stats() for each in self.producers.values()),
            consumers=tuple(each.stats() for each in self.consumers.values()),
        )

    # What the network hands in.

    @property
    def link(self) -> Link:
        """The network half."""
        if self._link is None:
            raise RuntimeError("a transport is used only after it has got its link")
        return self._link

    @link.setter
    def link(self, link: Link) -> None:
        self._link = link

    def link_connected(self, now_ns: int) -> None:
        """ICE and DTLS are done: consumers that were resumed before start now."""
        self.now_ns = now_ns
        self.connected = True
        for consumer in self.consumers.values():
            consumer.producer.refresh_live()
        self.report_soon()

    def link_closed(self, reason: str) -> None:
        """The network has given up on the peer, for good."""
        if self.closed:
            return
        on_closed = self.on_closed
        self.close()
        if on_closed is not None:
            on_closed(reason)

    def link_stale(self, now_ns: int) -> None:
        """The network has heard nothing of the peer for some seconds; it may come back."""
        self.now_ns = now_ns
        if self.on_stale is not None:
            self.on_stale()

    def receive_rtp(self, data: bytes, now_ns: int) -> None:
        """Takes one decrypted RTP packet; whatever is wrong with it, it is only discarded."""
        self.now_ns = now_ns
        cost = len(data) + RTP_SURCHARGE_BYTES
        self._rtp_cost += cost
        if self._rtp_cost > self._affordable and not self._affords(cost, now_ns):
            self._discard(data)
            return
        if cost > _MAX_RTP_COST:
            self._discard(data)
            return
        try:
            packet = parse_rtp(data)
            source = self._known_source(packet.ssrc) or self.streams.learn(packet)
            if source is None:
                self._discard(data)
                return
            transport_sequence, elements = source.extensions.read(packet)
        except RtpError:
            self._discard(data)
            return
        producer, budget = source.producer, source.budget
        if budget is not None:
            if cost > budget.left and not budget.covers(cost, now_ns):
                producer.stream.skip_gap(now_ns)
                self._discard(data)
                return
            budget.left -= cost
        if transport_sequence >= 0:
            self._transport_cc.on_packet(transport_sequence, now_ns)
        try:
            producer.receive(packet, elements, now_ns)
        except RtpError:
            self._discarded += 1  # its bytes are the stream's
            return
        self._fed[producer] = None

    def receive_rtcp(self, data: bytes, now_ns: int) -> None:
        """Takes one decrypted compound RTCP packet; what is malformed is discarded."""
        self.now_ns = now_ns
        self._other_bytes_received += len(data)
        if not self._rtcp_budget.take(len(data) + RTCP_SURCHARGE_BYTES, now_ns):
            self._discarded += 1
            return
        try:
            handle_rtcp(self, data, now_ns)
        except RtpError:
            self._discarded += 1

    def is_receiving(self, ssrc: int) -> bool:
        """Whether a producer has this SSRC."""
        return self.streams.find_producer(ssrc) is not None

    def _discard(self, data: bytes) -> None:
        self._discarded += 1
        self._other_bytes_received += len(data)
        ssrc = ssrc_of(data)
        if self._link is not None and not self.is_receiving(ssrc):
            self._link.forget_incoming(ssrc)

    def _affords(self, cost: int, now_ns: int) -> bool:
        """Sees whether the peer may send more, when it has used up what it was granted.

        What is refused uses up nothing, and is not asked for again when packets are taken again.
        """
        self._affordable += self._rtp_budget.take_some(_ANYTHING, now_ns)
        if self._rtp_cost > self._affordable:
            self._rtp_cost -= cost
            self._refuses = True
            return False
        if self._refuses:
            self._refuses = False
            for producer in self.producers.values():
                producer.stream.skip_gap(now_ns)
        return True

    # Time and output.

    def touch(self) -> None:
        """Asks the worker to call `poll` soon."""
        if not self.closed:
            self.router.worker.touch(self)

    def report_soon(self) -> None:
        """Sends reports with the next `poll`: new streams are not to wait for their first."""
        self._next_report_ns = 0
        self.touch()

    def retransmit_soon(self, consumer: Consumer) -> None:
        """Has a consumer answer NACKs with the next `poll`."""
        self._asked_again[consumer] = None
        self.touch()

    def has_feedback(self, producer: Producer) -> bool:
        """Whether what has arrived for a producer makes `poll` due earlier than it was."""
        due_ns = self.next_timeout_ns
        stream_ns, transport_cc_ns = (
            producer.stream.next_timeout_ns,
            self._transport_cc.next_timeout_ns,
        )
        return (stream_ns is not None and stream_ns < due_ns) or (
            transport_cc_ns is not None and transport_cc_ns < due_ns
        )

    def poll(self, now_ns: int) -> None:
        """Does what is due: retransmissions, feedback to senders, the reports of every second.

        To be called when everything that has arrived has been forwarded.
        """
        self.now_ns = now_ns
        self.next_timeout_ns = _NEVER
        if not self.connected:
            return
        if self._asked_again:
            asked_again, self._asked_again = self._asked_again, {}
            for consumer in asked_again:
                consumer.retransmit(now_ns)
        feedback: list[RtcpPacket] = []
        timeouts_ns: list[int | None] = []
        for producer in self.producers.values():
            feedback += producer.poll(now_ns, self.ssrc)
            timeouts_ns.append(producer.next_timeout_ns)
        media_ssrc = self.streams.any_source_ssrc()
        feedback += self._transport_cc.poll(now_ns, self.ssrc, media_ssrc)
        timeouts_ns.append(self._transport_cc.next_timeout_ns)
        if feedback:
            self.send_rtcp(feedback)
        if now_ns >= self._next_report_ns:
            next_ns = now_ns + REPORT_INTERVAL_NS
            self._next_report_ns = next_ns - next_ns % REPORT_GRID_NS
            for compound in periodic_reports(self, now_ns):
                self.send_rtcp(compound)
            for producer in tuple(self.producers.values()):
                producer.watch(now_ns)
        timeouts_ns.append(self._next_report_ns)
        self.next_timeout_ns = min(each for each in timeouts_ns if each is not None)

    def output(self) -> list[Packets]:
        """What waits to be sent: packets that are added go out with the next `flush`."""
        self.router.worker.has_output(self)
        return self.outgoing_rtp

    def send_rtcp(self, packets: Sequence[RtcpPacket]) -> None:
        """Queues packets as one compound, or as several if one would be too long."""
        if not self.connected:
            return
        self.router.worker.has_output(self)
        compound = b""
        for packet in packets:
            data = packet.to_bytes()
            if compound and len(compound) + len(data) > MAX_COMPOUND_BYTES:
                self.outgoing_rtcp.append(compound)
                compound = b""
            compound += data
        self.outgoing_rtcp.append(compound)

    def flush(self) -> None:
        """Hands what waits to the network."""
        rtp, rtcp, link = self.outgoing_rtp, self.outgoing_rtcp, self._link
        if link is None:
            return
        if rtp:
            self.outgoing_rtp = []
            if self.connected:
                link.send_rtp(rtp)
        if rtcp:
            self.outgoing_rtcp = []
            if self.connected:
                self._bytes_sent += sum(map(len, rtcp))
                link.send_rtcp(rtcp)

    # Called by producers and consumers.

    def forget_producer(self, producer: Producer) -> None:
        """Drops a producer that has closed."""
        del self.producers[producer.id]
        self._other_bytes_received += producer.stream.bytes_received
        self.streams.remove_producer(producer)
        if producer.stream.ssrc is not None:
            self.clock.forget(producer.stream.ssrc)
        for ssrc in (producer.stream.ssrc, producer.stream.rtx_ssrc):
            if ssrc is not None:
                self.link.forget_incoming(ssrc)
        self.router.forget_producer(producer)
        self.router.worker.forget_producer(producer)

    def forget_consumer(self, consumer: Consumer) -> None:
        """Drops a consumer that has closed, and tells the peer that its stream has ended."""
        del self.consumers[consumer.id]
        self._asked_again.pop(consumer, None)
        self._bytes_sent += _bytes_sent_to(consumer)
        self.streams.remove_consumer(consumer)
        for ssrc in (consumer.stream.ssrc, consumer.stream.rtx_ssrc):
            if ssrc is not None:
                self.link.end_outgoing(ssrc)
        if consumer.stream.sent.packets:
            goodbye: list[RtcpPacket] = [
                ReceiverReport(self.ssrc, ()),
                Bye((consumer.stream.ssrc,)),
            ]
            self.send_rtcp(goodbye)
            self.touch()


def _bytes_sent_to(consumer: Consumer) -> int:
    stream = consumer.stream
    return stream.sent.bytes + stream.retransmitted_bytes
