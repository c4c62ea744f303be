"""Which lost packets to ask a sender for again, and when (generic NACK, RFC 4585 6.2.1)."""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import takewhile
from typing import Final

from sidecar.engine.budget import Budget

DEFAULT_RTT_NS: Final = 100_000_000
MAX_RTT_NS: Final = 1_000_000_000
MIN_RETRY_INTERVAL_NS: Final = 20_000_000
MAX_HOLE_AGE_NS: Final = 2_000_000_000
MAX_HOLES: Final = 1000
MAX_HOLES_PER_S: Final = 1000
"""On average. A sender that jumps ahead with every packet would else keep us busy with each."""

MAX_SKIP_NS: Final = 1_000_000_000
"""After packets were refused, for so long the next gap is taken to be theirs."""

MAX_REQUESTS_PER_PACKET: Final = 10
MAX_PACKETS_PER_POLL: Final = 250
"""Even with every PID/BLP pair naming a single packet, 250 of them fit into one datagram."""


class _Hole:
    """A packet that is missing."""

    __slots__ = ("asked_ns", "found_ns", "requests")

    def __init__(self, now_ns: int) -> None:
        self.found_ns = now_ns
        self.asked_ns = now_ns
        self.requests = 0


class NackGenerator:
    """Watches one stream for holes.

    A hole is asked for at once, then again every ``max(RTT, 20 ms)``, at most 10 times and for
    at most 2 s. What cannot be repaired that way (given up, or more than 1000 packets missing)
    needs a key frame; :meth:`take_key_frame_needed` tells.

    The round-trip time is learnt from the answers: a receiver of RTP has no other way to know it
    without extended reports. Only retransmissions that were asked for once count, as the answer
    to a repeated question does not say which one it answers (Karn's algorithm).

    Attributes:
        next_timeout_ns: when :meth:`poll` has packets to ask for; None while nothing is missing.
    """

    __slots__ = (
        "_due",
        "_expected",
        "_holes",
        "_key_frame_needed",
        "_openings",
        "_rtt_ns",
        "_skip_until_ns",
        "next_timeout_ns",
    )

    def __init__(self, rtt_ns: int = DEFAULT_RTT_NS) -> None:
        self.next_timeout_ns: int | None = None
        self._expected = -1
        self._holes: dict[int, _Hole] = {}
        self._due: list[tuple[int, int]] = []  # a heap: when to ask for which hole
        self._openings = Budget(MAX_HOLES_PER_S, 2 * MAX_HOLES_PER_S)
        self._key_frame_needed = False
        self._rtt_ns = rtt_ns
        self._skip_until_ns = 0

    @property
    def rtt_ns(self) -> int:
        """The smoothed time from a request to its answer (the 7/8 filter of RFC 6298)."""
        return self._rtt_ns

    def on_packet(self, ext_seq: int, now_ns: int, recovered: bool = False) -> bool:
        """Note a packet received; ``recovered`` says that it came as a retransmission (RTX).

        Returns:
            True when it was missing.
        """
        if ext_seq == self._expected:
            self._expected = ext_seq + 1
            return False
        if self._expected < 0:
            self._expected = ext_seq + 1
            return False
        if ext_seq > self._expected:
            self._open_holes(ext_seq, now_ns)
            self._expected = ext_seq + 1
            return False
        hole = self._holes.pop(ext_seq, None)
        if hole is None:
            return False
        if recovered and hole.requests == 1:
            answer_ns = min(now_ns - hole.asked_ns, MAX_RTT_NS)
            self._rtt_ns = (self._rtt_ns * 7 + answer_ns) // 8
        self._stop_when_complete()
        return True

    def on_key_frame(self, ext_seq: int) -> None:
        """Forget the holes before a key frame that begins at ``ext_seq``: nobody needs them."""
        unneeded = list(takewhile(ext_seq.__gt__, self._holes))  # they ascend
        for seq in unneeded:
            del self._holes[seq]
        self._stop_when_complete()

    def skip_gap(self, now_ns: int) -> None:
        """Note that packets were refused: the gap that they leave is not to be asked for.

        What is missing by now is given up as well, and a key frame needed.
        """
        self._skip_until_ns = now_ns + MAX_SKIP_NS
        self._give_up(now_ns)

    def poll(self, now_ns: int) -> list[int]:
        """Return the packets to ask for now: extended numbers, at most 250, oldest hole first."""
        if self.next_timeout_ns is None or now_ns < self.next_timeout_ns:
            return []
        holes, queue = self._holes, self._due
        retry_ns = now_ns + max(self._rtt_ns, MIN_RETRY_INTERVAL_NS)
        asked: list[int] = []
        while queue and len(asked) < MAX_PACKETS_PER_POLL:
            due_ns, seq = queue[0]
            hole = holes.get(seq)
            if hole is not None and due_ns > now_ns:
                break
            heappop(queue)
            if hole is None:
                continue  # it has been filled meanwhile
            if self._is_hopeless(hole, now_ns):
                del holes[seq]
                self._key_frame_needed = True
                continue
            hole.requests += 1
            hole.asked_ns = now_ns
            heappush(queue, (retry_ns, seq))
            asked.append(seq)
        self.next_timeout_ns = max(queue[0][0], now_ns) if queue else now_ns
        self._stop_when_complete()
        return sorted(asked)

    def take_key_frame_needed(self) -> bool:
        """Tell, once, whether something was lost that only a key frame repairs."""
        needed = self._key_frame_needed
        self._key_frame_needed = False
        return needed

    def _open_holes(self, ext_seq: int, now_ns: int) -> None:
        if now_ns < self._skip_until_ns:
            self._skip_until_ns = 0
            return
        missing = ext_seq - self._expected
        too_many = len(self._holes) + missing > MAX_HOLES
        if too_many or not self._openings.take(missing, now_ns):
            self._give_up(now_ns)
            return
        for seq in range(self._expected, ext_seq):
            self._holes[seq] = _Hole(now_ns)
            heappush(self._due, (now_ns, seq))
        self.next_timeout_ns = now_ns

    def _give_up(self, now_ns: int) -> None:
        """Ask for nothing that is missing now, but for a key frame."""
        self._holes.clear()
        self._due.clear()
        self._key_frame_needed = True
        self.next_timeout_ns = now_ns

    def _is_hopeless(self, hole: _Hole, now_ns: int) -> bool:
        return hole.requests >= MAX_REQUESTS_PER_PACKET or now_ns - hole.found_ns > MAX_HOLE_AGE_NS

    def _stop_when_complete(self) -> None:
        if not self._holes:
            self._due.clear()
            self.next_timeout_ns = None
