"""A class in browser tabs: who opens a tab, joins and starts to share or to watch."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from tests.interop.browsers.participant import Participant, Stats

H264 = "video/H264"
VP8 = "video/VP8"

_room_numbers = itertools.count(1)

TabOpener = Callable[[str], Awaitable[Participant]]
"""Opens the test page in a new tab for the person of that name."""


class Lesson:
    """One room on one SFU, with everybody who has come in.

    Args:
        open_tab: used for each person, unless another one is given.
        server_url: the SFU's WebSocket.
        media_address: IP address and UDP port of a relay between the tabs and the SFU, if any.
    """

    def __init__(
        self,
        open_tab: TabOpener,
        server_url: str,
        media_address: tuple[str, int] | None = None,
    ) -> None:
        self.participants: list[Participant] = []
        self.server_url = server_url
        self._open_tab = open_tab
        self._media_address = media_address
        self._room_id = f"room-{next(_room_numbers)}"

    async def open_tab(self, name: str, open_tab: TabOpener | None = None) -> Participant:
        """Open a tab for somebody who does nothing yet."""
        participant = await (open_tab or self._open_tab)(name)
        self.participants.append(participant)
        return participant

    async def join(
        self, participant: Participant, *, is_teacher: bool = False, comes_back: bool = False
    ) -> None:
        """Let somebody who has a tab join, with a new frontend if it is to come back by itself."""
        await participant.join(
            self.server_url,
            self._room_id,
            is_teacher=is_teacher,
            media_address=self._media_address,
            comes_back=comes_back,
        )

    async def teacher(self, mime_type: str, *, picture: str = "camera") -> Participant:
        """Let the teacher come and share."""
        teacher = await self.open_tab("Teacher")
        await self.join(teacher, is_teacher=True)
        await teacher.share(mime_type, picture=picture)
        return teacher

    async def student(self, name: str, *, open_tab: TabOpener | None = None) -> Participant:
        """Let a student come and watch."""
        student = await self.open_tab(name, open_tab)
        await self.join(student)
        await student.call("watch")
        return student

    async def students(self, *names: str) -> list[Participant]:
        """Let several students join in the same moment."""
        tabs = await asyncio.gather(*(self.open_tab(name) for name in names))
        await asyncio.gather(*(self.join(tab) for tab in tabs))
        await asyncio.gather(*(tab.call("watch") for tab in tabs))
        return tabs


async def video_growth(
    teacher: Participant, students: Sequence[Participant], frames: int
) -> tuple[Stats, list[Stats]]:
    """Look at a stretch of the class's picture.

    Args:
        teacher: who shares.
        students: who watch.
        frames: how many the teacher encodes meanwhile, at least.

    Returns:
        By how much each number among the video figures has grown, for the teacher and for each
        student; ``longestGapMs`` is the longest time without a new picture in this stretch.
    """

    async def look_at_students() -> list[Stats]:
        return [await student.received("video") for student in students]

    for student in students:
        await student.call("restartPictureMeters")
    # A look takes a moment, with all these tabs on one machine: the students' stretch begins before
    # the teacher's and ends after it, so nothing of the latter is missing in it.
    students_before = await look_at_students()
    teacher_before = await teacher.sent("video")
    await teacher.wait_more_sent("video", "framesEncoded", frames)
    teacher_after = await teacher.sent("video")
    students_after = await look_at_students()
    received = [
        _growth(before, after)
        for before, after in zip(students_before, students_after, strict=True)
    ]
    for growth, after in zip(received, students_after, strict=True):
        growth["longestGapMs"] = after["longestGapMs"]
    return _growth(teacher_before, teacher_after), received


def assert_went_on(sent: Stats, received: Stats) -> None:
    """The picture came, and never stopped until a new key frame.

    How long it stood still at most is not judged: with all browsers on one machine that tells of
    the machine.

    Args:
        sent, received: what :func:`video_growth` returned.
    """
    assert received["framesDecoded"] > 0.9 * sent["framesEncoded"]
    assert received["pliCount"] == 0


def _growth(before: Stats, after: Stats) -> Stats:
    # A counter, as a browser leaves out what has not happened yet.
    return Counter(
        {
            name: value - (before.get(name) or 0)
            for name, value in after.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        }
    )
