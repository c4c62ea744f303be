"""What is going on in a room, as plain values."""

from __future__ import annotations

from dataclasses import dataclass

from sidecar.classroom.peer import Direction, Peer
from sidecar.classroom.room import Room
from sidecar.sfu import TransportStats


@dataclass(frozen=True, slots=True)
class PeerSnapshot:
    """One person, with the statistics of their transports and of all that runs over these."""

    id: str
    name: str
    is_teacher: bool
    transports: dict[Direction, TransportStats]


@dataclass(frozen=True, slots=True)
class RoomSnapshot:
    """One room, its peers in the order of coming."""

    id: str
    peers: tuple[PeerSnapshot, ...]


def room_snapshot(room: Room) -> RoomSnapshot:
    """Look at a room without changing anything in it."""
    return RoomSnapshot(room.id, tuple(_peer_snapshot(peer) for peer in room.peers))


def _peer_snapshot(peer: Peer) -> PeerSnapshot:
    transports = {direction: each.stats() for direction, each in peer.transports.items()}
    return PeerSnapshot(peer.id, peer.name, peer.is_teacher, transports)
