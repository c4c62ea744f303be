"""A stream that a peer sends to the SFU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from sidecar.ortc.parameters import MediaKind, RtpParameters
from sidecar.rtp.packet import RtpPacket
from sidecar.rtp.rtcp import RtcpPacket
from sidecar.sfu.batch import Batch
from sidecar.sfu.demands import Demands
from sidecar.sfu.equalising import equalise
from sidecar.sfu.fan_out import FanOut
from sidecar.sfu.forwarding import ForwardedPacket
from sidecar.sfu.incoming import IncomingStream
from sidecar.sfu.outgoing import OutgoingStart
from sidecar.sfu.starting import Starting
from sidecar.sfu.stats import ProducerStats

if TYPE_CHECKING:
    from sidecar.sfu.consumer import Consumer
    from sidecar.sfu.transport import WebRtcTransport


MIN_AWAITING_RECEIVERS: Final = 32
"""A process that falls asleep for a moment pays for it as much as for a batch to some dozen
receivers. Fewer get at once what is there, sooner and by no more work."""


class Producer:
    """A stream that comes in over a transport and goes out to consumers.

    Attributes:
        id: Unique.
        kind: Audio or video.
        rtp_parameters: What the peer said it sends.
        consumable: The same under the router's payload types and ids.
        transport: Where it comes in.
        stream: The RTP side of it.
        outgoing_ssrc: What consumers send it as. That and the numbers below are the same for all
            of them wherever possible: then their packets differ in nothing but the encryption.
        outgoing_start: The numbers that consumers start with.
        paused: Nothing is forwarded.
        silent: It has ended, or nothing has come for some seconds: nobody is shown what was, and
            its sender is asked for nothing, until something comes.
        superseded: Its peer sends another one in its place.
        closed: For good.
        on_closed: Called once if it is closed because its sender has dropped it.
    """

    def __init__(
        self,
        producer_id: str,
        kind: MediaKind,
        rtp_parameters: RtpParameters,
        consumable: RtpParameters,
        stream: IncomingStream,
        transport: WebRtcTransport,
        *,
        outgoing_ssrc: int,
        outgoing_start: OutgoingStart,
    ) -> None:
        self.id = producer_id
        self.kind: MediaKind = kind
        self.rtp_parameters = rtp_parameters
        self.consumable = consumable
        self.transport = transport
        self.stream = stream
        self.outgoing_ssrc = outgoing_ssrc
        self.outgoing_start = outgoing_start
        self.paused = False
        self.silent = False
        self.superseded = False
        self.closed = False
        self.on_closed: Callable[[], None] | None = None
        self._restarts = 0
        self._consumers: dict[str, Consumer] = {}
        worker = transport.router.worker
        self._demands = Demands(stream, worker.limits)
        self._fan_out = FanOut(worker.network)
        self._starting = Starting(stream, self._demands, worker.network)
        self._pending: list[ForwardedPacket] = []
        self._batch: Batch | None = None

    def pause(self) -> None:
        """Stops forwarding; packets that arrive are dropped."""
        if not self.paused:
            self.paused = True
            self.refresh_live()

    def resume(self) -> None:
        """Goes on; video starts with the next key frame, which is asked for.

        What arrived during the pause was not meant for anybody.
        """
        if self.paused:
            self.paused = False
            self.stream.forget_key_frame()
            self.request_key_frame()
            self.refresh_live()

    def close(self) -> None:
        """Ends it and all of its consumers."""
        if self.closed:
            return
        self.closed = True
        for consumer in list(self._consumers.values()):
            try:
                consumer.producer_closed()
            except Exception as error:  # a mistake of ours must not keep the others
                self.transport.router.worker.network.report_defect(consumer.transport, error)
        self._pending.clear()
        self.transport.forget_producer(self)
        self.on_closed = None  # whoever listens may know us

    def said_bye(self, now_ns: int) -> None:
        """Takes RTCP BYE: what silence would tell is known at once."""
        liveness = self.stream.liveness
        if not liveness.has_ended:
            liveness.on_bye(now_ns)
            self.transport.report_soon()

    def supersede(self) -> None:
        """Its peer sends another one of its kind: it is closed as soon as it is seen to be dropped.

        Unless the two go on side by side, such as a screen and a camera.
        """
        self.superseded = True
        self.transport.report_soon()

    def watch(self, now_ns: int) -> None:
        """Closes it if its sender has dropped it. Called every second or so."""
        liveness = self.stream.liveness
        given_up = liveness.watch(now_ns, excused=self.paused)
        replaced = self.superseded and not self.paused and liveness.is_dropped(now_ns)
        if given_up or (replaced and (liveness.has_ended or self._is_outlived)):
            on_closed = self.on_closed
            self.close()
            if on_closed is not None:
                on_closed()

    def stats(self) -> ProducerStats:
        """What is known of the stream now."""
        stream = self.stream
        statistics = stream.statistics
        return ProducerStats(
            producer_id=self.id,
            kind=self.kind,
            bitrate_bps=stream.bits_per_second(self.transport.now_ns),
            packets=statistics.packets,
            bytes=statistics.bytes,
            packets_lost=statistics.packets_lost,
            fraction_lost=statistics.fraction_lost,
            jitter_ms=statistics.jitter_ms,
            nacked_packets=stream.nacked_packets,
            key_frame_requests=stream.key_frame_requests,
            key_frames=stream.key_frames,
            paused=self.paused,
        )

    def add_consumer(self, consumer: Consumer) -> None:
        """Feeds one more consumer, once it is live."""
        self._consumers[consumer.id] = consumer

    def remove_consumer(self, consumer: Consumer) -> None:
        """Feeds it no more."""
        del self._consumers[consumer.id]
        self._starting.remove(consumer)
        self._demands.withdraw(consumer)
        self.refresh_live()

    def refresh_live(self) -> None:
        """Works out anew which consumers are fed. Called when a state of them has changed."""
        live = [each for each in self._consumers.values() if each.refresh_live()]
        self._fan_out.set_consumers([each for each in live if not each.is_replaying])

    def start_soon(self, consumer: Consumer) -> None:
        """Starts a consumer that has become live, from the buffer or with a new key frame."""
        self._starting.add(consumer)
        self.transport.touch()

    def request_key_frame(self) -> None:
        """Wants a key frame from the sender, as soon as it may be asked."""
        self._demands.key_frame_wanted = True
        self.transport.touch()

    def wish_key_frame(self, consumer: Consumer, now_ns: int) -> None:
        """Wants one because a receiver asks for it, as soon as that receiver may have another."""
        if self.kind == "video":
            self._demands.wish_key_frame(consumer, now_ns)
            self.transport.touch()

    @property
    def next_timeout_ns(self) -> int | None:
        """When `poll` has something to do even if nothing arrives."""
        if self.silent:
            return None
        timeouts = (
            self.stream.next_timeout_ns,
            self._starting.next_timeout_ns,
            self._demands.next_timeout_ns,
        )
        return min((timeout for timeout in timeouts if timeout is not None), default=None)

    def poll(self, now_ns: int, sender_ssrc: int) -> list[RtcpPacket]:
        """Starts consumers, and returns the feedback due to the sender.

        Args:
            now_ns: The time.
            sender_ssrc: Our SSRC in feedback messages.
        """
        silent = self._falls_silent(now_ns)
        if self._starting.is_busy:
            try:
                self._starting.poll(now_ns)
            finally:  # also after a mistake of ours: who has begun must not be fed twice
                self.refresh_live()
        wanted = self._demands.take_key_frame_wanted(now_ns)
        if silent:
            return []
        if not self._fan_out.receivers and not self._starting.is_busy:
            self.stream.cancel_key_frame_request()
        elif wanted:
            self.stream.request_key_frame(now_ns)
        return self.stream.poll(now_ns, sender_ssrc)

    def receive(
        self, packet: RtpPacket, elements: Sequence[tuple[int, bytes]], now_ns: int
    ) -> None:
        """Takes one packet; `fan_out` sends it on. See `IncomingStream.receive`.

        Raises:
            RtpError: It is malformed.
        """
        forwarded = self.stream.receive(packet, elements, now_ns)
        if self.stream.restarts != self._restarts:
            self._restarts = self.stream.restarts
            self._pending.clear()
            self.transport.clock.forget(packet.ssrc)
            for consumer in self._consumers.values():
                if consumer.live:
                    consumer.start_anew()
            self.refresh_live()
        if forwarded is not None and self._fan_out.receivers:
            self._pending.append(forwarded)

    @property
    def awaits_rest(self) -> bool:
        """Whether `fan_out` should wait a moment for the rest of a burst.

        So it is while the packets that wait for it end in the middle of a video frame, and there
        are enough who get them.
        """
        return (
            self._fan_out.receivers >= MIN_AWAITING_RECEIVERS
            and self.kind == "video"
            and bool(self._pending)
            and not self._pending[-1].marker
        )

    def fan_out(self, now_ns: int) -> None:
        """Hands what has arrived since the last call to every live consumer."""
        packets, self._pending = self._pending, []
        if packets:
            if len(packets) > 1 and self.kind == "video":
                equalise(packets)  # they change here for the last time: nobody has got them yet
            batch = self._batch = Batch(packets, now_ns, self._batch)
            self._fan_out.forward(batch)
        if self.silent:
            self._come_back(now_ns)

    @property
    def _is_outlived(self) -> bool:
        """Whether something else of its peer has been heard since it was heard last."""
        liveness = self.stream.liveness
        others = self.transport.producers.values()
        return any(liveness.was_outlived_by(each.stream.liveness) for each in others)

    def _falls_silent(self, now_ns: int) -> bool:
        """Looks whether it is silent; what was is then dropped."""
        if not self.silent and self.stream.liveness.is_silent(now_ns):
            self.silent = True
            self.stream.silence()
            for consumer in self._consumers.values():
                if consumer.is_replaying:
                    consumer.stream.restart()
            self.refresh_live()
        return self.silent

    def _come_back(self, now_ns: int) -> None:
        """Goes on if packets have come; who has no picture yet gets one with a new key frame."""
        if self.stream.liveness.is_silent(now_ns):
            self.stream.forget_key_frame()  # of stragglers behind a BYE
            return
        self.silent = False
        if any(each.live and not each.stream.has_started for each in self._consumers.values()):
            self.request_key_frame()
