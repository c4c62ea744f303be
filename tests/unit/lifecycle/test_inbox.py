"""What waits for being obeyed, and what is dropped of a flood."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from sidecar.lifecycle.commands import Ping, SetAnnounce, Shutdown, Status
from sidecar.lifecycle.inbox import (
    BREAK_S,
    MAX_AHEAD,
    MAX_WAITING,
    RESERVED,
    RESERVED_BY_DISPENSABLE,
    WORK_NS,
    Inbox,
)

STATUS = b'{"command":"status"}'
PING = b'{"command":"ping","id":7}'
ANNOUNCE = b'{"command":"set-announce","addresses":[]}'
SHUTDOWN = b'{"command":"shutdown","id":8}'
FLOOD = 1000


class Reader:
    """An inbox, and the thread that fills it, played by the test."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.pauses: list[float] = []
        self.inbox = Inbox(asyncio.get_running_loop(), self._clock, self.pauses.append)

    def _clock(self) -> int:
        self.now_ns += WORK_NS // 10
        return self.now_ns

    async def take(self, count: int) -> list[object]:
        return [await self.inbox.get() for _ in range(count)]


async def test_commands_come_out_in_their_order() -> None:
    reader = Reader()
    reader.inbox.put([PING, STATUS, b"?", SHUTDOWN])
    ping, status, rubbish, shutdown = await reader.take(4)
    assert ping == Ping(id=7)
    assert status == Status()
    assert "one JSON object" in str(rubbish)
    assert shutdown == Shutdown(id=8)
    assert reader.inbox.hurries
    assert (reader.inbox.own_up(), reader.pauses) == (0, [])


@pytest.mark.parametrize("line", [STATUS, b"", b"nonsense", b'{"command":"fly"}', b"x" * 100_000])
async def test_a_flood_leaves_places_for_what_matters(line: bytes) -> None:
    reader = Reader()
    reader.inbox.put([line] * FLOOD)
    kept = MAX_WAITING - RESERVED_BY_DISPENSABLE
    assert reader.inbox.own_up() == FLOOD - kept
    reader.inbox.put([ANNOUNCE, PING])
    ping, *_flood, announce = await reader.take(kept + 2)
    assert (ping, announce) == (Ping(id=7), SetAnnounce(addresses=[]))
    assert reader.inbox.own_up() == 0


async def test_a_flood_of_what_matters_leaves_places_for_pings() -> None:
    reader = Reader()
    reader.inbox.put([ANNOUNCE] * FLOOD + [PING])
    assert (await reader.take(MAX_WAITING - RESERVED + 1))[0] == Ping(id=7)


@pytest.mark.parametrize("line", [STATUS, ANNOUNCE, PING])
async def test_a_shutdown_waits_for_few_others_and_never_for_a_flood(line: bytes) -> None:
    few, flooded = Reader(), Reader()
    few.inbox.put([line] * MAX_AHEAD + [SHUTDOWN])
    assert (await few.take(MAX_AHEAD + 1))[-1] == Shutdown(id=8)
    flooded.inbox.put([line] * FLOOD + [SHUTDOWN] * FLOOD)
    while await flooded.inbox.get() != Shutdown(id=8):
        pass
    flooded = Reader()
    flooded.inbox.put([STATUS] * FLOOD + [PING, SHUTDOWN])
    assert await flooded.take(2) == [Ping(id=7), Shutdown(id=8)]


async def test_the_thread_takes_breaks_while_it_drops() -> None:
    reader = Reader()
    reader.inbox.put([STATUS] * FLOOD)
    # The clock goes on by a tenth of the time between breaks whenever it is looked at.
    assert len(reader.pauses) >= FLOOD // 12
    assert set(reader.pauses) == {BREAK_S}


async def test_the_loop_is_woken_once_for_many_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader()
    woken: list[object] = []

    def wake(callback: object, *_arguments: object) -> None:
        woken.append(callback)

    monkeypatch.setattr(asyncio.get_running_loop(), "call_soon_threadsafe", wake)
    batches: Sequence[list[bytes]] = ([STATUS] * FLOOD, [], [PING])
    for batch in batches:
        reader.inbox.put(batch)
    assert len(woken) == 2


async def test_who_waits_hears_of_what_comes_and_of_what_was_dropped() -> None:
    reader = Reader()
    taking = asyncio.create_task(reader.inbox.get())
    waiting = asyncio.create_task(reader.inbox.wait_dropped())
    await asyncio.sleep(0)
    await asyncio.to_thread(reader.inbox.put, [STATUS])
    assert await taking == Status()
    assert not waiting.done()
    await asyncio.to_thread(reader.inbox.put, [STATUS] * FLOOD)
    await waiting
