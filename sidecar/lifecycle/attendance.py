"""Telling the starter who comes and goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sidecar.lifecycle.events import PeerJoined, PeerLeft
from sidecar.lifecycle.starter import Starter

if TYPE_CHECKING:
    from sidecar.classroom.peer import Peer


class Attendance:
    """Implements ``sidecar.signaling.registry.Observer``."""

    def __init__(self, starter: Starter) -> None:
        self._starter = starter

    def joined(self, room_id: str, peer: Peer) -> None:
        """Tell of somebody who came."""
        self._starter.tell(
            PeerJoined(room_id=room_id, peer_id=peer.id, name=peer.name, is_teacher=peer.is_teacher)
        )

    def left(self, room_id: str, peer: Peer) -> None:
        """Tell of somebody who left."""
        self._starter.tell(
            PeerLeft(room_id=room_id, peer_id=peer.id, name=peer.name, is_teacher=peer.is_teacher)
        )
