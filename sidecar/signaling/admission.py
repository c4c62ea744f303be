"""Letting a newcomer in, also past somebody whose connection is dead.

An app that crashed or lost its network leaves a connection behind that looks alive for a while.
Whoever stands in a newcomer's way is therefore pinged, and loses the place if no pong comes.
"""

from __future__ import annotations

from sidecar.classroom.errors import ClassroomError, Fault
from sidecar.classroom.peer import Peer
from sidecar.signaling.messages import JoinData
from sidecar.signaling.registry import Member, Registry, Seat
from sidecar.signaling.teacher_rule import TeacherRule


async def admit(
    registry: Registry, rule: TeacherRule, newcomer: Member, data: JoinData
) -> Seat | None:
    """Give the newcomer a place, once nobody is in the way.

    Between looking and acting nothing is awaited, and after each ping everything is looked at
    anew: the room may have changed in any way meanwhile.

    Returns:
        The seat; None if the newcomer's connection was closed while somebody was pinged.

    Raises:
        ClassroomError: Who is in the way is alive, the room is full, or the newcomer is not
            believed to be the teacher.
        SfuError: The room would be new and can't be had.
    """
    if data.is_teacher and not rule.allows(newcomer.remote_address, data.token):
        raise ClassroomError(Fault.TEACHER_NOT_ALLOWED)
    with registry.expecting(data.room_id):
        while conflict := registry.conflict(data.room_id, data.peer_id, data.is_teacher):
            is_alive = await conflict.seat.member.is_alive()
            if not newcomer.is_open:
                return None
            if not registry.is_taken(conflict.seat):
                continue
            if is_alive:
                raise ClassroomError(conflict.fault)
            registry.evict(conflict.seat)
    peer = Peer(data.peer_id, data.name, data.is_teacher)
    return registry.enter(data.room_id, peer, newcomer)
