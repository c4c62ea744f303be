"""What somebody may use: so much a second, and some of it at once."""

from __future__ import annotations

from typing import Final

REFILL_INTERVAL_NS: Final = 100_000_000
"""Whoever has used up everything gets nothing until then. Refilled more finely, a budget would let
through every third packet of a flood, of which nobody has anything."""

_NS_PER_S: Final = 1_000_000_000


class Budget:
    """A token bucket that is refilled only when it is empty.

    So whoever has to be quick subtracts from `left`, and asks whether it `covers` so much only
    when it does not.

    Args:
        per_second: what may be used in a second, on average.
        burst: what may be used at once.
        now_ns: the time; if it is not known, a little more may be used at first.

    Attributes:
        left: what may be used before the next look at the time.
    """

    __slots__ = ("_as_of_ns", "_burst", "_per_second", "left")

    def __init__(self, per_second: int, burst: int, now_ns: int | None = None) -> None:
        self.left = burst
        self._per_second = per_second
        self._burst = burst
        self._as_of_ns = now_ns

    def covers(self, amount: int, now_ns: int) -> bool:
        """Tell whether so much is left, or is again."""
        return amount <= self.left or amount <= self._refill(now_ns)

    def take(self, amount: int, now_ns: int) -> bool:
        """Use up some of it; False if there is not enough, and then nothing is used up."""
        if amount > self.left and amount > self._refill(now_ns):
            return False
        self.left -= amount
        return True

    def take_some(self, amount: int, now_ns: int) -> int:
        """Use up to ``amount`` of it, and return how much that was."""
        if amount > self.left:
            amount = min(amount, self._refill(now_ns))
        self.left -= amount
        return amount

    def _refill(self, now_ns: int) -> int:
        since_ns = self._as_of_ns
        if since_ns is None:  # how long it has lasted until now nobody knows
            self.left = self._burst
            self._as_of_ns = now_ns
        elif now_ns - since_ns >= REFILL_INTERVAL_NS:
            earned = (now_ns - since_ns) * self._per_second // _NS_PER_S
            self.left = min(self.left + earned, self._burst)
            self._as_of_ns = now_ns
        return self.left
