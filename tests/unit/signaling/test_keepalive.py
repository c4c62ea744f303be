from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sidecar.signaling.connection import Disconnected
from sidecar.signaling.keepalive import (
    MAX_SILENCE_BEFORE_JOIN_S,
    MAX_SILENCE_S,
    PING_INTERVAL_S,
    SLEPT_S,
    Keepalive,
)


class Setting:
    """A client whose pongs, media and time are the test's."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.max_silence_s = MAX_SILENCE_S
        self.media_silence_s: float | None = None
        self.media_questions = 0
        self.pings = 0
        self.is_connected = True
        self.pong = asyncio.Event()
        self._naps: asyncio.Queue[asyncio.Future[None]] = asyncio.Queue()
        self.keepalive = Keepalive(
            self._ping,
            lambda: self.max_silence_s,
            self._ask_media,
            lambda: self.now_s,
            self._sleep,
        )
        self.watch = asyncio.create_task(self.keepalive.watch())

    @property
    def is_given_up(self) -> bool:
        return self.watch.done()

    async def pass_interval(self, late_s: float = 0.0) -> None:
        """Let the time until the next ping pass, and what follows happen."""
        self.now_s += PING_INTERVAL_S + late_s
        (await self._naps.get()).set_result(None)
        for _ in range(10):
            await asyncio.sleep(0)

    async def pass_time(self, seconds: float) -> None:
        for _ in range(round(seconds / PING_INTERVAL_S)):
            if not self.is_given_up:
                await self.pass_interval()

    async def _ping(self) -> None:
        self.pings += 1
        await self.pong.wait()
        if not self.is_connected:
            raise Disconnected

    async def _ask_media(self) -> float | None:
        self.media_questions += 1
        return self.media_silence_s

    async def _sleep(self, seconds: float) -> None:
        assert seconds == PING_INTERVAL_S
        nap: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._naps.put_nowait(nap)
        await nap


@asynccontextmanager
async def watching() -> AsyncIterator[Setting]:
    setting = Setting()
    yield setting
    setting.watch.cancel()
    await asyncio.wait([setting.watch])


async def test_who_answers_pings_stays() -> None:
    async with watching() as setting:
        setting.pong.set()
        await setting.pass_time(10 * MAX_SILENCE_S)
        assert not setting.is_given_up
        assert setting.pings == 10 * MAX_SILENCE_S / PING_INTERVAL_S
        assert setting.media_questions == 0


async def test_who_is_silent_for_a_minute_is_given_up() -> None:
    async with watching() as setting:
        await setting.pass_time(MAX_SILENCE_S - PING_INTERVAL_S)
        assert not setting.is_given_up
        await setting.pass_interval()
        assert setting.is_given_up


async def test_who_has_not_joined_has_half_of_that() -> None:
    async with watching() as setting:
        setting.max_silence_s = MAX_SILENCE_BEFORE_JOIN_S
        await setting.pass_time(MAX_SILENCE_BEFORE_JOIN_S)
        assert setting.is_given_up


async def test_a_pong_that_is_late_by_an_outage_is_a_pong() -> None:
    async with watching() as setting:
        await setting.pass_time(MAX_SILENCE_S - PING_INTERVAL_S)
        setting.pong.set()
        await setting.pass_time(10 * MAX_SILENCE_S)
        assert not setting.is_given_up


async def test_a_ping_is_not_repeated_while_tcp_still_tries() -> None:
    async with watching() as setting:
        await setting.pass_time(MAX_SILENCE_S - PING_INTERVAL_S)
        assert setting.pings == 1


async def test_any_frame_is_a_sign_of_life() -> None:
    async with watching() as setting:
        for _ in range(20):
            await setting.pass_time(MAX_SILENCE_S - PING_INTERVAL_S)
            setting.keepalive.heard()
        assert not setting.is_given_up


async def test_media_is_a_sign_of_life() -> None:
    async with watching() as setting:
        setting.media_silence_s = 2.5
        await setting.pass_time(10 * MAX_SILENCE_S)
        assert not setting.is_given_up
        setting.media_silence_s = MAX_SILENCE_S
        await setting.pass_time(MAX_SILENCE_S)
        assert setting.is_given_up


async def test_media_that_has_long_ended_is_none() -> None:
    async with watching() as setting:
        setting.media_silence_s = 2 * MAX_SILENCE_S
        await setting.pass_time(MAX_SILENCE_S)
        assert setting.is_given_up


async def test_nobody_is_given_up_for_our_own_sleep() -> None:
    async with watching() as setting:
        await setting.pass_time(MAX_SILENCE_S - PING_INTERVAL_S)
        await setting.pass_interval(late_s=3600)
        assert not setting.is_given_up
        await setting.pass_time(MAX_SILENCE_S - PING_INTERVAL_S)
        assert not setting.is_given_up
        await setting.pass_interval()
        assert setting.is_given_up


async def test_to_be_called_a_little_late_is_no_sleep() -> None:
    async with watching() as setting:
        for _ in range(4):
            await setting.pass_interval(late_s=SLEPT_S)
        assert setting.is_given_up


async def test_a_connection_that_has_ended_gives_no_sign() -> None:
    async with watching() as setting:
        await setting.pass_interval()
        setting.is_connected = False
        setting.pong.set()
        await setting.pass_time(MAX_SILENCE_S - PING_INTERVAL_S)
        assert setting.is_given_up


async def test_the_ping_ends_with_the_watch() -> None:
    async with watching() as setting:
        await setting.pass_interval()
        setting.watch.cancel()
        await asyncio.wait([setting.watch])
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.wait(others) if others else None
