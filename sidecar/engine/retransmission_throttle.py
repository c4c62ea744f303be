"""A bound on what one receiver may make the SFU send again (RFC 4588 section 7)."""

from __future__ import annotations

from typing import Final

MIN_INTERVAL_NS: Final = 10_000_000

MAX_INTERVAL_NS: Final = 1_000_000_000
"""What a receiver reports can make the round trip look as long as it likes, and everything sent
again is remembered for so long."""

DEFAULT_RTT_NS: Final = 100_000_000
DEFAULT_BUDGET_BPS: Final = 4_000_000
_BURST_NS: Final = 1_000_000_000
_MIN_SWEEP_PACKETS: Final = 64
_NS_PER_S: Final = 1_000_000_000


class RetransmissionThrottle:
    """Allows a packet once per RTT (10 ms to 1 s), and a number of bits per second in all.

    A receiver that asks again before the answer can have reached it gets no second copy, and
    one whose link is too small for the stream is not given still more to carry.

    Args:
        rtt_ns: round-trip time to the receiver.
        budget_bps: what retransmissions may use, on average over a second.
    """

    __slots__ = ("_budget_bps", "_interval_ns", "_paid_until_ns", "_sent_ns", "_sweep_at")

    def __init__(self, rtt_ns: int = DEFAULT_RTT_NS, budget_bps: int = DEFAULT_BUDGET_BPS) -> None:
        self._budget_bps = budget_bps
        self._paid_until_ns: int | None = None
        self._sent_ns: dict[int, int] = {}
        self._sweep_at = _MIN_SWEEP_PACKETS
        self.set_rtt(rtt_ns)

    def set_rtt(self, rtt_ns: int) -> None:
        """Use another round-trip time from now on."""
        self._interval_ns = min(max(rtt_ns, MIN_INTERVAL_NS), MAX_INTERVAL_NS)

    def allow(self, ext_seq: int, size_bytes: int, now_ns: int) -> bool:
        """Tell whether the packet may be sent again now; True counts it as sent."""
        sent_ns = self._sent_ns.get(ext_seq)
        if sent_ns is not None and now_ns - sent_ns < self._interval_ns:
            return False
        if not self._spend(size_bytes, now_ns):
            return False
        if len(self._sent_ns) >= self._sweep_at:
            self._sweep(now_ns)
        self._sent_ns[ext_seq] = now_ns
        return True

    def _sweep(self, now_ns: int) -> None:
        """Forget what no longer matters; not each time, so that it costs O(1) on average."""
        limit_ns = now_ns - self._interval_ns
        self._sent_ns = {seq: sent for seq, sent in self._sent_ns.items() if sent > limit_ns}
        self._sweep_at = max(_MIN_SWEEP_PACKETS, 2 * len(self._sent_ns))

    def _spend(self, size_bytes: int, now_ns: int) -> bool:
        """Take from the budget: a token bucket kept as the time up to which it is paid for."""
        paid_until_ns = now_ns - _BURST_NS
        if self._paid_until_ns is not None:
            paid_until_ns = max(paid_until_ns, self._paid_until_ns)
        paid_until_ns += size_bytes * 8 * _NS_PER_S // self._budget_bps
        if paid_until_ns > now_ns:
            return False
        self._paid_until_ns = paid_until_ns
        return True
