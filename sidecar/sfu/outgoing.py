"""One RTP stream that goes to a consumer, with its retransmissions."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final, NamedTuple

from sidecar.engine.ntp import middle_32_bits
from sidecar.engine.rate_counter import RateCounter
from sidecar.engine.retransmission_buffer import RetransmissionBuffer
from sidecar.engine.retransmission_throttle import RetransmissionThrottle
from sidecar.engine.round_trip import RttEstimator
from sidecar.engine.rtx import encapsulate
from sidecar.engine.sender_report_mapper import SenderReportMapper
from sidecar.engine.sequence_rewriter import SequenceRewriter
from sidecar.ortc.parameters import RtpParameters
from sidecar.rtp.rtcp import ReportBlock, SenderReport
from sidecar.sfu.forwarding import ForwardedPacket
from sidecar.sfu.replay import Replay, ReplayStart

START_PATIENCE_NS: Final = 250_000_000
"""A receiver that asks for a key frame so soon after the start has not had the time to see it."""

_HEADER: Final = struct.Struct("!HHII")
_HEADER_BYTES: Final = 12


class Batch:
    """The packets of one producer that arrived together, and what is the same for all consumers.

    Attributes:
        packets: In the order of arrival.
        lowest_seq: The lowest extended sequence number among them.
        latest: The packet with the highest one.
        size_bytes: The sum of their sizes as sent.
        payload_bytes: The same without headers and padding.
        key_frames: How many of them start a key frame.
    """

    __slots__ = ("key_frames", "latest", "lowest_seq", "packets", "payload_bytes", "size_bytes")

    def __init__(self, packets: list[ForwardedPacket]) -> None:
        self.packets = packets
        self.lowest_seq = min(packet.ext_seq for packet in packets)
        self.latest = max(packets, key=_ext_seq)
        self.size_bytes = sum(len(packet.tail) + _HEADER_BYTES for packet in packets)
        self.payload_bytes = sum(
            len(packet.tail) - packet.payload_offset - packet.padding_bytes for packet in packets
        )
        self.key_frames = sum(packet.is_key_frame for packet in packets)


class OutgoingSequence(NamedTuple):
    """Where the numbers of a new stream start: random (RFC 3550 section 5.1)."""

    sequence_number: int
    timestamp: int
    rtx_sequence_number: int


class OutgoingStream:
    """Sends one producer's packets to one receiver under numbers of their own.

    Attributes:
        ssrc: The stream's SSRC.
        rtx_ssrc: The SSRC of retransmissions, None where they go out plain.
        rate: What is sent, retransmissions excluded.
        packets: Sent, retransmissions excluded.
        bytes: Their size, headers included.
        key_frames: Sent.
        nacked_packets: Asked for again by the receiver.
        retransmitted_packets: Sent again.
        report: The receiver's latest report on the stream.
    """

    def __init__(
        self,
        parameters: RtpParameters,
        source: RetransmissionBuffer[ForwardedPacket],
        start: OutgoingSequence,
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
        self.rate = RateCounter()
        self.packets = 0
        self.bytes = 0
        self.key_frames = 0
        self.nacked_packets = 0
        self.retransmitted_packets = 0
        self.report: ReportBlock | None = None
        self._round_trip = RttEstimator()
        self._payload_octets = 0
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
        self._rewriter = SequenceRewriter(codec.clock_rate, start.sequence_number, start.timestamp)
        self._synchronised = False
        self._replay: Replay | None = None
        self._replay_started_ns: int | None = None
        self._replayed_below_seq = 0

    def restart(self) -> None:
        """Waits for the next packet that a decoder can start with."""
        self._synchronised = False
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
    def round_trip_ns(self) -> int | None:
        """To the receiver and back, from Sender and Receiver Reports; None until known."""
        return self._round_trip.rtt_ns

    def forward(self, batch: Batch, now_ns: int, out: list[bytes]) -> None:
        """Appends the packets of a batch to `out`, as far as the receiver can use them."""
        if not self._synchronised and not self._synchronise(batch, now_ns):
            return
        rewriter = self._rewriter
        if batch.lowest_seq < rewriter.sync_seq:
            self._forward_replayed(batch, now_ns, out)
            late = [each for each in batch.packets if each.ext_seq >= rewriter.sync_seq]
            if not late:
                return
            batch = Batch(late)
        seq_offset = rewriter.seq_offset
        timestamp_offset = rewriter.timestamp_offset
        ssrc = self.ssrc
        pack = _HEADER.pack
        for packet in batch.packets:
            out.append(
                pack(
                    packet.first_word,
                    (packet.ext_seq + seq_offset) & 0xFFFF,
                    (packet.timestamp + timestamp_offset) & 0xFFFFFFFF,
                    ssrc,
                )
                + packet.tail
            )
        latest = batch.latest
        rewriter.note_sent(latest.ext_seq, latest.timestamp, now_ns)
        self._count(batch, now_ns)

    def begin_replay(self, start: ReplayStart, now_ns: int) -> bool:
        """Starts with what is in the buffer; `replay` then sends it.

        Returns:
            False if the receiver has had packets of that key frame or later ones: some decoders
            take them for old ones the second time.
        """
        first, last = start.first, start.last
        if first.ext_seq <= self._rewriter.newest_sent_seq:
            return False
        self._rewriter.synchronise_to_replay(
            first.ext_seq, first.timestamp, last.ext_seq, last.timestamp, now_ns
        )
        self._replay = Replay(self._source, first.ext_seq)
        self._replay_started_ns = now_ns
        self._replayed_below_seq = last.ext_seq + 1
        return True

    def replay(self, size_bytes: int, newest_seq: int, now_ns: int, out: list[bytes]) -> None:
        """Appends the next instalment of a replay to `out`.

        Behind the last one the stream is synchronised. If the buffer has lost packets that had
        not been sent, it is neither that nor replaying any more.

        Args:
            size_bytes: Of the instalment.
            newest_seq: The newest packet in the buffer.
            now_ns: The time.
            out: Packets to send.
        """
        replay = self._replay
        if replay is None:
            return
        if replay.is_overtaken(newest_seq):
            self.restart()
            return
        packets = replay.take(size_bytes, newest_seq)
        if packets:
            self._send_replayed(packets, now_ns, out)
        if replay.has_reached(newest_seq):
            self._replay = None
            self._synchronised = True

    def has_just_started(self, now_ns: int) -> bool:
        """Whether a key frame has begun to go out so lately that to ask for one is premature."""
        started_ns = self._replay_started_ns
        return started_ns is not None and now_ns - started_ns < START_PATIENCE_NS

    def retransmit(self, lost: Iterable[int], now_ns: int, out: list[bytes]) -> None:
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
        for sequence_number in lost:
            self.nacked_packets += 1
            source = self._rewriter.source(sequence_number)
            if source is None:
                continue
            if source.ext_seq < self._replayed_below_seq:
                packet = self._source.peek(source.ext_seq)  # old, but sent only lately
            else:
                packet = self._source.get(source.ext_seq, now_ns)
            if packet is None or not self._throttle.allow(source.ext_seq, len(packet.tail), now_ns):
                continue
            self.retransmitted_packets += 1
            timestamp = source.output_timestamp(packet.timestamp)
            out.append(self._again(packet, sequence_number, timestamp, now_ns))

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
        if not self.packets or not self._synchronised:
            return None
        mapped = mapper.report_at(source_ssrc, now_ns)
        if mapped is None:
            return None
        ntp_timestamp, rtp_timestamp = mapped
        return SenderReport(
            ssrc=self.ssrc,
            ntp_timestamp=ntp_timestamp,
            rtp_timestamp=(rtp_timestamp + self._rewriter.timestamp_offset) & 0xFFFFFFFF,
            packet_count=self.packets & 0xFFFFFFFF,
            octet_count=self._payload_octets & 0xFFFFFFFF,
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

    def _synchronise(self, batch: Batch, now_ns: int) -> bool:
        if not batch.key_frames:
            return False
        start = next(packet for packet in batch.packets if packet.is_key_frame)
        self._rewriter.synchronise(start.ext_seq, start.timestamp, now_ns)
        self._synchronised = True
        return True

    def _forward_replayed(self, batch: Batch, now_ns: int, out: list[bytes]) -> None:
        """Sends what was missing when its part of the stream was replayed."""
        rewriter = self._rewriter
        replayed = [
            packet
            for packet in batch.packets
            if rewriter.start_seq <= packet.ext_seq < rewriter.sync_seq
        ]
        if replayed:
            self._send_replayed(replayed, now_ns, out)

    def _send_replayed(self, packets: list[ForwardedPacket], now_ns: int, out: list[bytes]) -> None:
        rewriter = self._rewriter
        for packet in packets:
            timestamp = rewriter.squeezed(packet.ext_seq, packet.timestamp)
            header = _HEADER.pack(
                packet.first_word,
                (packet.ext_seq + rewriter.seq_offset) & 0xFFFF,
                (timestamp + rewriter.timestamp_offset) & 0xFFFFFFFF,
                self.ssrc,
            )
            # Without RTX a NACK is answered with the bytes in the buffer, see `_again`.
            is_plain = self._rtx_payload_type(packet) is None
            out.append(header + (packet.tail if is_plain else packet.tail_sent_at(now_ns)))
        latest = max(packets, key=_ext_seq)
        newest_timestamp = rewriter.squeezed(latest.ext_seq, latest.timestamp)
        rewriter.note_sent(latest.ext_seq, newest_timestamp, now_ns)
        self._count(Batch(packets), now_ns)

    def _rtx_payload_type(self, packet: ForwardedPacket) -> int | None:
        """That of the packet's retransmissions, None where they go out plain."""
        if self.rtx_ssrc is None:
            return None
        return self._rtx_payload_types.get(packet.first_word & 0x7F)

    def _again(
        self, packet: ForwardedPacket, sequence_number: int, timestamp: int, now_ns: int
    ) -> bytes:
        header = _HEADER.pack(packet.first_word, sequence_number, timestamp, self.ssrc)
        rtx_payload_type = self._rtx_payload_type(packet)
        if self.rtx_ssrc is None or rtx_payload_type is None:
            # The very same bytes: different ones under the same number would use the cipher's
            # nonce twice (RFC 7714 section 8.4).
            return header + packet.tail
        rtx_seq = self._rtx_seq
        self._rtx_seq = (rtx_seq + 1) & 0xFFFF
        return encapsulate(
            header + packet.tail_sent_at(now_ns),
            _HEADER_BYTES + packet.payload_offset,
            payload_type=rtx_payload_type,
            sequence_number=rtx_seq,
            ssrc=self.rtx_ssrc,
        )

    def _count(self, batch: Batch, now_ns: int) -> None:
        count = len(batch.packets)
        self.packets += count
        self.bytes += batch.size_bytes
        self._payload_octets += batch.payload_bytes
        self.key_frames += batch.key_frames
        self.rate.add(batch.size_bytes, now_ns)


def _ext_seq(packet: ForwardedPacket) -> int:
    return packet.ext_seq
