"""One RTP stream that goes to a consumer, with its retransmissions."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from sidecar.engine.ntp import middle_32_bits
from sidecar.engine.retransmission_buffer import RetransmissionBuffer
from sidecar.engine.retransmission_throttle import RetransmissionThrottle
from sidecar.engine.round_trip import RttEstimator
from sidecar.engine.rtx import encapsulate
from sidecar.engine.sampled_rate import SampledRate
from sidecar.engine.sender_report_mapper import SenderReportMapper
from sidecar.engine.sequence_rewriter import SequenceRewriter
from sidecar.ortc.parameters import RtpParameters
from sidecar.rtp.rtcp import ReportBlock, SenderReport
from sidecar.sfu.batch import HEADER, Batch, Count, Numbers, Packets
from sidecar.sfu.forwarding import MAX_LATE_PACKETS, ForwardedPacket
from sidecar.sfu.replay import Replay, ReplayStart

if TYPE_CHECKING:
    from sidecar.sfu.fan_out import Flow

START_PATIENCE_NS: Final = 250_000_000
"""A receiver that asks for a key frame so soon after the start has not had the time to see it."""


class OutgoingStart(NamedTuple):
    """What a new stream starts with. All are random (RFC 3550 sections 5.1 and 8).

    Attributes:
        seq_offset: Output minus input sequence number.
        timestamp_offset: Output minus input timestamp.
        rtx_sequence_number: The first one of the retransmissions.
    """

    seq_offset: int
    timestamp_offset: int
    rtx_sequence_number: int


class Replayed(NamedTuple):
    """Packets of a replay.

    Attributes:
        packets: As they are sent.
        sent: How much that is.
        newest_seq: The highest extended input sequence number among them.
        newest_timestamp: The (squeezed) input timestamp of that packet.
    """

    packets: Packets
    sent: Count
    newest_seq: int
    newest_timestamp: int


class OutgoingStream:
    """Sends one producer's packets to one receiver.

    Once it is in step with others it is part of a `Flow`, which is sent as a whole: what was sent,
    and up to which number, follows from the flow's latest batch and is worked out when somebody
    asks.

    Attributes:
        ssrc: The stream's SSRC.
        rtx_ssrc: The SSRC of retransmissions, None where they go out plain.
        nacked_packets: Asked for again by the receiver.
        retransmitted_packets: Sent again.
        retransmitted_bytes: Their size with all headers.
        report: The receiver's latest report on the stream.
    """

    def __init__(
        self,
        parameters: RtpParameters,
        source: RetransmissionBuffer[ForwardedPacket],
        start: OutgoingStart,
    ) -> None:
        """Sets the stream up.

        Args:
            parameters: The consumer's.
            source: The producer's latest packets.
            start: Where the numbers start.
        """
        encoding = parameters.encodings[0]
        codec = parameters.codecs[0]
        self.ssrc = encoding.ssrc or 0
        self.rtx_ssrc = encoding.rtx.ssrc if encoding.rtx is not None else None
        self.nacked_packets = 0
        self.retransmitted_packets = 0
        self.retransmitted_bytes = 0
        self.report: ReportBlock | None = None
        self._round_trip = RttEstimator()
        self._rate = SampledRate()
        self._answers_nack = any(
            (each.type, each.parameter) == ("nack", "") for each in codec.rtcp_feedback
        )
        self._rtx_payload_types = {
            each.parameters["apt"]: each.payload_type
            for each in parameters.codecs
            if "apt" in each.parameters
        }
        self._rtx_seq = start.rtx_sequence_number
        self._source = source
        self._throttle = RetransmissionThrottle()
        self._rewriter = SequenceRewriter(
            codec.clock_rate, start.seq_offset, start.timestamp_offset
        )
        self._numbers = Numbers(self.ssrc, 0, 0)
        self._synchronised = False
        self._flowing = False
        self._flow: Flow | None = None
        self._sent = Count()
        self._sent_as_of = Count()
        self._replay: Replay | None = None
        self._replay_started_ns: int | None = None
        self._replayed_below_seq = 0

    def restart(self) -> None:
        """Waits for the next packet that a decoder can start with."""
        self.leave()
        self._synchronised = self._flowing = False
        self._replay = None

    @property
    def synchronised(self) -> bool:
        """Whether packets flow; False while it waits for a key frame."""
        return self._synchronised

    @property
    def replaying(self) -> bool:
        """Whether it is being brought up to date: what arrives waits in the buffer until then."""
        return self._replay is not None

    @property
    def has_started(self) -> bool:
        """Whether it has got a key frame, or is getting one now."""
        return self._synchronised or self._replay is not None

    @property
    def sent(self) -> Count:
        """What was sent, retransmissions excluded."""
        self._settle()
        return self._sent

    @property
    def round_trip_ns(self) -> int | None:
        """To the receiver and back, from Sender and Receiver Reports; None until known."""
        return self._round_trip.rtt_ns

    def bits_per_second(self, now_ns: int) -> int:
        """What is sent, retransmissions excluded, over the last second or two."""
        return self._rate.bits_per_second(self.sent.bytes, now_ns)

    def sample_rate(self, now_ns: int) -> None:
        """To be called every second or so, for `bits_per_second`."""
        self._rate.sample(self.sent.bytes, now_ns)

    @property
    def flowing(self) -> bool:
        """Whether it may be part of a flow: from now on it gets all that arrives."""
        return self._flowing

    @property
    def numbers(self) -> Numbers:
        """What its packets have of their own."""
        return self._numbers

    @property
    def sync_seq(self) -> int:
        """The extended input sequence number that it has started with, if it has."""
        return self._rewriter.sync_seq

    def enter(self, flow: Flow) -> None:
        """Becomes part of a flow, and leaves the one that it was part of."""
        self._settle()
        self._flow = flow

    def leave(self) -> None:
        """Is part of no flow any more."""
        self._settle()
        self._flow = None

    def forward(self, batch: Batch, out: list[Packets]) -> bool:
        """Appends the packets of a batch to `out`, as far as the receiver can use them.

        Returns:
            Whether the stream has been synchronised by them.
        """
        synchronises = not self._synchronised
        if synchronises and not self._synchronise(batch):
            return False
        self._settle()
        if batch.lowest_seq >= self._rewriter.sync_seq:
            self._forward_wholly(batch, out)
        else:
            self._forward_partly(batch, out)
        self._sent_as_of = batch.count
        self._flowing = True
        return synchronises

    def can_replay(self, start: ReplayStart) -> bool:
        """Whether it may start there.

        Not if the receiver has had packets of that key frame or later ones: some decoders take
        them for old ones the second time.
        """
        self._settle()
        return start.first.ext_seq > self._rewriter.newest_sent_seq

    def begin_replay(self, start: ReplayStart, now_ns: int) -> None:
        """Starts with what is in the buffer, which it is then to `follow`; if it `can_replay`."""
        first, last = start.first, start.last
        self._rewriter.synchronise_to_replay(
            first.ext_seq, first.timestamp, last.ext_seq, last.timestamp, now_ns
        )
        self._renumber()
        self._replay_started_ns = now_ns
        self._replayed_below_seq = last.ext_seq + 1

    @property
    def replayed_alike(self) -> Hashable:
        """The same for streams that become the same packets of what they have begun with."""
        return self._numbers, self.rtx_ssrc is not None and frozenset(self._rtx_payload_types)

    def follow(self, replay: Replay) -> None:
        """Is led by a replay from now on, until `end_replay`: it says which packets come next."""
        self._replay = replay

    def follows(self, replay: Replay) -> bool:
        """Whether it is led by this one."""
        return self._replay is replay

    def replayed(self, packets: Sequence[ForwardedPacket], now_ns: int) -> Replayed:
        """Makes packets of what is replayed; `note_replayed` notes that they have been sent.

        Args:
            packets: At least one, none from before the start.
            now_ns: The time.
        """
        rewriter = self._rewriter
        sync_seq, numbers = rewriter.sync_seq, self._numbers
        batch = Batch(packets, now_ns)
        newest_timestamp = 0
        sent: list[bytes] = []
        for packet in packets:
            ext_seq, timestamp = packet.ext_seq, packet.timestamp
            if ext_seq < sync_seq:
                timestamp = rewriter.squeezed(ext_seq, timestamp)
            if packet is batch.newest:
                newest_timestamp = timestamp
            # Without RTX a NACK is answered with the bytes in the buffer, see `_again`.
            is_plain = self._rtx_payload_type(packet) is None
            tail = packet.tail if is_plain else packet.tail_sent_at(now_ns)
            sent.append(numbers.header(packet, timestamp) + tail)
        return Replayed(Packets(sent), batch.count, batch.newest.ext_seq, newest_timestamp)

    def note_replayed(self, replayed: Replayed, now_ns: int) -> None:
        """Accounts for what a stream has made that is `replayed_alike`."""
        self._rewriter.note_sent(replayed.newest_seq, replayed.newest_timestamp, now_ns)
        self._sent = self._sent.plus(replayed.sent)

    def end_replay(self) -> None:
        """Is up to date: what arrives from now on is forwarded."""
        self._replay = None
        self._synchronised = True

    def has_just_started(self, now_ns: int) -> bool:
        """Whether a key frame has begun to go out so lately that to ask for one is premature."""
        started_ns = self._replay_started_ns
        return started_ns is not None and now_ns - started_ns < START_PATIENCE_NS

    def retransmit(self, lost: Iterable[int], now_ns: int, out: list[Packets]) -> None:
        """Appends what a Generic NACK asks for to `out` (RFC 4585 section 6.2.1).

        Packets that are no longer there, or were sent again a moment ago, are left out. A receiver
        that has not negotiated NACK gets nothing twice.

        Args:
            lost: Sequence numbers as sent to the receiver.
            now_ns: The time.
            out: Packets to send.
        """
        if not self._answers_nack:
            return
        self._settle()
        again: list[bytes] = []
        for sequence_number in lost:
            self.nacked_packets += 1
            source = self._rewriter.source(sequence_number)
            if source is None:
                continue
            if source.ext_seq < self._replayed_below_seq:
                packet = self._source.peek(source.ext_seq)  # old, but sent only lately
            else:
                packet = self._source.get(source.ext_seq, now_ns)
            if packet is None or self._is_too_late(packet, sequence_number):
                continue
            if not self._throttle.allow(source.ext_seq, len(packet.tail), now_ns):
                continue
            self.retransmitted_packets += 1
            timestamp = source.output_timestamp(packet.timestamp)
            again.append(self._again(packet, sequence_number, timestamp, now_ns))
        if again:
            self.retransmitted_bytes += sum(map(len, again))
            out.append(Packets(again))

    def sender_report(
        self, mapper: SenderReportMapper, source_ssrc: int, now_ns: int
    ) -> SenderReport | None:
        """Makes the Sender Report of now (RFC 3550 section 6.4.1).

        Args:
            mapper: The clock of the peer that sends the stream to us: audio and video of one
                sender share it, so that the receiver can play them in sync.
            source_ssrc: The stream's SSRC there.
            now_ns: The time.

        Returns:
            None before anything was sent or the sender's clock is known.
        """
        sent = self.sent
        if not sent.packets or not self._synchronised:
            return None
        mapped = mapper.report_at(source_ssrc, now_ns)
        if mapped is None:
            return None
        ntp_timestamp, rtp_timestamp = mapped
        return SenderReport(
            ssrc=self.ssrc,
            ntp_timestamp=ntp_timestamp,
            rtp_timestamp=(rtp_timestamp + self._rewriter.timestamp_offset) & 0xFFFFFFFF,
            packet_count=sent.packets & 0xFFFFFFFF,
            octet_count=sent.payload_bytes & 0xFFFFFFFF,
            reports=(),
        )

    def on_report(self, report: ReportBlock, now_ntp: int | None) -> None:
        """Takes what the receiver says of the stream.

        Args:
            report: Its report block.
            now_ntp: The time by the clock of our Sender Reports (64-bit NTP), if it is known.
        """
        self.report = report
        if now_ntp is None:
            return
        self._round_trip.on_report_block(report, middle_32_bits(now_ntp))
        if self._round_trip.rtt_ns is not None:
            self._throttle.set_rtt(self._round_trip.rtt_ns)

    def _synchronise(self, batch: Batch) -> bool:
        start = next((packet for packet in batch.packets if packet.is_key_frame), None)
        if start is None:
            return False
        self._rewriter.synchronise(start.ext_seq, start.timestamp, batch.now_ns)
        self._renumber()
        self._synchronised = True
        return True

    def _renumber(self) -> None:
        rewriter = self._rewriter
        self._numbers = Numbers(self.ssrc, rewriter.seq_offset & 0xFFFF, rewriter.timestamp_offset)

    def _settle(self) -> None:
        """Accounts for the batches up to the flow's latest one."""
        latest = self._flow.latest if self._flow is not None else None
        if latest is not None and latest.count is not self._sent_as_of:
            self._sent = self._sent.plus(latest.count.minus(self._sent_as_of))
            self._sent_as_of = latest.count
            newest = latest.newest
            self._rewriter.note_sent(newest.ext_seq, newest.timestamp, latest.newest_ns)

    def _forward_wholly(self, batch: Batch, out: list[Packets]) -> None:
        out.append(batch.numbered(self._numbers))
        self._sent = self._sent.plus(batch.own_count)
        newest = batch.newest
        self._rewriter.note_sent(newest.ext_seq, newest.timestamp, batch.newest_ns)

    def _forward_partly(self, batch: Batch, out: list[Packets]) -> None:
        rewriter = self._rewriter
        start_seq, sync_seq = rewriter.start_seq, rewriter.sync_seq
        # What was missing when its part of the stream was replayed.
        missed = [each for each in batch.packets if start_seq <= each.ext_seq < sync_seq]
        if missed:
            replayed = self.replayed(missed, batch.now_ns)
            self.note_replayed(replayed, batch.now_ns)
            out.append(replayed.packets)
        present = [each for each in batch.packets if each.ext_seq >= sync_seq]
        if present:
            part = Batch(present, batch.now_ns)
            out.append(part.numbered(self._numbers))
            self._sent = self._sent.plus(part.count)
            rewriter.note_sent(part.newest.ext_seq, part.newest.timestamp, batch.now_ns)

    def _rtx_payload_type(self, packet: ForwardedPacket) -> int | None:
        """That of the packet's retransmissions, None where they go out plain."""
        if self.rtx_ssrc is None:
            return None
        return self._rtx_payload_types.get(packet.first_word & 0x7F)

    def _is_too_late(self, packet: ForwardedPacket, sequence_number: int) -> bool:
        """Whether SRTP would not take the packet once more, where it goes out plain."""
        return (
            self._rewriter.packets_behind(sequence_number) >= MAX_LATE_PACKETS
            and self._rtx_payload_type(packet) is None
        )

    def _again(
        self, packet: ForwardedPacket, sequence_number: int, timestamp: int, now_ns: int
    ) -> bytes:
        header = HEADER.pack(packet.first_word, sequence_number, timestamp, self.ssrc)
        rtx_payload_type = self._rtx_payload_type(packet)
        if self.rtx_ssrc is None or rtx_payload_type is None:
            # The very same bytes: different ones under the same number would use the cipher's
            # nonce twice (RFC 7714 section 8.4).
            return header + packet.tail
        rtx_seq = self._rtx_seq
        self._rtx_seq = (rtx_seq + 1) & 0xFFFF
        return encapsulate(
            header + packet.tail_sent_at(now_ns),
            HEADER.size + packet.payload_offset,
            payload_type=rtx_payload_type,
            sequence_number=rtx_seq,
            ssrc=self.rtx_ssrc,
        )
