"""Those of a producer's consumers who have just come, until they are up to date."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from sidecar.engine.catch_up_pace import CatchUpPace
from sidecar.sfu.incoming import IncomingStream
from sidecar.sfu.replay import WORN_SHARE

if TYPE_CHECKING:
    from sidecar.sfu.consumer import Consumer

MANY_NS: Final = 1_000_000_000
"""Two who come within this time are taken for the first of many."""


class Starting:
    """Starts consumers: from the buffer where that is possible, else with a new key frame.

    While consumers keep coming, a new key frame is asked for before the old one gets too old to
    start anybody with. So those who come in the meantime need not wait for it, and one key frame
    serves all who come within a second.

    Attributes:
        replaying: Who is being brought up to date.
    """

    def __init__(
        self, stream: IncomingStream, on_defect: Callable[[Consumer, Exception], None]
    ) -> None:
        """Begins with nobody.

        Args:
            stream: What they are fed from.
            on_defect: Told of a mistake of ours that one of them has brought to light.
        """
        self.replaying: tuple[Consumer, ...] = ()
        self._stream = stream
        self._on_defect = on_defect
        self._new: list[Consumer] = []
        self._pace = CatchUpPace()
        self._last_start_ns = -MANY_NS

    @property
    def next_timeout_ns(self) -> int | None:
        """When there is a next instalment to send."""
        return self._pace.next_timeout_ns

    @property
    def is_busy(self) -> bool:
        """Whether `poll` has anything to do."""
        return bool(self._new or self.replaying)

    def add(self, consumer: Consumer) -> None:
        """Takes in one that has become live; `poll` starts it."""
        self._new.append(consumer)

    def poll(self, now_ns: int) -> bool:
        """Starts those who have come, and sends the next instalment to those who are behind.

        To be called when everything that has arrived has been forwarded: whoever is up to date
        then gets what arrives next by way of the others.

        Returns:
            Whether a new key frame is needed.
        """
        key_frame_needed = self._start(now_ns)
        if self.replaying:
            key_frame_needed |= self._replay(now_ns)
        if not self.replaying:
            self._pace.stop()
        return key_frame_needed

    def _start(self, now_ns: int) -> bool:
        new, self._new = self._new, []
        new = [each for each in new if each.live and not each.stream.has_started]
        if not new:
            return False
        key_frame_needed = False
        start = self._stream.find_replay_start()
        for consumer in new:
            among_many = now_ns - self._last_start_ns < MANY_NS
            self._last_start_ns = now_ns
            if start is None or not consumer.stream.begin_replay(start, now_ns):
                key_frame_needed = True
                continue
            self.replaying += (consumer,)
            self._pace.start(now_ns)
            key_frame_needed |= among_many and start.wear > WORN_SHARE
        return key_frame_needed

    def _replay(self, now_ns: int) -> bool:
        # Who has been paused or closed meanwhile starts anew, if ever.
        self.replaying = tuple(each for each in self.replaying if each.is_replaying)
        if not self.replaying:
            return False
        stream_bps = self._stream.bits_per_second(now_ns)
        size_bytes = self._pace.instalment_bytes(len(self.replaying), stream_bps, now_ns)
        if not size_bytes:
            return False
        for consumer in self.replaying:
            try:
                consumer.replay(size_bytes, now_ns)
            except Exception as error:  # a mistake of ours must not take the class with it
                self._on_defect(consumer, error)
        behind = tuple(each for each in self.replaying if each.is_replaying)
        overtaken = any(not each.stream.has_started for each in self.replaying)
        self.replaying = behind
        return overtaken
