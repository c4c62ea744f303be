"""Those of a producer's consumers who have just come, until they are up to date."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Final

from sidecar.engine.catch_up_pace import CatchUpPace
from sidecar.sfu.cohort import Cohort
from sidecar.sfu.replay import WORN_SHARE, ReplayStart

if TYPE_CHECKING:
    from sidecar.sfu.consumer import Consumer
    from sidecar.sfu.demands import Demands
    from sidecar.sfu.incoming import IncomingStream
    from sidecar.sfu.network import Network

MANY_NS: Final = 1_000_000_000
"""Two who come within this time are taken for the first of many."""

GATHER_NS: Final = 20_000_000
"""For so long after the last start those who come wait for each other, unless nobody is behind."""


class Starting:
    """Starts consumers: from the buffer where that is possible, else with a new key frame.

    While consumers keep coming, a new key frame is asked for before the old one gets too old to
    start anybody with. So those who come in the meantime need not wait for it, and one key frame
    serves all who come within a second.

    Those who start at the same moment are a cohort: together they cost little more than one of
    them. So, while others are on their way, newcomers are gathered for a while.
    """

    def __init__(self, stream: IncomingStream, demands: Demands, network: Network) -> None:
        """Begins with nobody.

        Args:
            stream: What they are fed from.
            demands: Says what each of them may have, and is told when a key frame is needed.
            network: Sends to many at once, and hears of mistakes of ours that one of them has
                brought to light.
        """
        self._stream = stream
        self._demands = demands
        self._network = network
        self._new: dict[Consumer, None] = {}
        self._denied: dict[Consumer, int] = {}
        self._cohorts: list[Cohort] = []
        self._pace = CatchUpPace()
        self._last_start_ns = -MANY_NS

    @property
    def next_timeout_ns(self) -> int | None:
        """When there is a next instalment to send, or somebody may start."""
        denied_ns = min(self._denied.values(), default=None)
        pace_ns = self._pace.next_timeout_ns
        if denied_ns is None or pace_ns is None:
            return pace_ns if denied_ns is None else denied_ns
        return min(denied_ns, pace_ns)

    @property
    def is_busy(self) -> bool:
        """Whether `poll` has anything to do."""
        return bool(self._new or self._cohorts or self._denied)

    def add(self, consumer: Consumer) -> None:
        """Takes in one that has become live; `poll` starts it, once however often it came."""
        self._new[consumer] = None

    def remove(self, consumer: Consumer) -> None:
        """Forgets one that has closed."""
        self._new.pop(consumer, None)
        self._denied.pop(consumer, None)
        self._settle()
        if not self._cohorts:
            self._pace.stop()

    def poll(self, now_ns: int) -> None:
        """Starts those who have come, and sends the next instalment to those who are behind.

        To be called when everything that has arrived has been forwarded: whoever is up to date
        then gets what arrives next by way of the others.
        """
        if self._denied:
            self._admit(now_ns)
        self._start(now_ns)
        self._replay(now_ns)
        if self._new and not self._cohorts:  # nobody is left to wait with
            self._start(now_ns)
            self._replay(now_ns)

    def _admit(self, now_ns: int) -> None:
        """Takes in anew those who may have a replay now."""
        for consumer, allowed_ns in list(self._denied.items()):
            if allowed_ns <= now_ns:
                del self._denied[consumer]
                self._new[consumer] = None

    def _start(self, now_ns: int) -> None:
        if self._cohorts and now_ns - self._last_start_ns < GATHER_NS:
            return
        came, self._new = self._new, {}
        new = [each for each in came if each.live and not each.stream.has_started]
        if not new:
            return
        start = self._stream.find_replay_start()
        alike: dict[Hashable, list[Consumer]] = {}
        for consumer in new:
            try:
                if self._start_one(consumer, start, now_ns):
                    alike.setdefault(consumer.stream.replayed_alike, []).append(consumer)
            except Exception as error:  # a mistake of ours must not take the class with it
                self._network.report_defect(consumer.transport, error)
        if start is not None and alike:
            self._pace.start(now_ns)
            self._cohorts += [
                Cohort(members, start.first.ext_seq, self._stream, self._network)
                for members in alike.values()
            ]

    def _start_one(self, consumer: Consumer, start: ReplayStart | None, now_ns: int) -> bool:
        """Has one begin a replay, or wait for one or for a key frame."""
        demands = self._demands
        if start is None or not consumer.stream.can_replay(start):
            self._last_start_ns = now_ns
            demands.wish_key_frame(consumer, now_ns)
            return False
        if not demands.may_replay(consumer, now_ns):
            self._denied[consumer] = demands.next_replay_ns(consumer)
            return False
        among_many = now_ns - self._last_start_ns < MANY_NS
        self._last_start_ns = now_ns
        consumer.stream.begin_replay(start, now_ns)
        if among_many and start.wear > WORN_SHARE:
            demands.may_wish_key_frame(consumer, now_ns)
        return True

    def _replay(self, now_ns: int) -> None:
        receivers = self._settle()
        overtaken = False
        if receivers:
            stream_bps = self._stream.bits_per_second(now_ns)
            size_bytes = self._pace.instalment_bytes(receivers, stream_bps, now_ns)
            if size_bytes:
                overtaken = not all(
                    [self._advance(each, size_bytes, now_ns) for each in self._cohorts]
                )
                self._settle()
        if not self._cohorts:
            self._pace.stop()
        if overtaken:
            self._demands.key_frame_wanted = True

    def _settle(self) -> int:
        """Lets go of those who are not behind any more, and returns how many still are.

        Who has been paused or closed meanwhile starts anew, if ever.
        """
        sizes = [each.settle() for each in self._cohorts]
        self._cohorts = [each for each, size in zip(self._cohorts, sizes, strict=True) if size]
        return sum(sizes)

    def _advance(self, cohort: Cohort, size_bytes: int, now_ns: int) -> bool:
        try:
            return cohort.advance(size_bytes, now_ns)
        except Exception as error:  # a mistake of ours must not take the class with it
            for consumer in cohort.members:
                self._network.report_defect(consumer.transport, error)
            return True
