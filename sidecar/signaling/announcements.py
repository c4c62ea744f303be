"""Telling of new streams one at a time, to clients that can't take in more.

A client that has never given a request an ``id`` matches replies by their type alone, and handles
each ``newProducer`` on its own: two of them close together, and the ``consumed`` for the first is
taken for an answer to the second as well. Such a client is told of the next stream only when it
has consumed and resumed the one before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final, Protocol

PATIENCE_S: Final = 1.0
"""How long each of a client's steps with a stream may take until the next stream is announced."""


class Timer(Protocol):
    """What ``call_later`` of an event loop returns."""

    def cancel(self) -> None:
        """Not to be called back any more."""


class Announcements:
    """Announces streams in their order, while at most one is being taken in.

    A stream is *open* from when the client hears of it, or has consumed it, until the client
    resumes it, is refused it, or does nothing about any open stream for ``PATIENCE_S``.

    Args:
        deliver: Queues a message for the client.
        call_later: Calls back after so many seconds; the running loop's if None.
    """

    def __init__(
        self,
        deliver: Callable[[bytes], None],
        call_later: Callable[[float, Callable[[], None]], Timer] | None = None,
    ) -> None:
        self._deliver = deliver
        self._call_later = call_later or asyncio.get_running_loop().call_later
        self._timer: Timer | None = None
        self._held_back: dict[str, bytes] = {}
        self._open: set[str] = set()
        self._producer_of_consumer: dict[str, str] = {}

    def announce(self, producer_id: str, message: bytes) -> None:
        """Deliver the announcement of a stream, at once or when it is its turn."""
        self._held_back[producer_id] = message
        self._go_on()

    def holds_back(self, producer_id: str) -> bool:
        """Whether the client has not heard of a stream yet that it is to hear of."""
        return producer_id in self._held_back

    def closed(self, producer_id: str) -> None:
        """A stream has ended: who has not heard of it never will."""
        self._held_back.pop(producer_id, None)
        self._finish(producer_id)

    def listed(self, producer_ids: Iterable[str]) -> None:
        """The client has been given a list of streams: it consumes all of them, one by one."""
        for producer_id in producer_ids:
            self._held_back.pop(producer_id, None)
            self._open.add(producer_id)
        self._progress()

    def consumed(self, producer_id: str, consumer_id: str) -> None:
        """The client has got a consumer, and is about to resume it."""
        self._held_back.pop(producer_id, None)
        self._open.add(producer_id)
        # A client has one consumer of a stream: an earlier one is gone.
        earlier = [key for key, value in self._producer_of_consumer.items() if value == producer_id]
        for each in earlier:
            del self._producer_of_consumer[each]
        self._producer_of_consumer[consumer_id] = producer_id
        self._progress()

    def refused(self, producer_id: str) -> None:
        """The client can't have the stream."""
        self._finish(producer_id)

    def resumed(self, consumer_id: str) -> None:
        """The client has resumed a consumer, or has been told that it can't."""
        producer_id = self._producer_of_consumer.pop(consumer_id, None)
        if producer_id is not None:
            self._finish(producer_id)

    def release(self) -> None:
        """Deliver all that is held back: the client can tell replies apart."""
        self._give_up_waiting()
        held_back, self._held_back = self._held_back, {}
        for message in held_back.values():
            self._deliver(message)

    def forget(self) -> None:
        """Drop all that is held back: the client has left the room."""
        self._held_back.clear()
        self._give_up_waiting()

    def _finish(self, producer_id: str) -> None:
        if producer_id in self._open:
            self._open.remove(producer_id)
            self._progress()

    def _progress(self) -> None:
        """Give the client time for its next step, if there is one to wait for."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._open:
            self._timer = self._call_later(PATIENCE_S, self._lose_patience)
        else:
            self._producer_of_consumer.clear()
        self._go_on()

    def _go_on(self) -> None:
        if self._held_back and not self._open:
            producer_id = next(iter(self._held_back))
            self._deliver(self._held_back.pop(producer_id))
            self._open.add(producer_id)
            self._progress()

    def _lose_patience(self) -> None:
        self._give_up_waiting()
        self._go_on()

    def _give_up_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._open.clear()
        self._producer_of_consumer.clear()
