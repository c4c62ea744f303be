"""When to ask a sender for a key frame (PLI, RFC 4585 6.3.1; FIR, RFC 5104 4.3.1)."""

from __future__ import annotations

from typing import Final

REPEAT_SPACINGS_NS: Final = (160_000_000, 160_000_000, 320_000_000, 500_000_000)
"""Between the requests for one key frame that does not come; the last one goes on.

Chromium's sender ignores what comes within 300 ms of the last request that it has followed: the
first repetition is for a request that got lost, the second one comes just after that time.
"""

SERVED_SPACINGS_NS: Final = (320_000_000, 500_000_000)
"""Between the last request for a key frame that came and the first one for another."""

QUIET_NS: Final = 1_000_000_000


class KeyFrameRequester:
    """Joins the requests of all receivers of one stream into few requests to its sender.

    The first goes out at once. It is repeated until a key frame arrives, since the request itself
    can get lost. Receivers that come after that key frame have to wait for a while, which is
    longer while they keep coming and short again after a second of quiet: each key frame costs
    everybody else some sharpness of the picture.

    Attributes:
        next_timeout_ns: when :meth:`poll` has a request to send; None while none is open.
    """

    __slots__ = (
        "_allowed_ns",
        "_last_activity_ns",
        "_last_sent_ns",
        "_sent",
        "_served",
        "next_timeout_ns",
    )

    def __init__(self) -> None:
        self.next_timeout_ns: int | None = None
        self._allowed_ns: int | None = None
        self._last_activity_ns = 0
        self._last_sent_ns = 0
        self._sent = 0
        self._served = 0

    def request(self, now_ns: int) -> None:
        """Note that a receiver needs a key frame."""
        if self.next_timeout_ns is not None:
            return
        if now_ns - self._last_activity_ns >= QUIET_NS:
            self._sent = self._served = 0
        self.next_timeout_ns = now_ns if self._allowed_ns is None else max(now_ns, self._allowed_ns)

    def on_key_frame(self, now_ns: int) -> None:
        """Note that a key frame began to arrive: it serves everybody who was waiting."""
        if self.next_timeout_ns is None:
            return
        self.next_timeout_ns = None
        self._last_activity_ns = now_ns
        self._allowed_ns = self._last_sent_ns + _pick(SERVED_SPACINGS_NS, self._served)
        self._served += 1
        self._sent = 0

    def cancel(self) -> None:
        """Note that nobody waits any more."""
        self.next_timeout_ns = None

    def poll(self, now_ns: int) -> bool:
        """Tell whether to send a request now; True counts it as sent."""
        if self.next_timeout_ns is None or now_ns < self.next_timeout_ns:
            return False
        self._last_sent_ns = self._last_activity_ns = now_ns
        self._allowed_ns = self.next_timeout_ns = now_ns + _pick(REPEAT_SPACINGS_NS, self._sent)
        self._sent += 1
        return True


def _pick(spacings_ns: tuple[int, ...], count: int) -> int:
    return spacings_ns[min(count, len(spacings_ns) - 1)]
