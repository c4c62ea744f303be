"""How fast receivers that start in the past of a stream are brought up to its present."""

from __future__ import annotations

from typing import Final

STEP_NS: Final = 5_000_000
"""Between two instalments: as often as a browser's pacer sends."""

EXTRA_BPS: Final = 40_000_000
"""What one receiver gets at most beyond the stream's own rate.

A key frame of 125 kB is there after 25 ms. One instalment are some 25 packets: a browser's socket
has room for about 50.
"""

MAX_ELAPSED_NS: Final = 50_000_000
"""Of what the stream has brought since the last instalment, what lies further back has to wait."""

TOTAL_EXTRA_BPS: Final = 160_000_000
"""What all of them get together: no more than a class of 32 takes of 5 Mbit/s each."""

_NS_PER_S: Final = 1_000_000_000


class CatchUpPace:
    """Tells when to send the next instalment to each receiver, and how much.

    Everybody gets what the stream has brought since the last instalment, for else they would never
    catch up, and an equal share of what may be sent beyond it. A process that is short of time
    makes fewer instalments; then they are larger by the stream's part, not by the extra one.

    Attributes:
        next_timeout_ns: when the next instalment is due; None while there is nobody.
    """

    __slots__ = ("_last_ns", "next_timeout_ns")

    def __init__(self) -> None:
        self.next_timeout_ns: int | None = None
        self._last_ns = 0

    def start(self, now_ns: int) -> None:
        """Note that somebody starts: a first instalment is due at once if nobody was there."""
        if self.next_timeout_ns is None:
            self.next_timeout_ns = now_ns
            self._last_ns = now_ns - STEP_NS

    def stop(self) -> None:
        """Note that nobody is left."""
        self.next_timeout_ns = None

    def instalment_bytes(self, receivers: int, stream_bps: int, now_ns: int) -> int:
        """Return what each receiver gets now, 0 if it is too early; the rest waits.

        Args:
            receivers: how many there are, at least one.
            stream_bps: the rate of the stream.
            now_ns: the time.
        """
        if self.next_timeout_ns is None or now_ns < self.next_timeout_ns:
            return 0
        elapsed_ns = min(now_ns - self._last_ns, MAX_ELAPSED_NS)
        self.next_timeout_ns = now_ns + STEP_NS
        self._last_ns = now_ns
        extra_bps = min(EXTRA_BPS, TOTAL_EXTRA_BPS // receivers)
        return (stream_bps * elapsed_ns + extra_bps * STEP_NS) // (8 * _NS_PER_S)
