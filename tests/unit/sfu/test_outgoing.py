"""A consumer's stream on its way out: numbers, retransmissions, reports."""

from __future__ import annotations

import pytest

from sidecar.engine.ntp import middle_32_bits, ntp_interval, ntp_interval_32
from sidecar.engine.retransmission_buffer import RetransmissionBuffer
from sidecar.engine.sender_report_mapper import SenderReportMapper
from sidecar.engine.sequence_rewriter import MAX_FIRST_SEQUENCE
from sidecar.ortc import RtpParameters, consumer_rtp_parameters
from sidecar.rtp.header_extensions import (
    build_extension_block,
    encode_abs_send_time,
    parse_extensions,
)
from sidecar.rtp.packet import RtpPacket, parse_rtp
from sidecar.rtp.rtcp import ReportBlock, SenderReport
from sidecar.sfu.batch import Batch, Count, Packets
from sidecar.sfu.forwarding import MAX_LATE_PACKETS, ForwardedPacket
from sidecar.sfu.outgoing import OutgoingStart, OutgoingStream
from sidecar.sfu.replay import ReplayStart
from tests.unit.ortc.builders import consumable
from tests.unit.sfu import media
from tests.unit.sfu.support import MS, S

STARTS = [0, 32767, 65534, 65535]
SSRC, RTX_SSRC = 7000, 7001
FIRST_SEQ, FIRST_TIMESTAMP, FIRST_RTX_SEQ = 500, 0xFFFFFF00, 65535


def consumer_parameters(*, rtx: bool = True) -> RtpParameters:
    capabilities = media.CAPABILITIES if rtx else media.without_rtx()
    offered = consumable(media.video(codecs=media.video_codecs() + media.video_codecs(media.VP8)))
    return consumer_rtp_parameters(offered, capabilities, ssrc=SSRC, rtx_ssrc=RTX_SSRC, mid="0")


class Outgoing:
    """A stream under test, what feeds it, and its clock."""

    def __init__(
        self,
        *,
        rtx: bool = True,
        source: int = 70_000,
        first_seq: int = FIRST_SEQ,
        first_timestamp: int = 0,
    ) -> None:
        """Sets it up so that the packet number `source` would get the first numbers."""
        self.buffer = RetransmissionBuffer[ForwardedPacket](1024, 2 * S)
        start = OutgoingStart(first_seq - source, first_timestamp - 90 * source, FIRST_RTX_SEQ)
        self.stream = OutgoingStream(consumer_parameters(rtx=rtx), self.buffer, start)
        self.now_ns = 10 * S
        self._batch: Batch | None = None

    def packet(
        self, ext_seq: int, *, key: bool = False, payload_type: int = media.ROUTER_H264
    ) -> ForwardedPacket:
        """A packet of 90 ticks per number, as the producer's side makes it."""
        send_time = (media.ROUTER_ABS_SEND_TIME, encode_abs_send_time(self.now_ns))
        block = build_extension_block([send_time])
        tail = block + b"payload %d" % ext_seq
        timestamp = ext_seq * 90 & 0xFFFFFFFF
        first_word = 0x9080 | payload_type
        packet = ForwardedPacket(first_word, ext_seq, timestamp, tail, len(block), key)
        self.buffer.store(ext_seq, packet, self.now_ns)
        return packet

    def forward(self, *packets: ForwardedPacket) -> list[RtpPacket]:
        out: list[Packets] = []
        self._batch = Batch(packets, self.now_ns, self._batch)
        self.stream.forward(self._batch, out)
        return [parse_rtp(data) for group in out for data in group.packets]

    def run(self, first: int, last: int) -> list[RtpPacket]:
        """Forwards packets of these numbers, each in a batch of its own; the first is a key."""
        return [
            sent
            for ext_seq in range(first, last + 1)
            for sent in self.forward(self.packet(ext_seq, key=ext_seq == first))
        ]

    def answers(self, *lost: int) -> list[RtpPacket]:
        out: list[Packets] = []
        self.stream.retransmit(lost, self.now_ns, out)
        return [parse_rtp(data) for group in out for data in group.packets]


