"""The framing that all RTCP packets share (RFC 3550, section 6.4.1)."""

from __future__ import annotations

import struct
from typing import Final

SENDER_REPORT: Final = 200
RECEIVER_REPORT: Final = 201
SOURCE_DESCRIPTION: Final = 202
BYE: Final = 203
TRANSPORT_FEEDBACK: Final = 205  # RTPFB, RFC 4585
PAYLOAD_FEEDBACK: Final = 206  # PSFB, RFC 4585

HEADER: Final = struct.Struct("!BBH")
MAX_COUNT: Final = 31


def pack(layout: struct.Struct, *fields: int | bytes) -> bytes:
    """Packs fields that a caller of this package chose.

    Raises:
        ValueError: A field does not fit its bits.
    """
    try:
        return layout.pack(*fields)
    except struct.error as error:
        raise ValueError(f"RTCP field out of range: {error}") from error


def frame(payload_type: int, count: int, body: bytes) -> bytes:
    """Puts the common header before a body.

    A body that is no multiple of four bytes is padded, with the padding bit set
    and the padding's length in its last byte.

    Args:
        payload_type: RTCP packet type.
        count: The five bits that hold a count or a feedback message type (FMT).
        body: All that comes after the common header.

    Raises:
        ValueError: The count or the body does not fit its field.
    """
    if not 0 <= count <= MAX_COUNT:
        raise ValueError("RTCP count does not fit 5 bits")
    padding_bytes = -len(body) % 4
    first = 0x80 | count
    if padding_bytes:
        first |= 0x20
        body += bytes(padding_bytes - 1) + bytes((padding_bytes,))
    return pack(HEADER, first, payload_type, len(body) // 4) + body
