"""RTCP packets as values (RFC 3550, RFC 4585, RFC 5104, REMB, transport-cc).

:func:`parse_rtcp` turns a compound packet into values. Each value serialises
itself with ``to_bytes()``; a compound packet is the concatenation of several.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Final, TypeAlias

from sidecar.rtp.errors import RtpError
from sidecar.rtp.rtcp import wire
from sidecar.rtp.rtcp.feedback import (
    MAX_NACKED_PACKETS,
    FirEntry,
    FullIntraRequest,
    GenericNack,
    PictureLossIndication,
    ReceiverEstimatedMaxBitrate,
)
from sidecar.rtp.rtcp.reports import ReceiverReport, ReportBlock, SenderReport
from sidecar.rtp.rtcp.sources import Bye, SdesChunk, SourceDescription
from sidecar.rtp.rtcp.transport_cc import TransportCcFeedback
from sidecar.rtp.rtcp.unknown import UnknownRtcp

__all__ = [
    "Bye",
    "FirEntry",
    "FullIntraRequest",
    "GenericNack",
    "PictureLossIndication",
    "ReceiverEstimatedMaxBitrate",
    "ReceiverReport",
    "ReportBlock",
    "RtcpPacket",
    "SdesChunk",
    "SenderReport",
    "SourceDescription",
    "TransportCcFeedback",
    "UnknownRtcp",
    "parse_rtcp",
]

RtcpPacket: TypeAlias = (
    SenderReport
    | ReceiverReport
    | SourceDescription
    | Bye
    | GenericNack
    | PictureLossIndication
    | FullIntraRequest
    | ReceiverEstimatedMaxBitrate
    | TransportCcFeedback
    | UnknownRtcp
)

MAX_PACKETS_PER_COMPOUND: Final = 64
"""Each costs something, however small it is. Browsers send no more than some ten together."""

_GENERIC_NACK: Final = (wire.TRANSPORT_FEEDBACK, GenericNack.FMT)

# By packet type; the parser is told the count.
_REPORTS: Final[Mapping[int, type[SenderReport | ReceiverReport | SourceDescription | Bye]]] = {
    wire.SENDER_REPORT: SenderReport,
    wire.RECEIVER_REPORT: ReceiverReport,
    wire.SOURCE_DESCRIPTION: SourceDescription,
    wire.BYE: Bye,
}

# By packet type and feedback message type.
_FEEDBACK: Final[
    Mapping[
        tuple[int, int],
        type[TransportCcFeedback | PictureLossIndication | FullIntraRequest],
    ]
] = {
    (wire.TRANSPORT_FEEDBACK, TransportCcFeedback.FMT): TransportCcFeedback,
    (wire.PAYLOAD_FEEDBACK, PictureLossIndication.FMT): PictureLossIndication,
    (wire.PAYLOAD_FEEDBACK, FullIntraRequest.FMT): FullIntraRequest,
}


class _Everything:
    """Contains whatever it is asked for."""

    def __contains__(self, _item: object) -> bool:
        return True


def parse_rtcp(data: bytes, wanted: Container[type] = _Everything()) -> list[RtcpPacket]:
    """Parses a compound RTCP packet (RFC 3550, section 6.1).

    Reduced-size packets (RFC 5506), which need not begin with a report, are taken
    too. Packets of unknown types become :class:`UnknownRtcp`.

    Args:
        data: The compound.
        wanted: Which types to parse. Of the others only the common header is looked at.

    Returns:
        Those wanted, in their order.

    Raises:
        RtpError: A packet is malformed, there are too many of them, or something else follows
            the last one.
    """
    packets: list[RtcpPacket] = []
    nacked = position = count = 0
    while position < len(data) or not count:
        if count == MAX_PACKETS_PER_COMPOUND:
            raise RtpError("RTCP compound has too many packets")
        count += 1
        kind, packet_count, body_start, body_end, position = _next_packet(data, position)
        if (kind, packet_count) == _GENERIC_NACK:
            if GenericNack in wanted and nacked < MAX_NACKED_PACKETS:
                most = MAX_NACKED_PACKETS - nacked
                nack = GenericNack.parse(data[body_start:body_end], most)
                nacked += len(nack.lost)
                packets.append(nack)
            continue
        packet = _parse_body(kind, packet_count, data[body_start:body_end], wanted)
        if packet is not None:
            packets.append(packet)
    return packets


def _next_packet(data: bytes, position: int) -> tuple[int, int, int, int, int]:
    """Finds the packet at `position`.

    Returns:
        Its type, its count, where its body starts and ends, and where the next packet starts.
    """
    body_start = position + wire.HEADER.size
    if body_start > len(data):
        raise RtpError("RTCP header is truncated")
    first, payload_type, words = wire.HEADER.unpack_from(data, position)
    if first >> 6 != 2:
        raise RtpError("RTCP version is not 2")
    if not 192 <= payload_type <= 223:
        raise RtpError("RTCP packet type is out of range")
    end = body_start + words * 4
    if end > len(data):
        raise RtpError("RTCP packet is truncated")
    body_end = end
    if first & 0x20:
        # RFC 3550 allows padding in the last packet only, but senders of
        # transport-cc feedback pad it wherever it stands.
        body_end -= data[end - 1]
        if not body_start <= body_end < end:
            raise RtpError("RTCP padding length is invalid")
    return payload_type, first & 0x1F, body_start, body_end, end


def _parse_body(
    payload_type: int, count: int, body: bytes, wanted: Container[type]
) -> RtcpPacket | None:
    if report := _REPORTS.get(payload_type):
        return report.parse(count, body) if report in wanted else None
    if feedback := _FEEDBACK.get((payload_type, count)):
        return feedback.parse(body) if feedback in wanted else None
    if (
        payload_type == wire.PAYLOAD_FEEDBACK
        and count == ReceiverEstimatedMaxBitrate.FMT
        and ReceiverEstimatedMaxBitrate.matches(body)
    ):
        remb = ReceiverEstimatedMaxBitrate
        return remb.parse(body) if remb in wanted else None
    return UnknownRtcp(payload_type, count, body) if UnknownRtcp in wanted else None
