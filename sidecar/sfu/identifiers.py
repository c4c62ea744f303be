"""Ids, SSRCs and first numbers, from a source of randomness that the caller provides."""

from __future__ import annotations

from typing import Final, Protocol

_MAX_RTX_SEQUENCE: Final = 0x7FFF
"""SRTP receivers guess the rollover counter wrong if an early packet is lost near the wrap."""


class RandomSource(Protocol):
    """The part of `random.Random` that is used here."""

    def getrandbits(self, k: int, /) -> int:
        """A number of k random bits."""
        ...

    def randint(self, a: int, b: int) -> int:
        """A number from a to b, both included."""
        ...


class Identifiers:
    """Draws what has to be unpredictable in earnest and repeatable in tests."""

    __slots__ = ("_rng",)

    def __init__(self, rng: RandomSource) -> None:
        self._rng = rng

    def unique_id(self) -> str:
        """122 random bits in the form of a UUID (RFC 9562 section 5.4)."""
        bits = self._rng.getrandbits(128)
        bits = bits & ~(0xF << 76) | 4 << 76  # version
        bits = bits & ~(0x3 << 62) | 2 << 62  # variant
        digits = f"{bits:032x}"
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    def ssrc(self) -> int:
        """An SSRC, never 0, that leaves room for its successor: that of the retransmissions."""
        return self._rng.randint(1, 0xFFFFFFFE)

    def sequence(self) -> int:
        """A sequence number (RFC 3550 section 5.1)."""
        return self._rng.getrandbits(16)

    def rtx_sequence(self) -> int:
        """Where the sequence numbers of retransmissions start."""
        return self._rng.randint(0, _MAX_RTX_SEQUENCE)

    def timestamp(self) -> int:
        """A timestamp (RFC 3550 section 5.1)."""
        return self._rng.getrandbits(32)

    def cname(self) -> str:
        """A canonical name for a sender that has given none (RFC 7022 section 4.2)."""
        return f"{self._rng.getrandbits(96):024x}"
