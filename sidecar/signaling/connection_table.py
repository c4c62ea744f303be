"""Which connections there are, and who gives way to whom when there are too many."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sidecar.limits import Limits
from sidecar.signaling.source import source_of
from sidecar.signaling.tally import Tally

_logger: Final = logging.getLogger(__name__)

RESERVED_CONNECTIONS: Final = 16
"""Beyond the others: whoever gets one of these may only join as a proven teacher."""


@dataclass(eq=False, slots=True)
class Place:
    """One connection, from its socket's acceptance to its end.

    Attributes:
        origin: Its address, or that of its network, as far as one client can't choose it.
        give_way: Cuts the connection.
        is_own: Whether it comes from this computer.
        is_reserved: Whether it may only join as a proven teacher.
        is_refused: Whether it has tried to join as somebody else, and is to be closed.
        has_joined: Whether it is in a room; otherwise it gives way to others.
        is_proven: Whether it has proven to be a teacher; it never gives way any more.
    """

    origin: str
    give_way: Callable[[], None]
    is_own: bool = False
    is_reserved: bool = False
    is_refused: bool = False
    has_joined: bool = False
    is_proven: bool = False


class ConnectionTable:
    """Gives a place to each connection, in the order of their coming.

    Those that have not joined a room are the ones that can be spared: when there are too many of
    them, or of all, the one that has waited longest gives way, of whoever has most of them. So a
    client that connects and joins gets in, whatever others keep open.

    Args:
        limits: How many there may be.
        capacity: How many the system can hold, the reserved ones included; None if any number.
        is_own_address: Whether an IP address is one of this machine's.
    """

    def __init__(
        self, limits: Limits, capacity: int | None, is_own_address: Callable[[str], bool]
    ) -> None:
        self._max_places = limits.max_connections
        if capacity is not None:
            self._max_places = max(1, min(self._max_places, capacity - RESERVED_CONNECTIONS))
        self._max_waiting = min(limits.max_unjoined_connections, self._max_places)
        self._max_per_origin = limits.max_connections_per_address
        self._is_own_address = is_own_address
        self._places: dict[str, set[Place]] = {}
        self._waiting: dict[str, dict[Place, None]] = {}
        self._reserved: dict[Place, None] = {}
        self._count = 0
        self._waiting_count = 0
        self._refused = Tally(_logger, "%d connections more than there may be were cut off")

    @property
    def refused(self) -> int:
        """How many connections have been cut off because there may be no more of them."""
        return self._refused.total

    def __len__(self) -> int:
        return self._count + len(self._reserved)

    def take(self, address: str | None, give_way: Callable[[], None]) -> Place | None:
        """Give a new connection a place.

        Args:
            address: Where it comes from; None if unknown.
            give_way: Cuts it. Its place is released already then.

        Returns:
            None if there is none: it is to be cut at once.
        """
        place = Place(source_of(address), give_way, address is not None and self._is_own(address))
        if self._waiting_count >= self._max_waiting:
            self._displace(self._longest_waiting())
        if self._has_room_for(place) or (self._make_room_for(place) and self._has_room_for(place)):
            self._seat(place)
            return place
        return self._reserve(place)

    def release(self, place: Place) -> None:
        """Take back the place of a connection that has ended; harmless if it has none any more."""
        if place.is_reserved:
            self._reserved.pop(place, None)
            return
        of_origin = self._places.get(place.origin)
        if of_origin is None or place not in of_origin:
            return
        self._stop_waiting(place)
        self._count -= 1
        of_origin.remove(place)
        if not of_origin:
            del self._places[place.origin]
        self._vacate_reserved()

    def admits(self, place: Place, *, is_proven: bool, is_rejoined: bool = False) -> bool:
        """Whether a connection may join a room. If not, it is to be closed.

        Args:
            place: Its place.
            is_proven: Whether it is a teacher for sure.
            is_rejoined: Whether it takes the seat of another connection, which will end.
        """
        if is_proven:
            place.is_proven = True
            self._stop_waiting(place)
        elif place.is_reserved and not self._move_from_reserved(place) and not is_rejoined:
            place.is_refused = True
            return False
        return True

    def note(self, place: Place, *, has_joined: bool) -> None:
        """Hear whether a connection is in a room now."""
        if place.has_joined == has_joined:
            return
        place.has_joined = has_joined
        if has_joined:
            self._stop_waiting(place)
            self._vacate_reserved()
        elif not place.is_reserved and place in self._places.get(place.origin, ()):
            self._wait(place)

    def _is_own(self, address: str) -> bool:
        # Asked only of those who have many: it may take the system a while to say.
        of_origin = self._places.get(source_of(address), ())
        return len(of_origin) >= self._max_per_origin and self._is_own_address(address)

    def _has_room_for(self, place: Place) -> bool:
        of_origin = self._places.get(place.origin, ())
        if len(of_origin) >= self._max_per_origin and not place.is_own:
            return False
        return self._count < self._max_places

    def _make_room_for(self, place: Place) -> bool:
        of_origin = self._places.get(place.origin, ())
        if len(of_origin) >= self._max_per_origin and not place.is_own:
            victim = next(iter(self._waiting.get(place.origin, ())), None)
        else:
            victim = self._longest_waiting()
        return self._displace(victim)

    def _reserve(self, place: Place) -> Place | None:
        if len(self._reserved) >= RESERVED_CONNECTIONS:
            if not self._displace(self._longest_waiting_in_reserve()):
                self._refused.add()
                return None
        place.is_reserved = True
        self._reserved[place] = None
        return place

    def _vacate_reserved(self) -> None:
        """Have those who came back by a reserved place move where there is room by now."""
        for place in tuple(self._reserved):
            if place.has_joined and not place.is_proven:
                self._move_from_reserved(place)

    def _move_from_reserved(self, place: Place) -> bool:
        if place not in self._reserved or not self._has_room_for(place):
            return False
        del self._reserved[place]
        place.is_reserved = False
        self._seat(place)
        return True

    def _longest_waiting_in_reserve(self) -> Place | None:
        waiting = [each for each in self._reserved if not each.has_joined and not each.is_proven]
        of_origin = Counter(each.origin for each in waiting)
        # Of several with as many connections, max() takes the first: who has waited longest.
        return max(waiting, key=lambda each: of_origin[each.origin], default=None)

    def _seat(self, place: Place) -> None:
        self._places.setdefault(place.origin, set()).add(place)
        self._count += 1
        self._wait(place)

    def _longest_waiting(self) -> Place | None:
        most = max(self._waiting.values(), key=len, default=None)
        return None if most is None else next(iter(most))

    def _displace(self, place: Place | None) -> bool:
        if place is None:
            return False
        self.release(place)
        self._refused.add()
        place.give_way()
        return True

    def _wait(self, place: Place) -> None:
        if place.is_proven or place.has_joined:
            return
        self._waiting.setdefault(place.origin, {})[place] = None
        self._waiting_count += 1

    def _stop_waiting(self, place: Place) -> None:
        waiting = self._waiting.get(place.origin)
        if waiting is None or place not in waiting:
            return
        del waiting[place]
        self._waiting_count -= 1
        if not waiting:
            del self._waiting[place.origin]
