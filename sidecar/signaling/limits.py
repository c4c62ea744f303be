"""How much of a client is put up with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

MESSAGES_INTERVAL_S: Final = 1.0
LONG_INTERVAL_S: Final = 10.0
"""Over which everything else is counted."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How much a client who doesn't answer is put up with.

    Attributes:
        send_timeout_s: How long it may take to read one message.
        max_waiting_bytes: Of messages that may wait for it meanwhile; they are shared with
            others who get the same.
        probe_timeout_s: How long it may take to answer a ping while somebody else waits for its
            place.
    """

    send_timeout_s: float = 20.0
    max_waiting_bytes: int = 4 * 1024 * 1024
    probe_timeout_s: float = 2.0


USUAL_PATIENCE: Final = Patience()


class TokenBucket:
    """Allows ``capacity`` at once and, in the long run, ``capacity`` per ``interval_s``.

    Args:
        capacity: How many tokens there are at the start, and at most.
        interval_s: The time in which an empty bucket fills up.
        clock: Monotonic, in seconds.
    """

    def __init__(self, capacity: int, interval_s: float, clock: Callable[[], float]) -> None:
        self._capacity = capacity
        self._tokens_per_s = capacity / interval_s
        self._clock = clock
        self._tokens = float(capacity)
        self._filled_at_s = clock()

    def take(self) -> bool:
        """Take a token; False if there is none."""
        self._fill()
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    @property
    def is_full(self) -> bool:
        """Whether nothing was taken, or it has filled up since."""
        self._fill()
        return self._tokens == self._capacity

    def wait_s(self) -> float:
        """How long it takes until there is a token; 0 if there is one."""
        self._fill()
        return max(0.0, (1 - self._tokens) / self._tokens_per_s)

    def spend(self, tokens: int) -> float:
        """Take tokens, also such as are not there yet; how long to wait for these, in seconds."""
        self._fill()
        self._tokens -= tokens
        return max(0.0, -self._tokens / self._tokens_per_s)

    def _fill(self) -> None:
        now_s = self._clock()
        gained = (now_s - self._filled_at_s) * self._tokens_per_s
        self._tokens = min(self._capacity, self._tokens + gained)
        self._filled_at_s = now_s
