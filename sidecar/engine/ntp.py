"""NTP timestamps as RTCP uses them (RFC 3550 section 4): 32.32 fixed-point seconds since 1900."""

from __future__ import annotations

from typing import Final

NTP_MASK: Final = 0xFFFFFFFFFFFFFFFF

_NS_PER_S: Final = 1_000_000_000


def ntp_interval(duration_ns: int) -> int:
    """Return a duration, possibly negative, in units of 2**-32 s."""
    return (duration_ns << 32) // _NS_PER_S


def ntp_interval_32(duration_ns: int) -> int:
    """Return a duration in units of 1/65536 s, clamped to 32 bits: the unit of DLSR."""
    return min(max((duration_ns << 16) // _NS_PER_S, 0), 0xFFFFFFFF)


def ntp_difference(later: int, earlier: int) -> int:
    """Return ``later - earlier`` of two 64-bit timestamps, correct over the era of 2036."""
    return ((later - earlier + (1 << 63)) & NTP_MASK) - (1 << 63)


def middle_32_bits(ntp_timestamp: int) -> int:
    """Return the 16.16 form of a 64-bit timestamp that LSR carries (RFC 3550 6.4.1)."""
    return (ntp_timestamp >> 16) & 0xFFFFFFFF
