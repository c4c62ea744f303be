"""What one connection's place in the table means for its client."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sidecar.classroom.errors import ClassroomError, Fault
from sidecar.signaling.connection_table import ConnectionTable, Place
from sidecar.signaling.gate import Judge
from sidecar.signaling.messages import JoinData

if TYPE_CHECKING:
    from sidecar.classroom.peer import Peer


class Standing:
    """Keeps the table up to date about one connection, and has its client kept out if need be.

    Args:
        table: Of all connections.
        place: That of this one.
        judge: Who may come in, and as what.
    """

    def __init__(self, table: ConnectionTable, place: Place, judge: Judge) -> None:
        self._table = table
        self._place = place
        self._judge = judge

    @property
    def is_refused(self) -> bool:
        """Whether the connection is to be closed: it is one too many."""
        return self._place.is_refused

    def judge(self, remote_address: str | None, data: JoinData, own: Peer | None = None) -> bool:
        """See ``Judge``."""
        is_proven = self._judge(remote_address, data, own)
        is_rejoined = own is not None
        if not self._table.admits(self._place, is_proven=is_proven, is_rejoined=is_rejoined):
            raise ClassroomError(Fault.SERVER_FULL)
        return is_proven

    def note(self, *, has_joined: bool) -> None:
        """Hear whether the client is in a room now."""
        self._table.note(self._place, has_joined=has_joined)
