"""What the receivers of one producer may make its sender, and us, do for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sidecar.engine.allowance import Allowance

if TYPE_CHECKING:
    from sidecar.limits import Limits
    from sidecar.sfu.consumer import Consumer
    from sidecar.sfu.incoming import IncomingStream

KEY_FRAMES_AT_ONCE: Final = 3
"""So many a receiver may cause in a row: one that loses much needs more than one."""

KEY_FRAMES_FOR_ALL_AT_ONCE: Final = 12
"""So many all of them together may: a class that comes at once shares a few."""

REPLAYS_AT_ONCE: Final = 4

_MIN_SWEEP_RECEIVERS: Final = 256


class _Receiver:
    """One peer's share. Its consumers and transports may come and go: they share it."""

    __slots__ = ("key_frames", "replays")

    def __init__(self, limits: Limits) -> None:
        self.key_frames = Allowance(limits.max_key_frames_per_minute, KEY_FRAMES_AT_ONCE)
        self.replays = Allowance(limits.max_replays_per_minute, REPLAYS_AT_ONCE)

    def is_whole(self, now_ns: int) -> bool:
        return self.key_frames.is_whole(now_ns) and self.replays.is_whole(now_ns)


class Demands:
    """Key frames and replays that receivers want, each within an allowance of its own.

    A key frame costs the sender much, and everybody else some sharpness of the picture. So a wish
    that goes beyond the allowance waits until it is covered again, or until a key frame arrives
    for any other reason. Whoever wishes for what is on its way already pays nothing.

    All of them together have an allowance as well. When many, or one under many names, have used it
    up, whoever has a share of their own left waits for the next key frame with all others.

    Attributes:
        key_frame_wanted: The sender is to be asked for one.
    """

    def __init__(self, stream: IncomingStream, limits: Limits) -> None:
        self.key_frame_wanted = False
        self._stream = stream
        self._limits = limits
        self._for_all = Allowance(
            limits.max_key_frames_for_all_per_minute, KEY_FRAMES_FOR_ALL_AT_ONCE
        )
        self._receivers: dict[str, _Receiver] = {}
        self._sweep_at = _MIN_SWEEP_RECEIVERS
        self._deferred: dict[Consumer, int] = {}

    @property
    def next_timeout_ns(self) -> int | None:
        """When the first of those who wait for a key frame may have one."""
        if not self._deferred:
            return None
        own_ns = min(self._share(each).key_frames.next_ns for each in self._deferred)
        return max(own_ns, self._for_all.next_ns)

    def wish_key_frame(self, consumer: Consumer, now_ns: int) -> None:
        """Wants a key frame for a receiver, now or as soon as that is covered."""
        if not self.may_wish_key_frame(consumer, now_ns):
            self._deferred[consumer] = self._stream.key_frames

    def may_wish_key_frame(self, consumer: Consumer, now_ns: int) -> bool:
        """Wants one now, or, if that is not covered, not at all."""
        if self._is_on_its_way:
            return True
        own = self._of(consumer, now_ns).key_frames
        if own.next_ns > now_ns or not self._for_all.take(now_ns):
            return False
        own.take(now_ns)
        self.key_frame_wanted = True
        return True

    def take_key_frame_wanted(self, now_ns: int) -> bool:
        """Says whether the sender is to be asked, and forgets it."""
        if self._deferred:
            self._settle(now_ns)
        wanted, self.key_frame_wanted = self.key_frame_wanted, False
        return wanted

    def may_replay(self, consumer: Consumer, now_ns: int) -> bool:
        """Whether a receiver may be sent the past of the stream now; True counts."""
        return self._of(consumer, now_ns).replays.take(now_ns)

    def next_replay_ns(self, consumer: Consumer) -> int:
        """When it may."""
        return self._share(consumer).replays.next_ns

    def withdraw(self, consumer: Consumer) -> None:
        """Forgets the wishes of a consumer that has closed; what it has used stays used."""
        self._deferred.pop(consumer, None)

    @property
    def _is_on_its_way(self) -> bool:
        return self.key_frame_wanted or self._stream.awaits_key_frame

    def _settle(self, now_ns: int) -> None:
        for consumer, key_frames in list(self._deferred.items()):
            served = self._is_on_its_way or self._stream.key_frames != key_frames
            if served or not consumer.live or self.may_wish_key_frame(consumer, now_ns):
                del self._deferred[consumer]

    def _share(self, consumer: Consumer) -> _Receiver:
        """What a receiver may have; a whole share if nothing is known of it (any more)."""
        return self._receivers.get(consumer.transport.owner) or _Receiver(self._limits)

    def _of(self, consumer: Consumer, now_ns: int) -> _Receiver:
        """The same, to take from."""
        receiver = self._receivers.get(consumer.transport.owner)
        if receiver is None:
            if len(self._receivers) >= self._sweep_at:
                self._sweep(now_ns)
            receiver = self._receivers[consumer.transport.owner] = _Receiver(self._limits)
        return receiver

    def _sweep(self, now_ns: int) -> None:
        """Forgets who has used up nothing; not each time, so that it costs O(1) on average."""
        self._receivers = {
            owner: each for owner, each in self._receivers.items() if not each.is_whole(now_ns)
        }
        self._sweep_at = max(_MIN_SWEEP_RECEIVERS, 2 * len(self._receivers))