@pytest.fixture
def outgoing() -> Outgoing:
    return Outgoing()


def numbers(packets: list[RtpPacket]) -> list[int]:
    return [packet.sequence_number for packet in packets]


class TestForwarding:
    def test_starts_with_a_key_frame_at_the_initial_numbers(self) -> None:
        outgoing = Outgoing(source=70_001, first_timestamp=FIRST_TIMESTAMP)
        assert outgoing.forward(outgoing.packet(70_000)) == []
        assert not outgoing.stream.synchronised
        (first,) = outgoing.forward(outgoing.packet(70_001, key=True))
        assert outgoing.stream.synchronised
        assert (first.sequence_number, first.timestamp) == (FIRST_SEQ, FIRST_TIMESTAMP)
        assert (first.ssrc, first.payload_type, first.marker) == (SSRC, media.ROUTER_H264, True)

    @pytest.mark.parametrize("source", STARTS)
    def test_numbers_go_on_over_both_wrap_arounds(self, source: int) -> None:
        source += 65536
        outgoing = Outgoing(
            source=source, first_seq=MAX_FIRST_SEQUENCE, first_timestamp=0xFFFFFFFF - 100
        )
        count = 0x10000 - MAX_FIRST_SEQUENCE + 5
        sent = outgoing.run(source, source + count - 1)
        assert numbers(sent) == [(MAX_FIRST_SEQUENCE + each) & 0xFFFF for each in range(count)]
        assert [packet.timestamp for packet in sent] == [
            (0xFFFFFFFF - 100 + 90 * each) & 0xFFFFFFFF for each in range(count)
        ]

    def test_rest_of_the_starting_batch_goes_out_too_but_nothing_older(
        self, outgoing: Outgoing
    ) -> None:
        batch = [
            outgoing.packet(70_000),
            outgoing.packet(70_002, key=True),
            outgoing.packet(70_001),
            outgoing.packet(70_003),
        ]
        sent = outgoing.forward(*batch)
        assert [packet.payload for packet in sent] == [b"payload 70002", b"payload 70003"]
        assert numbers(sent) == [FIRST_SEQ + 2, FIRST_SEQ + 3]

    def test_packets_older_than_the_start_are_not_forwarded_later_either(
        self, outgoing: Outgoing
    ) -> None:
        outgoing.run(70_010, 70_011)
        assert outgoing.forward(outgoing.packet(70_009)) == []
        assert numbers(outgoing.forward(outgoing.packet(70_012))) == [FIRST_SEQ + 12]

    def test_order_and_holes_of_the_source_stay(self, outgoing: Outgoing) -> None:
        outgoing.run(70_000, 70_000)
        batch = [outgoing.packet(ext_seq) for ext_seq in (70_004, 70_002)]
        assert numbers(outgoing.forward(*batch)) == [FIRST_SEQ + 4, FIRST_SEQ + 2]

    @pytest.mark.parametrize("source", STARTS)
    def test_restart_leaves_no_gap_in_numbers_and_keeps_time(self, source: int) -> None:
        outgoing = Outgoing(source=65536 + source)
        before = outgoing.run(65536 + source, 65536 + source + 4)
        outgoing.stream.restart()
        outgoing.now_ns += 2 * S
        assert outgoing.forward(outgoing.packet(70_000 + source)) == []
        after = outgoing.run(200_000 + source, 200_000 + source + 4)
        assert numbers(before + after) == list(range(FIRST_SEQ, FIRST_SEQ + 10))
        assert after[0].timestamp == before[-1].timestamp + 2 * 90_000

    def test_counts_what_was_sent(self, outgoing: Outgoing) -> None:
        sent = outgoing.run(70_000, 70_002)
        assert outgoing.stream.sent == Count(
            packets=3,
            bytes=sum(len(packet.data) for packet in sent),
            payload_bytes=sum(len(packet.payload) for packet in sent),
            key_frames=1,
        )


