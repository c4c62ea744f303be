"""Key-frame inspection of VP8 RTP payloads (RFC 7741)."""

from __future__ import annotations

from typing import Final

# First byte of the payload descriptor.
_EXTENDED: Final = 0x80
_START_AND_PARTITION_MASK: Final = 0x17
_START_OF_FIRST_PARTITION: Final = 0x10

# Its extension byte, and the picture id's length bit.
_HAS_PICTURE_ID: Final = 0x80
_HAS_TL0PICIDX: Final = 0x40
_HAS_TID_OR_KEYIDX: Final = 0x30
_LONG_PICTURE_ID: Final = 0x80

# First byte of the payload header.
_INVERSE_KEY_FRAME: Final = 0x01


def starts_key_frame(data: bytes, start: int, end: int) -> bool:
    """Tells whether a payload is the beginning of a key frame.

    That is the start of the first partition (S = 1, PID = 0; RFC 7741, section
    4.2) whose payload header has the inverse key-frame flag P = 0 (section 4.3).

    Args:
        data: Bytes that contain the payload.
        start: Where the payload starts in `data`.
        end: Where it ends, padding excluded; at most ``len(data)``.

    Returns:
        False for anything malformed; never raises.
    """
    if start >= end:
        return False
    first = data[start]
    if first & _START_AND_PARTITION_MASK != _START_OF_FIRST_PARTITION:
        return False
    position = start + 1
    if first & _EXTENDED:
        position = _skip_descriptor_extension(data, position, end)
    return position < end and not data[position] & _INVERSE_KEY_FRAME


def _skip_descriptor_extension(data: bytes, position: int, end: int) -> int:
    """Returns where the payload header starts; `end` or more if it is cut off."""
    if position >= end:
        return end
    flags = data[position]
    position += 1
    if flags & _HAS_PICTURE_ID:
        if position >= end:
            return end
        position += 2 if data[position] & _LONG_PICTURE_ID else 1
    if flags & _HAS_TL0PICIDX:
        position += 1
    if flags & _HAS_TID_OR_KEYIDX:
        position += 1
    return position
