"""RTP header extensions (RFC 8285) and the values that the SFU reads and writes."""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from sidecar.rtp.errors import RtpError
from sidecar.rtp.packet import EXTENSION_HEADER_BYTES, RtpPacket

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

_STOP_ID: Final = 15
"""In the one-byte form: what follows is not looked at (RFC 8285 section 4.2)."""

MAX_ELEMENTS: Final = 32
"""In one packet that is looked at: three times as many as any browser can negotiate."""

_NS_PER_SECOND: Final = 1_000_000_000
_ABS_SEND_TIME_FRACTION_BITS: Final = 18


def parse_extensions(packet: RtpPacket) -> list[tuple[int, bytes]]:
    """Lists the header extension elements of a packet as (id, value) pairs.

    Raises:
        RtpError: An element reaches beyond the extension.
    """
    data = packet.data
    return [(identifier, data[start:end]) for identifier, start, end in locate_extensions(packet)]


def locate_extensions(packet: RtpPacket) -> list[tuple[int, int, int]]:
    """Lists the header extension elements of a packet: id, and where the value starts and ends.

    An extension whose profile is not of RFC 8285 has no elements.

    Raises:
        RtpError: An element reaches beyond the extension, or there are too many.
    """
    profile = packet.extension_profile
    if profile == ONE_BYTE_PROFILE:
        return _locate_one_byte(packet)
    if profile & 0xFFF0 == TWO_BYTE_PROFILE:
        return _locate_two_byte(packet)
    return []


def _locate_one_byte(packet: RtpPacket) -> list[tuple[int, int, int]]:
    """Finds elements with a one-byte header (RFC 8285, section 4.2)."""
    data, end = packet.data, packet.payload_start
    position = packet.extension_start + EXTENSION_HEADER_BYTES
    elements: list[tuple[int, int, int]] = []
    while position < end:
        header = data[position]
        value_start = position + 1
        if header == 0:  # padding
            position = value_start
            continue
        identifier = header >> 4
        if identifier in (0, _STOP_ID):  # id 0 with a length ends it as well
            return elements
        position = value_start + (header & 0x0F) + 1
        if position > end:
            raise RtpError("RTP header extension element is truncated")
        elements.append((identifier, value_start, position))
        if len(elements) > MAX_ELEMENTS:
            raise RtpError("RTP header extension has too many elements")
    return elements


def _locate_two_byte(packet: RtpPacket) -> list[tuple[int, int, int]]:
    """Finds elements with a two-byte header (RFC 8285, section 4.3)."""
    data, end = packet.data, packet.payload_start
    position = packet.extension_start + EXTENSION_HEADER_BYTES
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
        elements.append((identifier, value_start, value_end))
        position = value_end
        if len(elements) > MAX_ELEMENTS:
            raise RtpError("RTP header extension has too many elements")
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
