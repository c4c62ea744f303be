"""What somebody may do once in a while, and a few times in a row."""

from __future__ import annotations

_NS_PER_MINUTE = 60_000_000_000


class Allowance:
    """Grants something a number of times a minute, and says when it does again.

    It is the generic cell rate algorithm (ITU-T I.371), which needs one number to remember.

    Args:
        per_minute: how often on average.
        burst: how often in a row, after a while without.
    """

    __slots__ = ("_interval_ns", "_tolerance_ns", "_used_until_ns")

    def __init__(self, per_minute: int, burst: int) -> None:
        self._interval_ns = _NS_PER_MINUTE // per_minute
        self._tolerance_ns = (burst - 1) * self._interval_ns
        self._used_until_ns: int | None = None

    @property
    def next_ns(self) -> int:
        """When it is granted next; a time that has passed means at once."""
        return 0 if self._used_until_ns is None else self._used_until_ns - self._tolerance_ns

    def is_whole(self, now_ns: int) -> bool:
        """Tell whether nothing of it is used up: it is as good as a new one."""
        return self._used_until_ns is None or self._used_until_ns <= now_ns

    def take(self, now_ns: int) -> bool:
        """Tell whether it is granted now; True counts."""
        used_until_ns = self._used_until_ns
        if used_until_ns is None or used_until_ns < now_ns:
            used_until_ns = now_ns
        if used_until_ns - now_ns > self._tolerance_ns:
            return False
        self._used_until_ns = used_until_ns + self._interval_ns
        return True
