"""Rooms in other processes, as signalling needs them."""

from __future__ import annotations

from typing import Protocol

from sidecar.classroom.peer import Peer
from sidecar.signaling.client import Client
from sidecar.signaling.registry import Registry


class Representative(Protocol):
    """Stands for a client in the process that has its room, from its ``join`` on."""

    async def handle(self, frame: str | bytes) -> bool:
        """Have one frame answered there. On return all that was answered has been delivered.

        Returns:
            Whether the client has a seat there. If not, this representative's work is done.
        """

    async def media_silence_ns(self) -> int | None:
        """How long nothing has been heard of the client's media; None if nothing ever was."""

    def leave(self, how: str) -> None:
        """Give up the client's seat there, as when its connection has ended.

        Args:
            how: What ended it, in words.
        """


class Elsewhere(Protocol):
    """Knows the other processes, and decides which one a room lives in."""

    def find(self, room_id: str, peer_id: str) -> Peer | None:
        """Who is under an id in a room of another process, as far as is known here."""

    async def represent(
        self, client: Client, room_id: str, here: Registry, *, is_proven: bool
    ) -> Representative | None:
        """Look for the home of a room that a client wants to join, or choose one.

        Args:
            client: Who.
            room_id: The room.
            here: The rooms of this process.
            is_proven: Whether the client is a teacher for sure.

        Returns:
            Who speaks for the client there; None if the room's home is here. In that case nothing
            has been awaited since that was decided.

        Raises:
            ClassroomError: It would be one room too many.
        """
