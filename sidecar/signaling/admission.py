"""Letting a newcomer in, also past somebody whose connection is dead.

An app that crashed or lost its network leaves a connection behind that looks alive for a while.
Whoever stands in a newcomer's way is therefore pinged, and loses the place if no pong comes. A
proven teacher waits for none but another one: whoever else has the place loses it at once. So does
whoever has the seat that the newcomer shows the secret of: it is the newcomer's own.
"""

from __future__ import annotations

import secrets
from typing import Final

from sidecar.classroom.errors import ClassroomError
from sidecar.classroom.peer import Peer
from sidecar.signaling.messages import JoinData
from sidecar.signaling.registry import Member, Registry, Seat

MAX_PROBES: Final = 2
"""For how many others in turn a newcomer waits: two may be in the way of one teacher. More can only
be if others knock at the same place and get it first."""

REJOIN_TOKEN_BYTES: Final = 16


def is_rejoined(peer: Peer, data: JoinData) -> bool:
    """Whether a newcomer is a peer who is there, as the secret of its seat shows."""
    return peer.is_rejoined(is_teacher=data.is_teacher, token=data.rejoin_token)


async def admit(
    registry: Registry, newcomer: Member, data: JoinData, *, is_proven: bool
) -> Seat | None:
    """Give the newcomer a place, once nobody is in the way.

    Between looking and acting nothing is awaited, and after each ping everything is looked at
    anew: the room may have changed in any way meanwhile.

    Args:
        registry: Of the room.
        newcomer: Who knocks.
        data: What it says.
        is_proven: Whether it is a teacher for sure.

    Returns:
        The seat; None if the newcomer's connection was closed while somebody was pinged.

    Raises:
        ClassroomError: Who is in the way is alive or a teacher, or the room is full.
        SfuError: The room would be new and can't be had.
    """
    token = secrets.token_urlsafe(REJOIN_TOKEN_BYTES)
    peer = Peer(data.peer_id, data.name, data.is_teacher, is_proven, token)
    probes = 0
    with registry.expecting(data.room_id):
        own = registry.find(data.room_id, data.peer_id)
        if own is not None and is_rejoined(own.peer, data):
            registry.evict(own)
        while conflict := registry.conflict(data.room_id, peer.id, peer.is_teacher):
            occupant = conflict.seat.peer
            if peer.outranks(occupant):
                registry.evict(conflict.seat)
                continue
            is_hopeless = occupant.outranks(peer) or (occupant.is_teacher and not peer.is_teacher)
            if is_hopeless or probes == MAX_PROBES:
                raise ClassroomError(conflict.fault)
            probes += 1
            is_alive = await conflict.seat.member.is_alive()
            if not newcomer.is_open:
                return None
            if not registry.is_taken(conflict.seat):
                continue
            if is_alive:
                raise ClassroomError(conflict.fault)
            registry.evict(conflict.seat)
    return registry.enter(data.room_id, peer, newcomer)