class TestReplay:
    def test_what_is_sent_out_of_order_is_accounted_for_by_its_newest_packet(
        self, outgoing: Outgoing
    ) -> None:
        packets = [outgoing.packet(70_000 + number, key=number == 0) for number in range(10)]
        outgoing.stream.begin_replay(ReplayStart(packets[0], packets[9], 0.0), outgoing.now_ns)
        replayed = outgoing.stream.replayed([packets[5], packets[3], packets[4]], outgoing.now_ns)
        newest = parse_rtp(replayed.packets.packets[0])
        assert replayed.newest_seq == packets[5].ext_seq
        offset = outgoing.stream.numbers.timestamp_offset
        assert (replayed.newest_timestamp + offset) & 0xFFFFFFFF == newest.timestamp


class TestRetransmission:
    def test_is_rtx_with_the_original_number_and_a_fresh_send_time(
        self, outgoing: Outgoing
    ) -> None:
        sent = outgoing.run(70_000, 70_004)
        outgoing.now_ns += 50 * MS
        again = outgoing.answers(FIRST_SEQ + 1, FIRST_SEQ + 3)
        assert numbers(again) == [FIRST_RTX_SEQ, 0]
        for packet, original in zip(again, (sent[1], sent[3]), strict=True):
            assert (packet.ssrc, packet.payload_type) == (RTX_SSRC, media.ROUTER_H264_RTX)
            assert packet.timestamp == original.timestamp
            assert packet.marker == original.marker
            assert packet.payload[:2] == original.sequence_number.to_bytes(2, "big")
            assert packet.payload[2:] == original.payload
            assert parse_extensions(packet) == [
                (media.ROUTER_ABS_SEND_TIME, encode_abs_send_time(outgoing.now_ns))
            ]
        assert outgoing.stream.nacked_packets == 2
        assert outgoing.stream.retransmitted_packets == 2
        assert outgoing.stream.sent.packets == 5

    def test_has_the_payload_type_that_goes_with_the_originals(self, outgoing: Outgoing) -> None:
        outgoing.run(70_000, 70_000)
        outgoing.forward(outgoing.packet(70_001, payload_type=media.ROUTER_VP8))
        again = outgoing.answers(FIRST_SEQ, FIRST_SEQ + 1)
        assert [packet.payload_type for packet in again] == [
            media.ROUTER_H264_RTX,
            media.ROUTER_VP8_RTX,
        ]

    def test_without_rtx_is_the_very_same_packet(self) -> None:
        outgoing = Outgoing(rtx=False)
        sent = outgoing.run(70_000, 70_004)
        outgoing.now_ns += 50 * MS
        again = outgoing.answers(FIRST_SEQ + 1)
        # Byte by byte: SRTP must not see two packets under one number.
        assert [packet.data for packet in again] == [sent[1].data]

    @pytest.mark.parametrize("rtx", [True, False])
    def test_plain_ones_reach_back_less_far(self, rtx: bool) -> None:
        outgoing = Outgoing(rtx=rtx)
        outgoing.run(70_000, 70_000 + MAX_LATE_PACKETS)
        assert len(outgoing.answers(FIRST_SEQ)) == rtx
        assert len(outgoing.answers(FIRST_SEQ + 1)) == 1
        assert outgoing.stream.retransmitted_packets == 1 + rtx

    def test_is_not_sent_more_often_than_once_per_round_trip(self, outgoing: Outgoing) -> None:
        outgoing.run(70_000, 70_004)
        outgoing.stream.on_report(report_after(SENT_NTP, 200 * MS), NOW_NTP)
        assert outgoing.stream.round_trip_ns == pytest.approx(200 * MS, rel=0.01)
        assert len(outgoing.answers(FIRST_SEQ)) == 1
        outgoing.now_ns += 150 * MS
        assert outgoing.answers(FIRST_SEQ) == []
        outgoing.now_ns += 60 * MS
        assert len(outgoing.answers(FIRST_SEQ)) == 1
        assert outgoing.stream.nacked_packets == 3
        assert outgoing.stream.retransmitted_packets == 2

    def test_of_what_was_never_sent_or_is_no_longer_there_does_not_happen(
        self, outgoing: Outgoing
    ) -> None:
        assert outgoing.answers(FIRST_SEQ) == []
        outgoing.run(70_000, 70_004)
        assert outgoing.answers(FIRST_SEQ - 1, FIRST_SEQ + 5, FIRST_SEQ + 30_000) == []
        outgoing.now_ns += 3 * S
        assert outgoing.answers(FIRST_SEQ) == []

    @pytest.mark.parametrize("rtx", [True, False])
    def test_from_before_a_restart_is_the_packet_sent_then(self, rtx: bool) -> None:
        outgoing = Outgoing(rtx=rtx, first_seq=MAX_FIRST_SEQUENCE)
        outgoing.run(70_000, 70_000)
        last = 70_000 + 0xFFFF - MAX_FIRST_SEQUENCE
        before = [
            *outgoing.forward(outgoing.packet(last - 1), outgoing.packet(last)),
            *outgoing.forward(outgoing.packet(last + 1), outgoing.packet(last + 2)),
        ]
        outgoing.stream.restart()
        outgoing.now_ns += 300 * MS
        after = outgoing.run(72_000, 72_004)
        for original in before[1], before[2], after[1]:
            (again,) = outgoing.answers(original.sequence_number)
            assert again.timestamp == original.timestamp
            assert again.payload.endswith(original.payload)


