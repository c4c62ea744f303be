"""How much of a client is put up with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

INVALID_INTERVAL_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What one connection may do before it is closed.

    Attributes:
        max_messages_per_second: Frames of any kind.
        max_invalid_messages: Frames that are no request, in ten seconds.
        max_queued_messages: Messages that wait for a slow client to read them.
        send_timeout_s: How long a client may take to read one message.
        probe_timeout_s: How long a client may take to answer a ping while somebody else waits
            for its place.
    """

    max_messages_per_second: int = 100
    max_invalid_messages: int = 20
    max_queued_messages: int = 512
    send_timeout_s: float = 20.0
    probe_timeout_s: float = 2.0


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
        now_s = self._clock()
        gained = (now_s - self._filled_at_s) * self._tokens_per_s
        self._tokens = min(self._capacity, self._tokens + gained)
        self._filled_at_s = now_s
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
