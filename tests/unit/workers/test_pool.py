"""Workers come when they are needed, and go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from sidecar.classroom.errors import ClassroomError, Fault
from sidecar.limits import Limits
from sidecar.net.addresses import InterfaceAddress
from sidecar.signaling.connection import ROOM_LOST
from sidecar.workers import pool as pool_module
from sidecar.workers.pool import Pool
from sidecar.workers.relay import Relay
from tests.unit.classroom.fakes import LIMITS
from tests.unit.signaling.fakes import School
from tests.unit.workers.fakes import (
    START,
    Diary,
    FakeClient,
    LoopbackChild,
    join,
    settle,
)


class Setting:
    """A pool, a main process with rooms of its own, and workers that are no processes."""

    def __init__(
        self, *, max_workers: int = 2, idle_s: float = 3600, limits: Limits = LIMITS
    ) -> None:
        self.here = School()
        self.diary = Diary()
        self.lost: list[str] = []
        self.children: list[LoopbackChild] = []
        self.on_child: Callable[[LoopbackChild], None] = lambda _child: None
        self.pool = Pool(
            max_workers,
            limits,
            lambda: START,
            self.diary,
            self.lost.append,
            self._make_child,
            idle_s=idle_s,
        )

    async def enter(self, room_id: str, peer_id: str = "peer") -> Relay | None:
        """Join a room; None if its home is the main process, which is nobody's business here."""
        relay = await self.represent(FakeClient(), room_id)
        if relay is not None:
            assert await relay.handle(join(room_id, peer_id))
        return relay

    async def represent(
        self, client: FakeClient, room_id: str, *, is_proven: bool = False
    ) -> Relay | None:
        return await self.pool.represent(client, room_id, self.here.registry, is_proven=is_proven)

    def homes(self) -> list[list[str]]:
        """The rooms of every worker that was started."""
        return [[room.id for room in child.school.registry.rooms] for child in self.children]

    def _make_child(self, *heard_by: object) -> LoopbackChild:
        child = LoopbackChild(*heard_by)  # type: ignore[arg-type]
        self.children.append(child)
        self.on_child(child)
        return child


@pytest.fixture
async def setting() -> AsyncIterator[Setting]:
    setting = Setting()
    await setting.here.client().join("teacher", room_id="first")
    yield setting
    await setting.pool.close()
    await setting.here.close()


async def test_a_room_of_the_main_process_stays_there(setting: Setting) -> None:
    assert await setting.enter("first") is None
    assert setting.children == []


async def test_the_first_room_is_one_of_the_main_process() -> None:
    setting = Setting()
    assert await setting.enter("first") is None
    assert setting.children == []


async def test_each_further_room_gets_a_process_as_long_as_there_may_be_more(
    setting: Setting,
) -> None:
    for room_id in ("second", "third"):
        assert await setting.enter(room_id) is not None
    assert setting.homes() == [["second"], ["third"]]
    # The main process has one peer as well, and is the first of equals.
    assert await setting.enter("fourth") is None


async def test_everybody_of_a_room_comes_to_where_it_is(setting: Setting) -> None:
    for number in range(3):
        await setting.enter("second", f"peer-{number}")
    assert setting.homes() == [["second"]]
    assert (await setting.pool.others()).rooms[0].id == "second"


async def test_two_who_make_a_room_at_the_same_time_meet_in_it(setting: Setting) -> None:
    await asyncio.gather(setting.enter("second", "ann"), setting.enter("second", "ben"))
    assert setting.homes() == [["second"]]


async def test_a_worker_without_a_room_takes_the_next_one(setting: Setting) -> None:
    relay = await setting.enter("second")
    assert relay is not None
    relay.leave("hung up")
    await settle()
    await setting.enter("third")
    assert setting.homes() == [["third"]]


async def test_a_worker_without_a_room_leaves_after_a_while() -> None:
    setting = Setting(idle_s=0)
    await setting.here.client().join("teacher", room_id="first")
    relay = await setting.enter("second")
    assert relay is not None
    relay.leave("hung up")
    await settle()
    assert (await setting.pool.others()).processes == 0
    assert setting.lost == []
    await setting.enter("third")
    assert setting.homes() == [[], ["third"]]
    await setting.pool.close()
    await setting.here.close()


