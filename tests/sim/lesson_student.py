"""A browser that watches and listens, as far as the media layer can tell."""

from __future__ import annotations

from sidecar.engine.nack_generator import NackGenerator
from sidecar.engine.ntp import middle_32_bits, ntp_interval_32
from sidecar.engine.rtx import decapsulate
from sidecar.engine.sequence_unwrapper import SequenceUnwrapper
from sidecar.rtp.packet import RtpPacket, is_rtcp, parse_rtp
from sidecar.rtp.rtcp import (
    Bye,
    GenericNack,
    PictureLossIndication,
    ReceiverReport,
    ReportBlock,
    SenderReport,
    parse_rtcp,
)
from sidecar.sfu import Consumer, WebRtcTransport
from tests.sim.link import MS, Link, S, earliest
from tests.unit.sfu import media

PATIENCE_NS = 300 * MS
"""After so long without any picture a decoder asks for one."""


class Track:
    """One stream as it was received.

    Attributes:
        received: The packets by extended sequence number, recovered ones included.
        arrived_ns: When each of them came first.
        copies: Packets that came more than once.
        recovered: Packets that came as retransmissions.
        report: The latest Sender Report, and when it came.
        ended: By BYE.
        has_key_frame: Whether one has begun to arrive.
    """

    def __init__(self, consumer: Consumer) -> None:
        encoding = consumer.rtp_parameters.encodings[0]
        assert encoding.ssrc is not None
        self.ssrc = encoding.ssrc
        self.rtx_ssrc = encoding.rtx.ssrc if encoding.rtx is not None else None
        self.payload_type = consumer.rtp_parameters.codecs[0].payload_type
        self.consumer = consumer
        self.received: dict[int, RtpPacket] = {}
        self.arrived_ns: dict[int, int] = {}
        self.copies = 0
        self.recovered = 0
        self.report: tuple[SenderReport, int] | None = None
        self.ended = False
        self.has_key_frame = False
        self.nack = NackGenerator()
        self._unwrapper = SequenceUnwrapper()

    def receive(self, packet: RtpPacket, now_ns: int) -> None:
        """Takes a packet of the stream or of its retransmissions."""
        is_rtx = packet.ssrc == self.rtx_ssrc
        if is_rtx:
            self.recovered += 1
            packet = decapsulate(packet, self.payload_type, self.ssrc)
        assert packet.payload_type == self.payload_type
        ext_seq = self._unwrapper.unwrap(packet.sequence_number)
        if self.rtx_ssrc is not None:
            self.nack.on_packet(ext_seq, now_ns, recovered=is_rtx)
        if ext_seq in self.received:
            self.copies += 1
            assert packet.payload == self.received[ext_seq].payload
            assert packet.timestamp == self.received[ext_seq].timestamp
            return
        self.received[ext_seq] = packet
        self.arrived_ns[ext_seq] = now_ns
        self.has_key_frame |= packet.payload.startswith(media.KEY_START)

    @property
    def payloads(self) -> list[bytes]:
        """What was received, in the order of the sequence numbers."""
        return [packet.payload for _, packet in sorted(self.received.items())]

    @property
    def missing(self) -> int:
        """Holes among the sequence numbers received."""
        if not self.received:
            return 0
        return max(self.received) - min(self.received) + 1 - len(self.received)


class Student:
    """Receives, asks for what is missing, and reports once a second.

    Attributes:
        transport: The media layer's half.
        video: What is seen.
        audio: What is heard.
        first_picture_ns: When the first key frame began to arrive.
    """

    def __init__(
        self,
        link: Link[bytes],
        transport: WebRtcTransport,
        consumers: list[Consumer],
        now_ns: int,
    ) -> None:
        self.transport = transport
        self.video, self.audio = (Track(consumer) for consumer in consumers)
        self._link = link
        self.first_picture_ns: int | None = None
        self._next_report_ns = now_ns + S
        self._next_complaint_ns = now_ns + PATIENCE_NS
        self._tracks = {track.ssrc: track for track in (self.video, self.audio)}
        assert self.video.rtx_ssrc is not None
        self._tracks[self.video.rtx_ssrc] = self.video

    @property
    def next_timeout_ns(self) -> int | None:
        """When it has feedback to send."""
        if self.transport.closed:
            return None
        complaint_ns = self._next_complaint_ns if self.first_picture_ns is None else None
        return earliest((self._next_report_ns, complaint_ns, self.video.nack.next_timeout_ns))

    def receive(self, data: bytes, now_ns: int) -> None:
        """Takes what comes from the media layer."""
        if not is_rtcp(data):
            packet = parse_rtp(data)
            track = self._tracks[packet.ssrc]
            track.receive(packet, now_ns)
            if self.first_picture_ns is None and track.has_key_frame:
                self.first_picture_ns = now_ns
            return
        for each in parse_rtcp(data):
            if isinstance(each, SenderReport):
                self._tracks[each.ssrc].report = (each, now_ns)
            elif isinstance(each, Bye):
                for ssrc in each.ssrcs:
                    self._tracks[ssrc].ended = True

    def poll(self, now_ns: int) -> None:
        """Sends the feedback that is due."""
        if self.transport.closed:
            return
        if lost := self.video.nack.poll(now_ns):
            numbers = tuple(ext_seq & 0xFFFF for ext_seq in lost)
            self._link.send(GenericNack(1, self.video.ssrc, numbers).to_bytes(), now_ns)
        black = self.first_picture_ns is None and now_ns >= self._next_complaint_ns
        if black:
            self._next_complaint_ns = now_ns + PATIENCE_NS
        if self.video.nack.take_key_frame_needed() or black:
            self._link.send(PictureLossIndication(1, self.video.ssrc).to_bytes(), now_ns)
        if now_ns >= self._next_report_ns:
            self._next_report_ns += S
            blocks = tuple(_report_block(track, now_ns) for track in (self.video, self.audio))
            self._link.send(ReceiverReport(1, blocks).to_bytes(), now_ns)


def _report_block(track: Track, now_ns: int) -> ReportBlock:
    last_sr = delay = 0
    if track.report is not None:
        report, arrived_ns = track.report
        last_sr = middle_32_bits(report.ntp_timestamp)
        delay = ntp_interval_32(now_ns - arrived_ns)
    return ReportBlock(
        ssrc=track.ssrc,
        fraction_lost=0,
        packets_lost=track.missing,
        highest_sequence=0,
        jitter=0,
        last_sr=last_sr,
        delay_since_last_sr=delay,
    )
