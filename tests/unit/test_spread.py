"""While there is one room nothing happens; then the workers come into play."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from sidecar.lifecycle.status import NO_OTHERS, Others
from sidecar.net.addresses import AddressBook, InterfaceAddress
from sidecar.settings import PortRange, Settings
from sidecar.spread import Spread
from sidecar.workers import pool as pool_module
from sidecar.workers.messages import Start
from tests.unit.signaling.fakes import School
from tests.unit.workers.fakes import FakeClient

FOUND = [InterfaceAddress("eth0", "192.168.1.20")]


class FakePool:
    """Remembers what it is asked."""

    made: list[FakePool]

    def __init__(
        self, max_workers: int, _limits: object, make_start: Any, *_others: object, **_more: object
    ) -> None:
        self.max_workers = max_workers
        self.make_start = make_start
        self.represented: list[str] = []
        self.announced: list[Sequence[str]] = []
        self.found: list[Sequence[InterfaceAddress]] = []
        self.is_closed = False
        FakePool.made.append(self)

    async def represent(
        self, _client: object, room_id: str, _here: object, *, is_proven: bool
    ) -> None:
        self.represented.append(room_id)

    async def others(self) -> Others:
        return Others(processes=1)

    def announce(self, addresses: Sequence[str]) -> None:
        self.announced.append(addresses)

    def update(self, found: Sequence[InterfaceAddress]) -> None:
        self.found.append(found)

    async def close(self) -> None:
        self.is_closed = True


@pytest.fixture(autouse=True)
def no_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    FakePool.made = []
    monkeypatch.setattr(pool_module, "Pool", FakePool)


class Setting:
    def __init__(self, **settings: Any) -> None:
        self.book = AddressBook(bound_to="0.0.0.0", announced=(), list_addresses=lambda: [])
        self.settings = Settings(**{"num_workers": 3, **settings})
        self.spread = Spread(self.settings, self.book, None, lambda _message: None)
        self.here = School()

    async def represent(self, room_id: str) -> None:
        here = self.here.registry
        assert await self.spread.represent(FakeClient(), room_id, here, is_proven=False) is None

    async def second_room(self) -> FakePool:
        client = self.here.client()
        await client.join("ann", room_id="first")
        await self.represent("second")
        await self.here.close()
        return FakePool.made[0]


async def test_one_room_is_nobody_elses_business() -> None:
    setting = Setting()
    await setting.represent("first")
    await setting.here.client().join("ann", room_id="first")
    await setting.represent("first")
    setting.spread.announce(["10.0.0.1"])
    setting.spread.update(FOUND, 0)
    assert await setting.spread.others() == NO_OTHERS
    await setting.spread.close()
    assert FakePool.made == []
    assert setting.book.addresses(None, 0) == ["10.0.0.1"]
    await setting.here.close()


async def test_a_second_room_is() -> None:
    setting = Setting()
    pool = await setting.second_room()
    await setting.represent("third")
    assert pool.represented == ["second", "third"]
    assert await setting.spread.others() == Others(processes=1)
    await setting.spread.close()
    assert pool.is_closed
    assert len(FakePool.made) == 1


async def test_all_processes_are_told_of_addresses() -> None:
    setting = Setting()
    pool = await setting.second_room()
    setting.spread.announce(["10.0.0.1"])
    setting.spread.update(FOUND, 0)
    assert (pool.announced, pool.found) == ([["10.0.0.1"]], [FOUND])


async def test_a_worker_starts_with_what_is_announced_by_then() -> None:
    setting = Setting(announce=("10.0.0.1",))
    pool = await setting.second_room()
    assert pool.make_start() == Start(setting.settings)
    setting.spread.announce([])
    assert pool.make_start().settings == Settings(num_workers=3)


@pytest.mark.parametrize(
    ("num_workers", "ports", "workers"),
    [
        (3, PortRange(0, 0), 2),
        (3, PortRange(40000, 45000), 2),
        (3, PortRange(40000, 40001), 1),
        (64, PortRange(40000, 40010), 10),
    ],
)
async def test_every_worker_needs_a_port(num_workers: int, ports: PortRange, workers: int) -> None:
    pool = await Setting(num_workers=num_workers, media_ports=ports).second_room()
    assert pool.max_workers == workers


@pytest.mark.parametrize(
    ("num_workers", "ports"), [(1, PortRange(0, 0)), (3, PortRange(40000, 40000))]
)
async def test_there_may_be_none(num_workers: int, ports: PortRange) -> None:
    setting = Setting(num_workers=num_workers, media_ports=ports)
    await setting.here.client().join("ann", room_id="first")
    await setting.represent("second")
    assert FakePool.made == []
    await setting.here.close()


@pytest.mark.parametrize("reason", [ImportError("gone"), OSError("gone"), SystemExit("gone")])
async def test_rooms_share_this_process_if_the_programs_files_are_gone(
    monkeypatch: pytest.MonkeyPatch, reason: BaseException
) -> None:
    def fail(*_arguments: object, **_more: object) -> None:
        raise reason

    monkeypatch.setattr(pool_module, "Pool", fail)
    setting = Setting()
    await setting.here.client().join("ann", room_id="first")
    await setting.represent("second")
    await setting.represent("third")
    assert await setting.spread.others() == NO_OTHERS
    await setting.here.close()
