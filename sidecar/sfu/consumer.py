"""A stream that the SFU sends to a peer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sidecar.ortc.parameters import MediaKind, RtpParameters
from sidecar.sfu.batch import Batch
from sidecar.sfu.outgoing import OutgoingStream
from sidecar.sfu.stats import ConsumerStats

if TYPE_CHECKING:
    from sidecar.sfu.producer import Producer
    from sidecar.sfu.transport import WebRtcTransport


class Consumer:
    """A producer's stream on its way to one receiver. It starts paused.

    Attributes:
        id: Unique.
        producer: What feeds it.
        rtp_parameters: What the peer gets.
        transport: Where it goes out.
        stream: The RTP side of it.
        paused: By its owner.
        closed: For good.
        live: Packets go through: neither side is paused and the transport is connected.
        on_closed: Called once if it ends because its producer does.
    """

    def __init__(
        self,
        consumer_id: str,
        producer: Producer,
        rtp_parameters: RtpParameters,
        stream: OutgoingStream,
        transport: WebRtcTransport,
    ) -> None:
        self.id = consumer_id
        self.producer = producer
        self.rtp_parameters = rtp_parameters
        self.transport = transport
        self.stream = stream
        self.paused = True
        self.closed = False
        self.live = False
        self.on_closed: Callable[[], None] | None = None
        self._key_frame_requests = 0
        self._last_fir = -1
        self._asked_again: list[int] = []

    @property
    def kind(self) -> MediaKind:
        """Audio or video."""
        return self.producer.kind

    @property
    def producer_id(self) -> str:
        """The id of what feeds it."""
        return self.producer.id

    def pause(self) -> None:
        """Stops sending."""
        if not self.paused:
            self.paused = True
            self.producer.refresh_live()

    def resume(self) -> None:
        """Starts or goes on; video with a key frame, the latest one or one that is asked for."""
        if self.paused and not self.closed:
            self.paused = False
            self.producer.refresh_live()

    def close(self) -> None:
        """Ends it; the peer is told by RTCP BYE."""
        if self.closed:
            return
        self.closed = True
        self.live = False
        self.transport.forget_consumer(self)
        self.producer.remove_consumer(self)
        self.on_closed = None  # whoever listens may know us

    def producer_closed(self) -> None:
        """Ends it because its producer has ended."""
        if self.closed:
            return
        on_closed = self.on_closed
        self.close()
        if on_closed is not None:
            on_closed()

    def stats(self) -> ConsumerStats:
        """What is known of the stream now."""
        stream = self.stream
        sent = stream.sent
        report = stream.report
        round_trip_ns = stream.round_trip_ns
        return ConsumerStats(
            consumer_id=self.id,
            producer_id=self.producer.id,
            kind=self.kind,
            bitrate_bps=stream.bits_per_second(self.transport.now_ns),
            packets=sent.packets,
            bytes=sent.bytes,
            packets_lost=report.packets_lost if report is not None else None,
            fraction_lost=report.fraction_lost / 256 if report is not None else 0.0,
            jitter_ms=(
                report.jitter * 1000 / self.rtp_parameters.codecs[0].clock_rate
                if report is not None
                else 0.0
            ),
            round_trip_ms=round_trip_ns / 1e6 if round_trip_ns is not None else None,
            nacked_packets=stream.nacked_packets,
            retransmitted_packets=stream.retransmitted_packets,
            key_frame_requests=self._key_frame_requests,
            key_frames=sent.key_frames if self.kind == "video" else 0,
            paused=self.paused,
        )

    def refresh_live(self) -> bool:
        """Works out whether packets go through, and starts anew where they do again."""
        live = not (self.paused or self.producer.paused or self.closed) and self.transport.connected
        if live and not self.live:
            self.stream.restart()
            self.producer.start_soon(self)
        self.live = live
        return live

    @property
    def is_replaying(self) -> bool:
        """Whether it gets the past first; what arrives now waits in the buffer."""
        return self.live and self.stream.replaying

    def start_anew(self) -> None:
        """Waits for a new key frame, whatever went out before."""
        self.stream.restart()
        self.producer.request_key_frame()

    def forward(self, batch: Batch) -> None:
        """Sends of a batch what the receiver can use."""
        if self.stream.forward(batch, self.transport.output()):
            self.transport.report_soon()

    def ask_again(self, lost: Sequence[int]) -> None:
        """Takes a Generic NACK; `retransmit` answers it.

        What has just arrived is not sent on yet, and until then may still change: nobody is to get
        any of it before.
        """
        if self.live:
            self._asked_again += lost
            self.transport.retransmit_soon(self)

    def retransmit(self, now_ns: int) -> None:
        """Answers what was asked for again."""
        lost, self._asked_again = self._asked_again, []
        if self.live:
            self.stream.retransmit(lost, now_ns, self.transport.output())

    def key_frame_requested(self, now_ns: int) -> bool:
        """Answers a PLI: the producer is asked, unless a key frame has just gone out.

        Returns:
            Whether that follows from it, now or a little later.
        """
        self._key_frame_requests += 1
        if not self.live or self.stream.has_just_started(now_ns):
            return False
        self.producer.wish_key_frame(self, now_ns)
        return True

    def full_intra_requested(self, sequence_number: int, now_ns: int) -> None:
        """Answers a FIR likewise; one with the same number is the same one (RFC 5104 4.3.1.2)."""
        if sequence_number != self._last_fir and self.key_frame_requested(now_ns):
            self._last_fir = sequence_number
