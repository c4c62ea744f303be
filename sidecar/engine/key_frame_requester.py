"""When to ask a sender for a key frame (PLI, RFC 4585 6.3.1; FIR, RFC 5104 4.3.1)."""

from __future__ import annotations

from typing import Final

MIN_SPACING_NS: Final = 150_000_000
MAX_SPACING_NS: Final = 500_000_000
QUIET_NS: Final = 1_000_000_000


class KeyFrameRequester:
    """Joins the requests of all receivers of one stream into few requests to its sender.

    The first goes out at once. Further ones wait until 150 ms after the last one sent; the
    spacing doubles with each one up to 500 ms and returns to 150 ms after a second of quiet. An
    open request is repeated until a key frame arrives: the request itself can get lost.

    Attributes:
        next_timeout_ns: when :meth:`poll` has a request to send; None while none is open.
    """

    __slots__ = ("_allowed_ns", "_last_activity_ns", "_spacing_ns", "next_timeout_ns")

    def __init__(self) -> None:
        self.next_timeout_ns: int | None = None
        self._spacing_ns = MIN_SPACING_NS
        self._allowed_ns: int | None = None
        self._last_activity_ns = 0

    def request(self, now_ns: int) -> None:
        """Note that a receiver needs a key frame."""
        if self.next_timeout_ns is not None:
            return
        if now_ns - self._last_activity_ns >= QUIET_NS:
            self._spacing_ns = MIN_SPACING_NS
        self.next_timeout_ns = now_ns if self._allowed_ns is None else max(now_ns, self._allowed_ns)

    def on_key_frame(self, now_ns: int) -> None:
        """Note that a key frame began to arrive: it serves everybody who was waiting."""
        if self.next_timeout_ns is not None:
            self.next_timeout_ns = None
            self._last_activity_ns = now_ns

    def cancel(self) -> None:
        """Note that nobody waits any more."""
        self.next_timeout_ns = None

    def poll(self, now_ns: int) -> bool:
        """Tell whether to send a request now; True counts it as sent."""
        if self.next_timeout_ns is None or now_ns < self.next_timeout_ns:
            return False
        self._last_activity_ns = now_ns
        self._allowed_ns = self.next_timeout_ns = now_ns + self._spacing_ns
        self._spacing_ns = min(self._spacing_ns * 2, MAX_SPACING_NS)
        return True
