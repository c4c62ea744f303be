"""A student of the soak test: takes whatever the teacher shows, as a frontend does."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from scripts.soaking.errors import SoakError
from tests.support.received_stream import ReceivedStream
from tests.support.signaling import ProtocolError
from tests.support.synthetic import PeerOptions, SyntheticStudent

CHEAPLY = PeerOptions(decrypt_every=16)
PICTURE_TIMEOUT_S = 20.0
PATIENCE_S = 0.25
FOREVER_S = 1e9
ATTEMPTS = 8
"""To join while the place is still taken by a connection that is dead."""


class Pupil:
    """Joins, watches, and goes on watching what is new.

    Args:
        url: Of the server.
        room_id: Of the class.
        name: Also the peer id.
        talks: Publishes a microphone.
    """

    def __init__(self, url: str, room_id: str, name: str, *, talks: bool) -> None:
        self.name = name
        self._url = url
        self._room_id = room_id
        self._talks = talks
        self._student: SyntheticStudent | None = None
        self._following: asyncio.Task[None] | None = None

    @property
    def student(self) -> SyntheticStudent:
        """The synthetic peer behind it."""
        if self._student is None:
            raise SoakError(f"{self.name} is not in the class")
        return self._student

    async def come(self) -> None:
        """Join and consume everything that there is.

        Raises:
            SoakError: The server does not let it in.
        """
        for attempt in range(ATTEMPTS):
            try:
                student = await SyntheticStudent.join(self._url, self._room_id, self.name, CHEAPLY)
                break
            except (ProtocolError, OSError) as error:
                if attempt == ATTEMPTS - 1:
                    raise SoakError(f"{self.name} is not let in: {error}") from error
                await asyncio.sleep(PATIENCE_S)
        self._student = student
        await student.watch()
        if self._talks:
            await student.publish("audio")
            if student.sending is not None:
                student.sending.start()
        self._following = asyncio.create_task(self._follow(student))

    async def leave(self) -> None:
        """Say good-bye."""
        await self._stop_following()
        await self.student.leave()

    async def vanish(self) -> None:
        """Be gone without a word."""
        await self._stop_following()
        await self.student.vanish()

    async def expect_picture(self) -> None:
        """Wait for packets of the newest picture, asking for a key frame as browsers do.

        Raises:
            SoakError: None come.
        """
        first = self._newest_picture()
        before = first.packets if first is not None else 0
        try:
            async with asyncio.timeout(PICTURE_TIMEOUT_S):
                while True:
                    if self._has_moved(first, before):
                        return
                    await asyncio.sleep(PATIENCE_S)
        except TimeoutError:
            raise SoakError(f"no picture any more: {self.student.describe()}") from None

    def _has_moved(self, first: ReceivedStream | None, before: int) -> bool:
        stream = self._newest_picture()
        if stream is None:
            return False
        if stream.packets > (before if stream is first else 0):
            return True
        self.student.incoming.request_key_frame(stream)
        return False

    def _newest_picture(self) -> ReceivedStream | None:
        streams = self.student.incoming.streams["video"]
        return streams[-1] if streams else None

    async def _follow(self, student: SyntheticStudent) -> None:
        """Consume what is announced, for as long as the connection lasts."""
        with suppress(ConnectionError, ProtocolError):
            while True:
                await student.signaling.wait_for("newProducer", timeout_s=FOREVER_S)
                events, student.signaling.events[:] = student.signaling.events[:], []
                for name, data in events:
                    if name == "newProducer":
                        await student.consume(data["producerId"])

    async def _stop_following(self) -> None:
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait([self._following])
            self._following = None
