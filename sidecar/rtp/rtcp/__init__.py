"""RTCP packets as values (RFC 3550, RFC 4585, RFC 5104, REMB, transport-cc).

:func:`parse_rtcp` turns a compound packet into values. Each value serialises
itself with ``to_bytes()``; a compound packet is the concatenation of several.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from sidecar.rtp.errors import RtpError
from sidecar.rtp.rtcp import wire
from sidecar.rtp.rtcp.feedback import (
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

# By packet type; the parser is told the count.
_PARSERS: Final[Mapping[int, Callable[[int, bytes], RtcpPacket]]] = {
    wire.SENDER_REPORT: SenderReport.parse,
    wire.RECEIVER_REPORT: ReceiverReport.parse,
    wire.SOURCE_DESCRIPTION: SourceDescription.parse,
    wire.BYE: Bye.parse,
}

# By packet type and feedback message type.
_FEEDBACK_PARSERS: Final[Mapping[tuple[int, int], Callable[[bytes], RtcpPacket]]] = {
    (wire.TRANSPORT_FEEDBACK, GenericNack.FMT): GenericNack.parse,
    (wire.TRANSPORT_FEEDBACK, TransportCcFeedback.FMT): TransportCcFeedback.parse,
    (wire.PAYLOAD_FEEDBACK, PictureLossIndication.FMT): PictureLossIndication.parse,
    (wire.PAYLOAD_FEEDBACK, FullIntraRequest.FMT): FullIntraRequest.parse,
}


def parse_rtcp(data: bytes) -> list[RtcpPacket]:
    """Parses a compound RTCP packet (RFC 3550, section 6.1).

    Reduced-size packets (RFC 5506), which need not begin with a report, are taken
    too. Packets of unknown types become :class:`UnknownRtcp`.

    Returns:
        The packets in their order, at least one.

    Raises:
        RtpError: A packet is malformed, or something else follows the last one.
    """
    packets: list[RtcpPacket] = []
    position = 0
    while position < len(data) or not packets:
        packet, position = _parse_one(data, position)
        packets.append(packet)
    return packets


def _parse_one(data: bytes, position: int) -> tuple[RtcpPacket, int]:
    """Returns the packet at `position` and where the next one starts."""
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
    return _parse_body(payload_type, first & 0x1F, data[body_start:body_end]), end


def _parse_body(payload_type: int, count: int, body: bytes) -> RtcpPacket:
    if parser := _PARSERS.get(payload_type):
        return parser(count, body)
    if feedback_parser := _FEEDBACK_PARSERS.get((payload_type, count)):
        return feedback_parser(body)
    if (
        payload_type == wire.PAYLOAD_FEEDBACK
        and count == ReceiverEstimatedMaxBitrate.FMT
        and ReceiverEstimatedMaxBitrate.matches(body)
    ):
        return ReceiverEstimatedMaxBitrate.parse(body)
    return UnknownRtcp(payload_type, count, body)
