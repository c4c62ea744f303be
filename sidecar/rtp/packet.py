"""RTP packets (RFC 3550, section 5.1)."""

from __future__ import annotations

import struct
from typing import Final

from sidecar.rtp.errors import RtpError

HEADER_BYTES: Final = 12

EXTENSION_HEADER_BYTES: Final = 4
"""Of a header extension: its profile, and how many words of 32 bits follow."""

_HEADER: Final = struct.Struct("!BBHII")
_EXTENSION_HEADER: Final = struct.Struct("!HH")
# Bound methods spare two attribute look-ups for every packet that comes in.
_unpack_header = _HEADER.unpack_from
_unpack_extension_header = _EXTENSION_HEADER.unpack_from


class RtpPacket:
    """A parsed view over the immutable bytes of one RTP packet.

    Offsets instead of slices: forwarding a packet needs its payload range far
    more often than its payload. Made by :func:`parse_rtp`.

    Attributes:
        data: The whole packet.
        payload_type: 0 to 127.
        sequence_number: 16 bits.
        timestamp: 32 bits, in units of the payload's clock rate.
        ssrc: Synchronisation source.
        extension_start: Where the header extension starts in `data`, its own header
            included. It ends where the payload starts, which is the same place if
            there is none.
        payload_start: Where the payload starts in `data`.
        payload_end: Where it ends, padding excluded.
    """

    __slots__ = (
        "data",
        "extension_start",
        "payload_end",
        "payload_start",
        "payload_type",
        "sequence_number",
        "ssrc",
        "timestamp",
    )

    data: bytes
    payload_type: int
    sequence_number: int
    timestamp: int
    ssrc: int
    extension_start: int
    payload_start: int
    payload_end: int

    @property
    def marker(self) -> bool:
        """The marker bit."""
        return self.data[1] > 0x7F

    @property
    def extension_profile(self) -> int:
        """16-bit profile of the header extension, 0 if there is none.

        0xBEDE is the one-byte form, 0x100x the two-byte form of RFC 8285.
        """
        if self.extension_start == self.payload_start:
            return 0
        profile: int = _unpack_extension_header(self.data, self.extension_start)[0]
        return profile

    @property
    def padding_bytes(self) -> int:
        """Length of the padding, its count byte included."""
        return len(self.data) - self.payload_end

    @property
    def payload(self) -> bytes:
        """The payload without its padding (a copy)."""
        return self.data[self.payload_start : self.payload_end]

    @property
    def is_padding_only(self) -> bool:
        """Whether the packet carries padding and nothing else: a bandwidth probe."""
        return self.padding_bytes > 0 and self.payload_start == self.payload_end

    def __repr__(self) -> str:
        return (
            f"RtpPacket(payload_type={self.payload_type}, ssrc={self.ssrc}, "
            f"sequence_number={self.sequence_number}, timestamp={self.timestamp}, "
            f"marker={self.marker}, payload_bytes={self.payload_end - self.payload_start}, "
            f"padding_bytes={self.padding_bytes})"
        )


_new_packet = object.__new__


def parse_rtp(data: bytes) -> RtpPacket:
    """Parses one RTP packet (RFC 3550, section 5.1).

    Contributing sources are skipped. The elements of the header extension are
    bounded here but parsed only by
    :func:`sidecar.rtp.header_extensions.parse_extensions`.

    Raises:
        RtpError: The bytes are no RTP packet.
    """
    payload_end = len(data)
    if payload_end < HEADER_BYTES:
        raise RtpError("RTP packet is shorter than its header")
    first, second, sequence_number, timestamp, ssrc = _unpack_header(data)
    if first & 0xC0 != 0x80:
        raise RtpError("RTP version is not 2")

    extension_start = payload_start = HEADER_BYTES + ((first & 0x0F) << 2)
    if first & 0x10:
        if payload_start + EXTENSION_HEADER_BYTES > payload_end:
            raise RtpError("RTP header extension is truncated")
        _profile, words = _unpack_extension_header(data, payload_start)
        payload_start += EXTENSION_HEADER_BYTES + (words << 2)
    if payload_start > payload_end:
        raise RtpError("RTP header is truncated")

    if first & 0x20:
        padding_bytes = data[-1]
        if not 0 < padding_bytes <= payload_end - payload_start:
            raise RtpError("RTP padding length is invalid")
        payload_end -= padding_bytes

    # An __init__ with eight arguments would cost as much as all of the above.
    packet = _new_packet(RtpPacket)
    packet.data = data
    packet.payload_type = second & 0x7F
    packet.sequence_number = sequence_number
    packet.timestamp = timestamp
    packet.ssrc = ssrc
    packet.extension_start = extension_start
    packet.payload_start = payload_start
    packet.payload_end = payload_end
    return packet


def is_rtcp(data: bytes) -> bool:
    """Tells RTCP from RTP where both share a port (RFC 5761, section 4).

    Looks at the packet type alone; it says nothing about the rest of the packet.
    """
    return len(data) > 1 and 192 <= data[1] <= 223


def ssrc_of(data: bytes) -> int:
    """The SSRC of an RTP packet that may be malformed otherwise."""
    return int.from_bytes(data[8:12], "big")


def build_rtp(
    *,
    payload_type: int,
    sequence_number: int,
    timestamp: int,
    ssrc: int,
    payload: bytes,
    marker: bool = False,
    extensions: bytes = b"",
    padding_bytes: int = 0,
) -> bytes:
    """Serialises one RTP packet without contributing sources.

    Args:
        payload_type: 0 to 127.
        sequence_number: 16 bits.
        timestamp: 32 bits.
        ssrc: 32 bits.
        payload: The payload without padding.
        marker: The marker bit.
        extensions: A whole header extension block as made by
            :func:`sidecar.rtp.header_extensions.build_extension_block`, or nothing.
        padding_bytes: Padding to append, 0 to 255, its count byte included.

    Raises:
        ValueError: A field does not fit its bits.
    """
    if not 0 <= payload_type <= 127:
        raise ValueError("RTP payload type does not fit 7 bits")
    if not 0 <= padding_bytes <= 255:
        raise ValueError("RTP padding does not fit 8 bits")
    first = 0x80 | (0x20 if padding_bytes else 0) | (0x10 if extensions else 0)
    second = payload_type | (0x80 if marker else 0)
    try:
        header = _HEADER.pack(first, second, sequence_number, timestamp, ssrc)
    except struct.error as error:
        raise ValueError(f"RTP header field out of range: {error}") from error
    padding = bytes(padding_bytes - 1) + bytes((padding_bytes,)) if padding_bytes else b""
    return header + extensions + payload + padding
