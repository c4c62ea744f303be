"""The bit rate of the last second."""

from __future__ import annotations

from typing import Final

_BUCKETS: Final = 20
_NS_PER_S: Final = 1_000_000_000


class RateCounter:
    """Counts bytes over a sliding window of 20 buckets, in constant time.

    Args:
        window_ns: the length of the window.
    """

    __slots__ = ("_bucket_bytes", "_bucket_ns", "_bytes", "_current")

    def __init__(self, window_ns: int = _NS_PER_S) -> None:
        self._bucket_ns = window_ns // _BUCKETS
        self._bucket_bytes = [0] * _BUCKETS
        self._bytes = 0
        self._current = 0

    def add(self, size_bytes: int, now_ns: int) -> None:
        """Count a packet, or a batch of packets that together have ``size_bytes``."""
        if now_ns // self._bucket_ns != self._current:
            self._advance(now_ns)
        self._bucket_bytes[self._current % _BUCKETS] += size_bytes
        self._bytes += size_bytes

    def bits_per_second(self, now_ns: int) -> int:
        """Return the bit rate over the window."""
        self._advance(now_ns)
        # All buckets are full but the current one, which has only just begun.
        covered_ns = (_BUCKETS - 1) * self._bucket_ns + now_ns % self._bucket_ns
        return self._bytes * 8 * _NS_PER_S // covered_ns

    def _advance(self, now_ns: int) -> None:
        """Empty the buckets between the current one and that of ``now_ns``."""
        bucket = now_ns // self._bucket_ns
        for passed in range(max(self._current + 1, bucket - _BUCKETS + 1), bucket + 1):
            slot = passed % _BUCKETS
            self._bytes -= self._bucket_bytes[slot]
            self._bucket_bytes[slot] = 0
        self._current = max(self._current, bucket)
