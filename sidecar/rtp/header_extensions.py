"""RTP header extensions (RFC 8285) and the values that the SFU reads and writes."""

from __future__ import annotations

import struct
from collections.abc import Container
from typing import Final, NamedTuple

from sidecar.rtp.errors import RtpError
from sidecar.rtp.packet import RtpPacket

MID_URI: Final = "urn:ietf:params:rtp-hdrext:sdes:mid"
RTP_STREAM_ID_URI: Final = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
REPAIRED_RTP_STREAM_ID_URI: Final = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
AUDIO_LEVEL_URI: Final = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
VIDEO_ORIENTATION_URI: Final = "urn:3gpp:video-orientation"
TOFFSET_URI: Final = "urn:ietf:params:rtp-hdrext:toffset"
ABS_SEND_TIME_URI: Final = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
ABS_CAPTURE_TIME_URI: Final = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"
PLAYOUT_DELAY_URI: Final = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
TRANSPORT_CC_URI: Final = (
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
)

ONE_BYTE_PROFILE: Final = 0xBEDE
TWO_BYTE_PROFILE: Final = 0x1000  # its low four bits are the application's

_BLOCK_HEADER: Final = struct.Struct("!HH")
"""Profile, and the length of what follows in words of 32 bits (RFC 3550 section 5.3.1)."""

_ONE_BYTE_SIZES: Final = bytes(
    [1, *[0] * 15, *[2 + length for _identifier in range(1, 15) for length in range(16)], *[0] * 16]
)
"""Of an element, by its one-byte header: 1 for a byte of padding, 0 for what ends the processing of
what follows: id 15, and id 0 with a length (RFC 8285 section 4.2)."""

_ALL_IDS: Final = range(1, 256)

_NS_PER_SECOND: Final = 1_000_000_000
_ABS_SEND_TIME_FRACTION_BITS: Final = 18


def parse_extensions(
    packet: RtpPacket, wanted: Container[int] = _ALL_IDS
) -> list[tuple[int, bytes]]:
    """Lists header extension elements of a packet as (id, value) pairs.

    An extension whose profile is not of RFC 8285 has no elements.

    Args:
        packet: The packet.
        wanted: The ids of those to list.

    Raises:
        RtpError: An element reaches beyond the extension.
    """
    profile = packet.extension_profile
    if profile != ONE_BYTE_PROFILE:
        if profile & 0xFFF0 == TWO_BYTE_PROFILE:
            return _parse_two_byte(packet, wanted)
        return []
    # RFC 8285, section 4.2. This runs for every packet that comes in.
    data, position, end = packet.data, packet.extension_start, packet.extension_end
    elements: list[tuple[int, bytes]] = []
    while position < end:
        header = data[position]
        size_bytes = _ONE_BYTE_SIZES[header]
        if not size_bytes:
            return elements
        if header >> 4 in wanted:
            elements.append((header >> 4, data[position + 1 : position + size_bytes]))
        position += size_bytes
    if position > end:
        raise RtpError("RTP header extension element is truncated")
    return elements


def _parse_two_byte(packet: RtpPacket, wanted: Container[int]) -> list[tuple[int, bytes]]:
    """Parses elements with a two-byte header (RFC 8285, section 4.3)."""
    data, position, end = packet.data, packet.extension_start, packet.extension_end
    elements = []
    while position < end:
        identifier = data[position]
        position += 1
        if identifier == 0:
            continue
        if position == end:
            raise RtpError("RTP header extension element is truncated")
        value_start = position + 1
        value_end = value_start + data[position]
        if value_end > end:
            raise RtpError("RTP header extension element is truncated")
        if identifier in wanted:
            elements.append((identifier, data[value_start:value_end]))
        position = value_end
    return elements


