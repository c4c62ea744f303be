"""The retransmission payload format (RFC 4588 section 4)."""

from __future__ import annotations

from struct import Struct
from typing import Final

from sidecar.rtp.errors import RtpError
from sidecar.rtp.packet import RtpPacket, parse_rtp

_ORIGINAL_SEQUENCE_BYTES: Final = 2
_PADDING_BIT: Final = 0x20
_MARKER_BIT: Final = 0x80
_HEADER = Struct("!BBH4sI")
_FIXED_HEADER_BYTES: Final = 12


def decapsulate(packet: RtpPacket, payload_type: int, ssrc: int) -> RtpPacket:
    """Return the original packet that a retransmission carries.

    Args:
        packet: a packet of the RTX stream.
        payload_type: the original's, which ``apt`` of the RTX payload type names.
        ssrc: the original stream's.

    Raises:
        RtpError: if there is no payload, as in the padding that senders probe bandwidth with.
    """
    data, start = packet.data, packet.payload_start
    original_start = start + _ORIGINAL_SEQUENCE_BYTES
    if packet.payload_end < original_start:
        raise RtpError("retransmission without an original sequence number")
    header = _HEADER.pack(
        data[0] & ~_PADDING_BIT,
        data[1] & _MARKER_BIT | payload_type,
        int.from_bytes(data[start:original_start], "big"),
        data[4:8],
        ssrc,
    )
    body = data[original_start : packet.payload_end]
    return parse_rtp(header + data[_FIXED_HEADER_BYTES:start] + body)


def encapsulate(
    data: bytes, payload_start: int, *, payload_type: int, sequence_number: int, ssrc: int
) -> bytes:
    """Return the retransmission of an RTP packet.

    Args:
        data: the packet as the receiver should have got it.
        payload_start: where its payload begins.
        payload_type: the RTX payload type.
        sequence_number: the RTX stream's own 16-bit sequence number.
        ssrc: the RTX stream's.
    """
    header = _HEADER.pack(
        data[0], data[1] & _MARKER_BIT | payload_type, sequence_number, data[4:8], ssrc
    )
    extensions = data[_FIXED_HEADER_BYTES:payload_start]
    return b"".join((header, extensions, data[2:4], data[payload_start:]))
