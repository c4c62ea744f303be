"""A room full of synthetic peers that is emptied when a test is over, however it ends."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from tests.support.media_sources import H264Source
from tests.support.synthetic import (
    PeerOptions,
    SyntheticPeer,
    SyntheticStudent,
    SyntheticTeacher,
    eventually,
)

Peer = TypeVar("Peer", bound=SyntheticPeer)


class Classroom:
    """Lets synthetic peers into one room of an SFU.

    Args:
        url: Of the SFU's WebSocket.
        room_id: Of the room.
    """

    def __init__(self, url: str, room_id: str = "class") -> None:
        self._url = url
        self._room_id = room_id
        self._peers: list[SyntheticPeer] = []
        self._next_student = 1

    async def join_teacher(self, options: PeerOptions | None = None) -> SyntheticTeacher:
        """A teacher who has published nothing yet."""
        return await self._join(SyntheticTeacher, "teacher", options)

    async def join_student(self, options: PeerOptions | None = None) -> SyntheticStudent:
        """A student who consumes nothing yet."""
        number = self._next_student
        self._next_student += 1
        return await self._join(SyntheticStudent, f"student-{number}", options)

    async def teach(
        self, source: H264Source | None = None, options: PeerOptions | None = None
    ) -> SyntheticTeacher:
        """A teacher who sends video and audio."""
        teacher = await self.join_teacher(options)
        await teacher.share(source)
        return teacher

    async def attend(
        self, count: int, options: PeerOptions | None = None
    ) -> list[SyntheticStudent]:
        """Students who join all at once; each one sees and hears something already."""
        return list(await asyncio.gather(*(self._attend(options) for _ in range(count))))

    async def leave(self) -> None:
        """Let everybody leave."""
        leaving, self._peers = self._peers, []
        await asyncio.gather(*(peer.leave() for peer in leaving))

    async def _attend(self, options: PeerOptions | None) -> SyntheticStudent:
        student = await self.join_student(options)
        await student.watch()
        await eventually(lambda: student.video.packets > 0, student.describe)
        await eventually(lambda: student.audio.packets > 0, student.describe)
        return student

    async def _join(self, kind: type[Peer], peer_id: str, options: PeerOptions | None) -> Peer:
        peer = await kind.join(self._url, self._room_id, peer_id, options)
        self._peers.append(peer)
        return peer
