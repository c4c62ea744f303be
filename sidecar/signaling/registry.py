"""Which rooms there are, and which connection stands for which peer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, Protocol

from sidecar.classroom.errors import ClassroomError, Fault
from sidecar.classroom.events import Event
from sidecar.classroom.peer import Peer
from sidecar.classroom.policy import Policy
from sidecar.classroom.room import Room
from sidecar.classroom.usage import room_fault
from sidecar.limits import Limits
from sidecar.sfu import Worker
from sidecar.signaling import attendance
from sidecar.signaling.replies import encode_event


class Member(Protocol):
    """The connection of a peer."""

    @property
    def is_open(self) -> bool:
        """Whether its client can still hear and be heard."""

    @property
    def local_address(self) -> str | None:
        """Our address that its client reached; None if unknown."""

    @property
    def remote_address(self) -> str | None:
        """Where its client is; None if unknown."""

    async def is_alive(self) -> bool:
        """Ask its client for a sign of life, for at most the probe timeout."""

    def tell(self, event: Event, message: bytes) -> None:
        """Have its client hear of an event, given as JSON as well; never blocks, never raises."""

    def unseat(self) -> None:
        """Hear that somebody else takes the place: the connection is to be closed."""


class Observer(Protocol):
    """Sees who comes and goes, in all rooms."""

    def joined(self, room_id: str, peer: Peer) -> None:
        """Somebody took a place."""

    def left(self, room_id: str, peer: Peer) -> None:
        """Somebody gave up their place, or lost it."""


class Seat(NamedTuple):
    """A peer's place in a room."""

    room: Room
    peer: Peer
    member: Member


class Conflict(NamedTuple):
    """Who is in the way of a newcomer, and what the newcomer hears if they stay."""

    seat: Seat
    fault: Fault


class Registry:
    """Makes a room when its first peer comes and closes it when its last one has left.

    Args:
        worker: Makes a router for each room.
        policy: The rules of all rooms.
        limits: What clients may use.
        observer: Who is to see what happens, if anybody.
    """

    def __init__(
        self, worker: Worker, policy: Policy, limits: Limits, observer: Observer | None = None
    ) -> None:
        self._observer = observer
        self._worker = worker
        self._policy = policy
        self._limits = limits
        self._rooms: dict[str, Room] = {}
        self._seats: dict[Peer, Seat] = {}
        self._expected: Counter[str] = Counter()

    @property
    def rooms(self) -> tuple[Room, ...]:
        """Every room, oldest first."""
        return tuple(self._rooms.values())

    @property
    def peers(self) -> int:
        """How many have a place, in all rooms."""
        return len(self._seats)

    @property
    def producers(self) -> int:
        """How many streams are sent, in all rooms."""
        return sum(room.producers_count for room in self._rooms.values())

    @property
    def consumers(self) -> int:
        """How many streams are received, in all rooms."""
        return sum(room.consumers_count for room in self._rooms.values())

    def holds(self, room_id: str) -> bool:
        """Whether a room is here, or will be as soon as somebody who waits is let in."""
        return room_id in self._rooms or room_id in self._expected

    @contextmanager
    def expecting(self, room_id: str) -> Iterator[None]:
        """Count a room as held while a newcomer waits for a place in it."""
        self._expected[room_id] += 1
        try:
            yield
        finally:
            self._expected[room_id] -= 1
            if not self._expected[room_id]:
                del self._expected[room_id]

    def find(self, room_id: str, peer_id: str) -> Seat | None:
        """The seat of a peer, if it has one."""
        room = self._rooms.get(room_id)
        peer = room.find(peer_id) if room is not None else None
        return self._seats[peer] if peer is not None else None

    def conflict(self, room_id: str, peer_id: str, is_teacher: bool) -> Conflict | None:
        """Who is in the way of a newcomer, if anybody."""
        room = self._rooms.get(room_id)
        conflict = room.conflict(peer_id, is_teacher) if room is not None else None
        return Conflict(self._seats[conflict[0]], conflict[1]) if conflict is not None else None

    def enter(self, room_id: str, peer: Peer, member: Member) -> Seat:
        """Give a peer a place.

        Raises:
            ClassroomError: Somebody is in the way, the room is full, or it would be one too many.
            SfuError: The room would be new and can't be had.
        """
        room = self._rooms.get(room_id) or self._open(room_id, peer)
        room.add(peer)
        seat = self._seats[peer] = Seat(room, peer, member)
        attendance.joined(room_id, peer, member.remote_address)
        if self._observer is not None:
            self._observer.joined(room_id, peer)
        return seat

    def leave(self, seat: Seat, how: str = "") -> None:
        """Give up a place that is taken.

        Args:
            seat: The place.
            how: What ended it, in words.
        """
        del self._seats[seat.peer]
        seat.room.remove(seat.peer)
        attendance.left(seat.room.id, seat.peer, seat.member.remote_address, how)
        if not seat.room.peers:
            del self._rooms[seat.room.id]
            seat.room.close()
            attendance.closed(seat.room.id)
        if self._observer is not None:
            self._observer.left(seat.room.id, seat.peer)

    def offer_ice_restarts(self) -> None:
        """Have everybody offered new ICE credentials: no link can be relied on any more."""
        for room in self._rooms.values():
            room.offer_ice_restarts()

    def evict(self, seat: Seat) -> None:
        """Take away a place that is taken."""
        seat.member.unseat()
        self.leave(seat, "somebody else took the place")

    def is_taken(self, seat: Seat) -> bool:
        """Whether its peer is still there."""
        return seat.peer in self._seats

    def _open(self, room_id: str, first: Peer) -> Room:
        fault = room_fault(len(self._rooms), self._limits, is_proven=first.is_proven)
        if fault is not None:
            raise ClassroomError(fault)
        router = self._worker.create_router()
        room = Room(room_id, router, self._policy, self._limits, self, self._deliver)
        self._rooms[room_id] = room
        attendance.opened(room_id)
        return room

    def _deliver(self, recipients: Sequence[Peer], event: Event) -> None:
        if recipients:
            message = encode_event(event)
            for peer in recipients:
                self._seats[peer].member.tell(event, message)