def build_extension_block(elements: list[tuple[int, bytes]]) -> bytes:
    """Serialises (id, value) pairs to a header extension block.

    Takes the one-byte form where every element fits it (ids 1 to 14, values of
    1 to 16 bytes), else the two-byte form.

    Returns:
        The block with its four-byte header, padded to a multiple of four bytes;
        empty without elements.

    Raises:
        ValueError: An id or a value does not fit the two-byte form either.
    """
    if not elements:
        return b""
    body = b""
    for identifier, value in elements:
        if not 1 <= identifier <= 14 or not 1 <= len(value) <= 16:
            return _block(TWO_BYTE_PROFILE, _two_byte_body(elements))
        body += bytes((identifier << 4 | len(value) - 1,)) + value
    return _block(ONE_BYTE_PROFILE, body)


def _two_byte_body(elements: list[tuple[int, bytes]]) -> bytes:
    if any(not 1 <= identifier <= 255 or len(value) > 255 for identifier, value in elements):
        raise ValueError("RTP header extension element does not fit the two-byte form")
    return b"".join([bytes((identifier, len(value))) + value for identifier, value in elements])


def _block(profile: int, body: bytes) -> bytes:
    padding = -len(body) % 4
    return _BLOCK_HEADER.pack(profile, (len(body) + padding) // 4) + body + bytes(padding)


def encode_abs_send_time(time_ns: int) -> bytes:
    """Encodes a time as abs-send-time: 24 bits, 6.18 fixed-point seconds.

    Args:
        time_ns: Nanoseconds of any clock; only differences matter to the receiver,
            and the value wraps every 64 seconds.
    """
    fixed_point = (time_ns << _ABS_SEND_TIME_FRACTION_BITS) // _NS_PER_SECOND
    return (fixed_point & 0xFFFFFF).to_bytes(3, "big")


def decode_abs_send_time(value: bytes) -> int:
    """Decodes abs-send-time to nanoseconds, 0 to 64 seconds.

    Raises:
        RtpError: The value is not three bytes.
    """
    if len(value) != 3:
        raise RtpError("abs-send-time is not three bytes")
    fixed_point = int.from_bytes(value, "big")
    return fixed_point * _NS_PER_SECOND >> _ABS_SEND_TIME_FRACTION_BITS


def encode_transport_sequence(sequence_number: int) -> bytes:
    """Encodes a transport-wide sequence number, taken modulo 65536."""
    return (sequence_number & 0xFFFF).to_bytes(2, "big")


def decode_transport_sequence(value: bytes) -> int:
    """Decodes a transport-wide sequence number.

    Raises:
        RtpError: The value is not two bytes.
    """
    if len(value) != 2:
        raise RtpError("transport-wide sequence number is not two bytes")
    return value[0] << 8 | value[1]


class AudioLevel(NamedTuple):
    """Client-to-mixer audio level (RFC 6464).

    Attributes:
        voice_activity: Whether the sender believes that somebody speaks.
        level_dbov: 0 (loudest) to -127 (silence).
    """

    voice_activity: bool
    level_dbov: int


def encode_audio_level(level: AudioLevel) -> bytes:
    """Encodes an audio level (RFC 6464, section 3).

    Raises:
        ValueError: The level is not in -127 to 0.
    """
    if not -127 <= level.level_dbov <= 0:
        raise ValueError("audio level is not in -127 to 0 dBov")
    return bytes(((0x80 if level.voice_activity else 0) | -level.level_dbov,))


def decode_audio_level(value: bytes) -> AudioLevel:
    """Decodes an audio level (RFC 6464, section 3).

    Raises:
        RtpError: The value is empty.
    """
    if not value:
        raise RtpError("audio level is empty")
    # The two-byte form may carry a second, meaningless byte for alignment.
    return AudioLevel(voice_activity=value[0] > 0x7F, level_dbov=-(value[0] & 0x7F))


def encode_text(text: str) -> bytes:
    """Encodes a MID, RTP stream id or repaired RTP stream id (RFC 7941, section 4.1)."""
    return text.encode()


def decode_text(value: bytes) -> str:
    """Decodes a MID, RTP stream id or repaired RTP stream id (RFC 7941, section 4.1).

    Raises:
        RtpError: The value is empty or no UTF-8.
    """
    if not value:
        raise RtpError("RTP header extension text is empty")
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise RtpError("RTP header extension text is no UTF-8") from error
