"""Those of a producer's consumers who have just come, until they are up to date."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Final

from sidecar.engine.catch_up_pace import CatchUpPace
from sidecar.sfu.cohort import Cohort
from sidecar.sfu.replay import WORN_SHARE

if TYPE_CHECKING:
    from sidecar.sfu.consumer import Consumer
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

    def __init__(self, stream: IncomingStream, network: Network) -> None:
        """Begins with nobody.

        Args:
            stream: What they are fed from.
            network: Sends to many at once, and hears of mistakes of ours that one of them has
                brought to light.
        """
        self._stream = stream
        self._network = network
        self._new: dict[Consumer, None] = {}
        self._cohorts: list[Cohort] = []
        self._pace = CatchUpPace()
        self._last_start_ns = -MANY_NS

    @property
    def next_timeout_ns(self) -> int | None:
        """When there is a next instalment to send."""
        return self._pace.next_timeout_ns

    @property
    def is_busy(self) -> bool:
        """Whether `poll` has anything to do."""
        return bool(self._new or self._cohorts)

    def add(self, consumer: Consumer) -> None:
        """Takes in one that has become live; `poll` starts it, once however often it came."""
        self._new[consumer] = None

    def poll(self, now_ns: int) -> bool:
        """Starts those who have come, and sends the next instalment to those who are behind.

        To be called when everything that has arrived has been forwarded: whoever is up to date
        then gets what arrives next by way of the others.

        Returns:
            Whether a new key frame is needed.
        """
        key_frame_needed = self._start(now_ns) | self._replay(now_ns)
        if self._new and not self._cohorts:  # nobody is left to wait with
            key_frame_needed |= self._start(now_ns) | self._replay(now_ns)
        return key_frame_needed

    def _start(self, now_ns: int) -> bool:
        if self._cohorts and now_ns - self._last_start_ns < GATHER_NS:
            return False
        came, self._new = self._new, {}
        new = [each for each in came if each.live and not each.stream.has_started]
        if not new:
            return False
        key_frame_needed = False
        start = self._stream.find_replay_start()
        alike: dict[Hashable, list[Consumer]] = {}
        for consumer in new:
            among_many = now_ns - self._last_start_ns < MANY_NS
            self._last_start_ns = now_ns
            try:
                begun = start is not None and consumer.stream.begin_replay(start, now_ns)
            except Exception as error:  # a mistake of ours must not take the class with it
                self._network.report_defect(consumer.transport, error)
                continue
            if start is None or not begun:
                key_frame_needed = True
                continue
            alike.setdefault(consumer.stream.replayed_alike, []).append(consumer)
            key_frame_needed |= among_many and start.wear > WORN_SHARE
        if start is not None and alike:
            self._pace.start(now_ns)
            self._cohorts += [
                Cohort(members, start.first.ext_seq, self._stream, self._network)
                for members in alike.values()
            ]
        return key_frame_needed

    def _replay(self, now_ns: int) -> bool:
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
        return overtaken

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
