"""Who may come in at all, whatever the room: decided once, where the connection is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sidecar.classroom.errors import ClassroomError, Fault
from sidecar.classroom.text import is_plain_id
from sidecar.signaling.messages import JoinData
from sidecar.signaling.pin import PinRule
from sidecar.signaling.teacher_rule import TeacherRule

if TYPE_CHECKING:
    from sidecar.classroom.peer import Peer


class Judge(Protocol):
    """Says who may come in. A room in another process is told only of the answer."""

    def __call__(self, remote_address: str | None, data: JoinData, own: Peer | None = None) -> bool:
        """Whether a newcomer is a proven teacher.

        Args:
            remote_address: Where it is; None if unknown.
            data: What it says.
            own: Whose seat it comes back to, as that seat's secret shows; None if to no one's.

        Raises:
            ClassroomError: It may not come in.
        """


class Gate:
    """Implements ``Judge``.

    Args:
        teacher_rule: Who is believed to be a teacher.
        pin_rule: What everybody but a proven teacher must know.
    """

    def __init__(self, teacher_rule: TeacherRule, pin_rule: PinRule) -> None:
        self._teacher_rule = teacher_rule
        self._pin_rule = pin_rule

    def __call__(self, remote_address: str | None, data: JoinData, own: Peer | None = None) -> bool:
        """See ``Judge``: who comes back is who it was."""
        if own is not None:
            return own.is_proven
        if not is_plain_id(data.room_id) or not is_plain_id(data.peer_id):
            raise ClassroomError(Fault.INVALID_ID)
        if data.is_teacher:
            if self._teacher_rule.proves(remote_address, data.token):
                return True
            if not self._teacher_rule.allows(remote_address, data.token):
                raise ClassroomError(Fault.TEACHER_NOT_ALLOWED)
        self._pin_rule.check(remote_address, data.pin)
        return False
