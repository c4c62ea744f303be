"""RTCP of a transport: what is done with what arrives, and the reports of every second.

docs/rtcp.md says of each type what happens to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from sidecar.rtp.rtcp import (
    Bye,
    FullIntraRequest,
    GenericNack,
    PictureLossIndication,
    ReceiverEstimatedMaxBitrate,
    ReceiverReport,
    ReportBlock,
    RtcpPacket,
    SdesChunk,
    SenderReport,
    SourceDescription,
    parse_rtcp,
)

if TYPE_CHECKING:
    from sidecar.sfu.consumer import Consumer
    from sidecar.sfu.transport import WebRtcTransport

MAX_REPORT_BLOCKS: Final = 31
"""The count field has five bits (RFC 3550 section 6.4)."""

MAX_STREAMS_REPORTED: Final = 4
"""In one compound on what we send: with the longest of names it is not yet too long."""

MAX_REMB_SSRCS: Final = 255
"""Its count has eight (draft-alvestrand-rmcat-remb-03 section 2.2)."""


def handle_rtcp(transport: WebRtcTransport, data: bytes, now_ns: int) -> None:
    """Acts on a compound packet from the peer. What nothing follows from is not parsed.

    Raises:
        RtpError: It is malformed; nothing of it has been acted on.
    """
    for packet in parse_rtcp(data, _HANDLERS):
        _HANDLERS[type(packet)](transport, packet, now_ns)


def periodic_reports(transport: WebRtcTransport, now_ns: int) -> list[list[RtcpPacket]]:
    """Makes the compound packets that are sent once a second, and samples what is counted.

    Returns:
        One compound on all that the peer sends us, and one on every few streams that we send to it.
    """
    for producer in transport.producers.values():
        producer.stream.sample_rate(now_ns)
    compounds: list[list[RtcpPacket]] = []
    receiver_reports = _receiver_reports(transport, now_ns)
    if receiver_reports:
        compounds.append([*receiver_reports, *_bitrate_limit(transport)])
    reports: list[RtcpPacket] = []
    chunks: list[SdesChunk] = []
    for consumer in transport.consumers.values():
        consumer.stream.sample_rate(now_ns)
        report = _sender_report(consumer, now_ns)
        if report is not None:
            reports.append(report)
            chunks.append(_description(consumer))
    for start in range(0, len(reports), MAX_STREAMS_REPORTED):
        some = slice(start, start + MAX_STREAMS_REPORTED)
        compounds.append([*reports[some], SourceDescription(tuple(chunks[some]))])
    return compounds


def _receiver_reports(transport: WebRtcTransport, now_ns: int) -> list[RtcpPacket]:
    blocks = [
        producer.stream.statistics.report_block(producer.stream.ssrc, now_ns)
        for producer in transport.producers.values()
        if producer.stream.ssrc is not None and producer.stream.statistics.packets
    ]
    return [
        ReceiverReport(transport.ssrc, tuple(blocks[start : start + MAX_REPORT_BLOCKS]))
        for start in range(0, len(blocks), MAX_REPORT_BLOCKS)
    ]


def _bitrate_limit(transport: WebRtcTransport) -> list[RtcpPacket]:
    """REMB with the configured limit: a sender's estimate does not go above it."""
    ssrcs = tuple(
        producer.stream.ssrc
        for producer in transport.producers.values()
        if producer.stream.ssrc is not None and producer.stream.understands_remb
    )
    if not ssrcs:
        return []
    limit_bps = transport.router.worker.max_incoming_bitrate_bps
    return [ReceiverEstimatedMaxBitrate(transport.ssrc, limit_bps, ssrcs[:MAX_REMB_SSRCS])]


def _sender_report(consumer: Consumer, now_ns: int) -> SenderReport | None:
    source = consumer.producer
    if not consumer.live or source.stream.ssrc is None:
        return None
    source.stream.check_clock(source.transport.clock)
    return consumer.stream.sender_report(source.transport.clock, source.stream.ssrc, now_ns)


def _description(consumer: Consumer) -> SdesChunk:
    """The sender's CNAME, the same for its audio and video (RFC 3550 section 6.5.1)."""
    return SdesChunk(consumer.stream.ssrc, consumer.rtp_parameters.rtcp.cname or "")


def _on_sender_report(transport: WebRtcTransport, packet: SenderReport, now_ns: int) -> None:
    producer = transport.streams.find_producer(packet.ssrc)
    if producer is not None and packet.ssrc == producer.stream.ssrc:
        producer.stream.statistics.on_sender_report(packet, now_ns)
        producer.stream.liveness.on_sender_report(now_ns)
        transport.clock.on_sender_report(
            packet.ssrc,
            packet.ntp_timestamp,
            packet.rtp_timestamp,
            now_ns,
            producer.stream.clock_rate,
        )
    _on_report_blocks(transport, packet.reports, now_ns)


def _on_receiver_report(transport: WebRtcTransport, packet: ReceiverReport, now_ns: int) -> None:
    _on_report_blocks(transport, packet.reports, now_ns)


def _on_report_blocks(
    transport: WebRtcTransport, blocks: Iterable[ReportBlock], now_ns: int
) -> None:
    for block in blocks:
        consumer = transport.streams.find_consumer(block.ssrc)
        if consumer is not None and block.ssrc == consumer.stream.ssrc:
            consumer.stream.on_report(block, consumer.producer.transport.clock.ntp_at(now_ns))


def _on_nack(transport: WebRtcTransport, packet: GenericNack, now_ns: int) -> None:
    consumer = transport.streams.find_consumer(packet.media_ssrc)
    if consumer is not None and packet.media_ssrc == consumer.stream.ssrc:
        lost = packet.lost
        consumer.ask_again(lost[: transport.nack_budget.take_some(len(lost), now_ns)])


def _on_pli(transport: WebRtcTransport, packet: PictureLossIndication, now_ns: int) -> None:
    consumer = transport.streams.find_consumer(packet.media_ssrc)
    if consumer is not None:
        consumer.key_frame_requested(now_ns)


def _on_fir(transport: WebRtcTransport, packet: FullIntraRequest, now_ns: int) -> None:
    for entry in packet.entries:
        consumer = transport.streams.find_consumer(entry.ssrc)
        if consumer is not None:
            consumer.full_intra_requested(entry.sequence_number, now_ns)


def _on_remb(transport: WebRtcTransport, packet: ReceiverEstimatedMaxBitrate, _now_ns: int) -> None:
    if any(transport.streams.is_sent(ssrc) for ssrc in packet.ssrcs):
        transport.available_outgoing_bps = packet.bitrate_bps


def _on_bye(transport: WebRtcTransport, packet: Bye, now_ns: int) -> None:
    for ssrc in packet.ssrcs:
        producer = transport.streams.find_producer(ssrc)
        if producer is not None:
            if ssrc == producer.stream.ssrc:
                producer.said_bye(now_ns)
            transport.clock.forget(ssrc)
            transport.streams.forget_learnt(ssrc)
            if not transport.is_receiving(ssrc):
                transport.link.forget_incoming(ssrc)


_HANDLERS: Final[dict[type, Callable[[WebRtcTransport, Any, int], None]]] = {
    SenderReport: _on_sender_report,
    ReceiverReport: _on_receiver_report,
    GenericNack: _on_nack,
    PictureLossIndication: _on_pli,
    FullIntraRequest: _on_fir,
    ReceiverEstimatedMaxBitrate: _on_remb,
    Bye: _on_bye,
}
