"""Key-frame inspection of H.264 RTP payloads (RFC 6184)."""

from __future__ import annotations

from typing import Final

_NAL_TYPE_MASK: Final = 0x1F
_SPS: Final = 7
_STAP_A: Final = 24
_FU_A: Final = 28
_FU_START_AND_TYPE_MASK: Final = 0x9F
_FU_START_OF_SPS: Final = 0x80 | _SPS


def starts_key_frame(data: bytes, start: int, end: int) -> bool:
    """Tells whether a payload carries a sequence parameter set.

    A decoder that starts needs the SPS, so that a bare IDR slice does not count
    as a start. Understands what packetization modes 0 and 1 send: single NAL
    units, STAP-A (RFC 6184, section 5.7.1) and FU-A (section 5.8).

    Args:
        data: Bytes that contain the payload.
        start: Where the payload starts in `data`.
        end: Where it ends, padding excluded; at most ``len(data)``.

    Returns:
        False for anything malformed; never raises.
    """
    if start >= end:
        return False
    nal_type = data[start] & _NAL_TYPE_MASK
    if nal_type == _FU_A:
        return start + 1 < end and data[start + 1] & _FU_START_AND_TYPE_MASK == _FU_START_OF_SPS
    if nal_type == _STAP_A:
        return _aggregate_contains_sps(data, start + 1, end)
    return nal_type == _SPS


def _aggregate_contains_sps(data: bytes, position: int, end: int) -> bool:
    while position + 2 < end:
        nal_start = position + 2
        position = nal_start + (data[nal_start - 2] << 8 | data[nal_start - 1])
        if position == nal_start or position > end:
            return False
        if data[nal_start] & _NAL_TYPE_MASK == _SPS:
            return True
    return False
