"""A class that is never left in peace, and is as it was at the start after every round."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

from scripts.soaking.errors import SoakError
from scripts.soaking.floods import FLOODS
from scripts.soaking.pupil import CHEAPLY, Pupil
from scripts.soaking.sidecar import Sidecar
from tests.support.media_sources import H264Source
from tests.support.signaling import ProtocolError
from tests.support.synthetic import SyntheticTeacher

ROOM = "soak"
BITRATE_BPS = 1_500_000
LONGEST_SLEEP_S = 7.0
ATTEMPTS = 8
PATIENCE_S = 0.5

Action = Callable[[], Awaitable[None]]


class Lesson:
    """A teacher who shares, pupils who watch, and all that happens to them.

    Args:
        sidecar: The program under test.
        students: How many pupils there are after each round.
        rng: Decides what happens; seeded, so that a run can be had again.
    """

    def __init__(self, sidecar: Sidecar, students: int, rng: random.Random) -> None:
        self._sidecar = sidecar
        self._rng = rng
        self._teacher: SyntheticTeacher | None = None
        self._pupils = [
            Pupil(sidecar.url, ROOM, f"pupil-{number}", talks=number % 4 == 0)
            for number in range(students)
        ]
        self._actions: tuple[Action, ...] = (
            self.somebody_leaves,
            self.somebody_vanishes,
            self.somebody_roams,
            self.somebody_restarts_ice,
            self.the_teacher_shares_anew,
            self.the_teacher_restarts,
            self.the_computer_sleeps,
            *(self._flood(number) for number in range(len(FLOODS))),
        )

    async def begin(self) -> None:
        """Everybody comes."""
        await self._teach()
        await asyncio.gather(*(pupil.come() for pupil in self._pupils))
        await self.expect_pictures()

    async def one_round(self) -> None:
        """Let everything happen once, in a new order.

        Raises:
            SoakError: Something did not hold; says behind what.
        """
        actions = list(self._actions)
        self._rng.shuffle(actions)
        for number, action in enumerate(actions):
            try:
                await action()
                await self.expect_pictures()
            except SoakError as error:
                happened = ", ".join(each.__name__ for each in actions[: number + 1])
                raise SoakError(f"{error}\nbehind: {happened}") from error

    async def end(self) -> None:
        """Everybody leaves."""
        await asyncio.gather(*(pupil.leave() for pupil in self._pupils))
        await self._present_teacher.leave()

    async def expect_pictures(self) -> None:
        """Wait until every pupil sees the picture move.

        Raises:
            SoakError: Somebody does not.
        """
        await asyncio.gather(*(pupil.expect_picture() for pupil in self._pupils))

    async def somebody_leaves(self) -> None:
        """In good order, and comes again."""
        pupil = self._rng.choice(self._pupils)
        await pupil.leave()
        await pupil.come()

    async def somebody_vanishes(self) -> None:
        """Their app crashes, and they come again while they are still thought to be there."""
        pupil = self._rng.choice(self._pupils)
        await pupil.vanish()
        await pupil.come()

    async def somebody_roams(self) -> None:
        """To another network."""
        await self._rng.choice(self._pupils).student.incoming.peer.roam()

    async def somebody_restarts_ice(self) -> None:
        """And goes on with the new credentials."""
        await self._rng.choice(self._pupils).student.restart_ice("recv")

    async def the_teacher_shares_anew(self) -> None:
        """Stops without telling, as existing frontends do, and shares again."""
        teacher = self._present_teacher
        await teacher.outgoing.stop()
        await teacher.publish("video")
        teacher.outgoing.start()

    async def the_teacher_restarts(self) -> None:
        """The app crashes, and is started again."""
        await self._present_teacher.vanish()
        await self._teach()

    async def the_computer_sleeps(self) -> None:
        """For some seconds, and nobody is to notice more than that."""
        self._sidecar.suspend()
        await asyncio.sleep(self._rng.uniform(0.5, LONGEST_SLEEP_S))
        self._sidecar.wake()

    @property
    def _present_teacher(self) -> SyntheticTeacher:
        if self._teacher is None:
            raise SoakError("the teacher is not there")
        return self._teacher

    async def _teach(self) -> None:
        for attempt in range(ATTEMPTS):
            try:
                self._teacher = await SyntheticTeacher.join(
                    self._sidecar.url, ROOM, "teacher", CHEAPLY
                )
                break
            except (ProtocolError, OSError) as error:
                if attempt == ATTEMPTS - 1:
                    raise SoakError(f"the teacher is not let in: {error}") from error
                await asyncio.sleep(PATIENCE_S)
        await self._present_teacher.share(H264Source(bitrate_bps=BITRATE_BPS))

    def _flood(self, number: int) -> Action:
        flood = FLOODS[number]

        async def somebody_floods() -> None:
            await flood(self._sidecar, ROOM, self._rng)

        somebody_floods.__name__ = f"somebody floods: {flood.__name__}"
        return somebody_floods
