"""How much of a room, and of the whole process, peers may use."""

from __future__ import annotations

from typing import Final, Protocol

from sidecar.classroom.errors import Fault
from sidecar.classroom.peer import Peer
from sidecar.limits import Limits

ROOMS_FOR_TEACHERS: Final = 2
"""How many times as many rooms there may be, so that others keep no proven teacher out."""


class Totals(Protocol):
    """What there is in all rooms of this process."""

    @property
    def producers(self) -> int:
        """How many streams are sent."""

    @property
    def consumers(self) -> int:
        """How many streams are received."""


def room_fault(rooms: int, limits: Limits, *, is_proven: bool) -> Fault | None:
    """Why there may not be one more room; None if there may.

    Args:
        rooms: How many there are.
        limits: How many there may be.
        is_proven: Whether it would be that of a proven teacher.
    """
    most = limits.max_rooms * (ROOMS_FOR_TEACHERS if is_proven else 1)
    return None if rooms < most else Fault.TOO_MANY_ROOMS


def produce_fault(peer: Peer, limits: Limits, totals: Totals) -> Fault | None:
    """Why a peer may not send one more stream; None if it may."""
    is_one_too_many = len(peer.producers) >= limits.max_producers_per_peer or (
        totals.producers >= limits.max_producers and not peer.is_proven
    )
    return Fault.TOO_MANY_PRODUCERS if is_one_too_many else None


def consume_fault(peer: Peer, limits: Limits, totals: Totals) -> Fault | None:
    """Why a peer may not receive one more stream; None if it may."""
    is_one_too_many = len(peer.consumers) >= limits.max_consumers_per_peer or (
        totals.consumers >= limits.max_consumers and not peer.is_proven
    )
    return Fault.TOO_MANY_CONSUMERS if is_one_too_many else None
