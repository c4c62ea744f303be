"""The bit rate of what is counted elsewhere."""

from __future__ import annotations

from typing import Final

_MIN_ELAPSED_NS: Final = 100_000_000
"""Over a shorter time a burst would pass for a rate."""

_NS_PER_S: Final = 1_000_000_000


class SampledRate:
    """Derives a rate from a count of bytes that is looked at every second or so.

    So nothing is to be done per packet. The rate is that since the last sample but one.
    """

    __slots__ = ("_last", "_last_but_one")

    def __init__(self) -> None:
        self._last_but_one: tuple[int, int] | None = None
        self._last: tuple[int, int] | None = None

    def sample(self, total_bytes: int, now_ns: int) -> None:
        """Note what has been counted so far."""
        self._last_but_one = self._last
        self._last = total_bytes, now_ns

    def bits_per_second(self, total_bytes: int, now_ns: int) -> int:
        """Return the rate, 0 before the first sample.

        Args:
            total_bytes: what has been counted by now.
            now_ns: the time.
        """
        since = self._last_but_one or self._last
        if since is None:
            return 0
        sampled_bytes, sampled_ns = since
        elapsed_ns = max(now_ns - sampled_ns, _MIN_ELAPSED_NS)
        return (total_bytes - sampled_bytes) * 8 * _NS_PER_S // elapsed_ns