SENT_NTP = 3_900_000_000 << 32
NOW_NTP = SENT_NTP + ntp_interval(500 * MS)


def report_after(sent_ntp: int, round_trip_ns: int) -> ReportBlock:
    """What a receiver says 500 ms after our report, most of which it spent waiting."""
    return ReportBlock(
        ssrc=SSRC,
        fraction_lost=64,
        packets_lost=3,
        highest_sequence=FIRST_SEQ,
        jitter=900,
        last_sr=middle_32_bits(sent_ntp),
        delay_since_last_sr=ntp_interval_32(500 * MS - round_trip_ns),
    )


class TestReports:
    def test_sender_report_keeps_the_senders_relation_of_ntp_and_rtp(
        self, outgoing: Outgoing
    ) -> None:
        mapper = SenderReportMapper()
        sent = outgoing.run(70_000, 70_001)
        source_timestamp = 70_001 * 90
        mapper.on_sender_report(9, SENT_NTP, source_timestamp, outgoing.now_ns, 90_000)
        outgoing.now_ns += 500 * MS
        assert outgoing.stream.sender_report(mapper, 9, outgoing.now_ns) == SenderReport(
            ssrc=SSRC,
            ntp_timestamp=NOW_NTP,
            rtp_timestamp=sent[-1].timestamp + 45_000,
            packet_count=2,
            octet_count=sum(len(packet.payload) for packet in sent),
        )

    def test_there_is_none_before_anything_was_sent_or_while_waiting_for_a_key_frame(
        self, outgoing: Outgoing
    ) -> None:
        mapper = SenderReportMapper()
        mapper.on_sender_report(9, SENT_NTP, 0, outgoing.now_ns, 90_000)
        assert outgoing.stream.sender_report(mapper, 9, outgoing.now_ns) is None
        outgoing.run(70_000, 70_001)
        assert outgoing.stream.sender_report(mapper, 9, outgoing.now_ns) is not None
        outgoing.stream.restart()
        assert outgoing.stream.sender_report(mapper, 9, outgoing.now_ns) is None

    def test_there_is_none_before_the_sender_has_told_its_time(self, outgoing: Outgoing) -> None:
        outgoing.run(70_000, 70_001)
        assert outgoing.stream.sender_report(SenderReportMapper(), 9, outgoing.now_ns) is None

    def test_receivers_report_is_kept_also_when_it_shows_no_round_trip(
        self, outgoing: Outgoing
    ) -> None:
        report = report_after(SENT_NTP, 200 * MS)
        outgoing.stream.on_report(report, None)
        assert outgoing.stream.report == report
        assert outgoing.stream.round_trip_ns is None