async def test_a_worker_that_has_a_room_again_stays() -> None:
    setting = Setting(idle_s=0)
    await setting.here.client().join("teacher", room_id="first")
    relay = await setting.enter("second")
    assert relay is not None
    staying = await setting.represent(FakeClient(), "second")
    relay.leave("hung up")
    await settle()
    assert staying is not None
    assert (await setting.pool.others()).processes == 1
    await setting.pool.close()
    await setting.here.close()


async def test_where_a_worker_cannot_be_started_rooms_are_in_the_main_process(
    setting: Setting, caplog: pytest.LogCaptureFixture
) -> None:
    setting.on_child = lambda child: child.die("it cannot be started: no memory")
    assert await setting.enter("second") is None
    assert await setting.enter("third") is None
    assert len(setting.children) == 1, "it is not tried again at once"
    assert "no memory" in caplog.text
    assert setting.lost == []


async def test_who_goes_while_a_worker_starts_is_not_waited_for(setting: Setting) -> None:
    def stick(child: LoopbackChild) -> None:
        child.is_stuck = True

    setting.on_child = stick
    entering = asyncio.create_task(setting.enter("second"))
    await settle()
    entering.cancel()
    await settle()
    assert entering.cancelled()
    (worker,) = setting.pool._workers
    assert not worker.holds("second")


async def test_a_worker_that_dies_is_told_of_and_its_room_gets_another(setting: Setting) -> None:
    client = FakeClient()
    relay = await setting.represent(client, "second")
    assert relay is not None
    await relay.handle(join("second", "ann"))
    await setting.enter("third", "zoe")
    setting.children[0].die("exit code -11")
    await settle()
    assert client.stopped == [ROOM_LOST]
    assert setting.lost == [
        "A process that carries media has ended unexpectedly (exit code -11): "
        "1 person has to join again"
    ]
    assert setting.diary.entries == ["ann joined second", "zoe joined third", "ann left second"]
    await setting.enter("second", "ann")
    assert setting.homes()[1:] == [["third"], ["second"]]


async def test_what_they_cost_is_added_up(setting: Setting) -> None:
    for room_id in ("second", "third"):
        await setting.enter(room_id)
    others = await setting.pool.others()
    assert others.processes == 2
    assert [room.id for room in others.rooms] == ["second", "third"]
    assert others.cpu_ns > 0
    assert others.memory_bytes > 0
    setting.children[0].die("exit code 1")
    await settle()
    later = await setting.pool.others()
    assert later.processes == 1
    assert later.cpu_ns >= others.cpu_ns, "what the dead have used was used"


async def test_addresses_reach_all(setting: Setting) -> None:
    for room_id in ("second", "third"):
        await setting.enter(room_id)
    setting.pool.update([InterfaceAddress("eth0", "192.168.1.20")])
    setting.pool.announce(["10.0.0.1"])
    await settle()
    for child in setting.children:
        assert child.book.addresses(None, 0) == ["10.0.0.1"]


async def test_at_the_end_all_leave_and_everybody_is_seen_to_go(setting: Setting) -> None:
    await setting.enter("second", "ann")
    await setting.pool.close()
    assert setting.diary.entries == ["ann joined second", "ann left second"]
    assert setting.lost == []


async def test_one_that_does_not_leave_at_the_end_is_ended(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "STOP_TIMEOUT_S", 0)
    await setting.enter("second", "ann")
    setting.children[0].is_stuck = True
    await setting.pool.close()
    assert setting.diary.entries == ["ann joined second", "ann left second"]
    assert setting.lost == []


async def test_there_may_be_so_many_rooms_in_all_processes() -> None:
    setting = Setting(limits=Limits(max_rooms=3))
    await setting.here.client().join("ann", room_id="here")
    for room_id in ("first", "second"):
        await setting.enter(room_id)
    with pytest.raises(ClassroomError) as refused:
        await setting.represent(FakeClient(), "third")
    assert refused.value.fault is Fault.TOO_MANY_ROOMS
    assert await setting.enter("first", "another peer") is not None
    await setting.represent(FakeClient(), "third", is_proven=True)
    await setting.pool.close()
    await setting.here.close()
