"""What a peer may send over one transport. REMB only asks; these are what it gets.

All leave room for bursts, and above what honest peers use there is a margin: see docs/rtcp.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sidecar.engine.budget import Budget

if TYPE_CHECKING:
    from sidecar.limits import Limits

RTP_SURCHARGE_BYTES: Final = 128
"""What each RTP packet counts beyond its size: a flood of tiny ones would else be cheap."""

RTCP_SURCHARGE_BYTES: Final = 100
"""The same of RTCP."""

_BITS: Final = 8


def rtp_budget(max_bitrate_bps: int, now_ns: int) -> Budget:
    """In bytes, what all streams of a transport may use: half as much again as it is told."""
    bytes_per_s = max_bitrate_bps * 3 // 2 // _BITS
    return Budget(bytes_per_s, bytes_per_s, now_ns)


def audio_budget(limits: Limits, now_ns: int) -> Budget:
    """In bytes, what one sound may use: a quarter more than the limit, for the headers."""
    bytes_per_s = limits.max_audio_bitrate * 5 // 4 // _BITS
    return Budget(bytes_per_s, bytes_per_s, now_ns)


def rtcp_budget(limits: Limits, now_ns: int) -> Budget:
    """In bytes, what RTCP may use."""
    bytes_per_s = limits.max_rtcp_bitrate // _BITS
    return Budget(bytes_per_s, 2 * bytes_per_s, now_ns)


def nack_budget(limits: Limits, now_ns: int) -> Budget:
    """In packets, what may be asked for again."""
    packets_per_s = limits.max_nacked_packets_per_second
    return Budget(packets_per_s, 2 * packets_per_s, now_ns)
