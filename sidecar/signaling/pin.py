"""A PIN that students need to come in, and what trying it out costs."""

from __future__ import annotations

import hmac
import math
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from sidecar.classroom.errors import ClassroomError, Fault
from sidecar.signaling.limits import TokenBucket
from sidecar.signaling.source import source_of

TRIES_INTERVAL_S: Final = 300.0

MAX_ADDRESSES: Final = 4096
"""Of how many addresses wrong tries are remembered: those that tried last."""


class PinRule:
    """Decides whether somebody who is no proven teacher may come in.

    Whoever is in stays in when the PIN changes.

    Args:
        pin: What everybody must say; "" if nothing.
        max_tries: How many wrong ones an address may give in ``TRIES_INTERVAL_S``. Right ones are
            not counted: a whole class may come from one address.
        clock: Monotonic, in seconds.
    """

    def __init__(self, pin: str, max_tries: int, clock: Callable[[], float]) -> None:
        self._pin = pin
        self._max_tries = max_tries
        self._clock = clock
        self._tries: OrderedDict[str, TokenBucket] = OrderedDict()

    def set(self, pin: str) -> None:
        """Ask for another PIN from now on; "" for none."""
        self._pin = pin

    def check(self, remote_address: str | None, pin: str | None) -> None:
        """Let somebody pass.

        Args:
            remote_address: Where they are; None if unknown.
            pin: What they say.

        Raises:
            ClassroomError: They don't say the PIN, or have tried too often to be listened to.
        """
        given = (pin or "").strip()
        if not self._pin:
            return
        if not given:
            raise ClassroomError(Fault.PIN_REQUIRED)
        source = source_of(remote_address)
        tries = self._tries.get(source)
        if tries is not None and (wait_s := tries.wait_s()) > 0:
            raise ClassroomError(Fault.TOO_MANY_PIN_TRIES, retry_after_s=math.ceil(wait_s))
        # In constant time: how long it takes must not tell how much of a guess is right.
        if not hmac.compare_digest(_bytes(given), _bytes(self._pin)):
            self._count(source)
            raise ClassroomError(Fault.WRONG_PIN)

    def _count(self, source: str) -> None:
        tries = self._tries.get(source)
        if tries is None:
            tries = TokenBucket(self._max_tries, TRIES_INTERVAL_S, self._clock)
            self._tries[source] = tries
        self._tries.move_to_end(source)
        tries.take()
        if len(self._tries) > MAX_ADDRESSES:
            self._tries.popitem(last=False)


def _bytes(text: str) -> bytes:
    return text.encode(errors="replace")
