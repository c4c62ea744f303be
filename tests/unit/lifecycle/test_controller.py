"""What each command does, and what a wrong one does not."""

from __future__ import annotations

import asyncio
import itertools
from functools import partial
from typing import Any

import pytest

from sidecar.lifecycle.address_keeper import AddressKeeper
from sidecar.lifecycle.controller import Controller
from sidecar.lifecycle.ending import Ending
from sidecar.lifecycle.events import Addresses, Error, PinSet, Pong, Status, Stopped, Warning
from sidecar.lifecycle.inbox import Inbox, read_command
from sidecar.lifecycle.status import Others, StatusReporter
from sidecar.signaling.server import ServerSnapshot
from tests.unit.lifecycle.fakes import FakeNetwork, FakeStarter


class Desk:
    """A controller, and all that it works on."""

    def __init__(self) -> None:
        self.starter = FakeStarter()
        self.network = FakeNetwork()
        self.ending = Ending(asyncio.get_running_loop())
        keeper = AddressKeeper(self.network.book, self.network.whereabouts, self.starter)
        self._times = itertools.count()
        self.snapshots = [ServerSnapshot(2, ())]
        self.pins: list[str] = []
        self.controller = Controller(
            self.starter,
            self.ending,
            keeper,
            StatusReporter(0),
            self.snapshots.pop,
            self._others,
            self.pins.append,
            clock=lambda: next(self._times) * 1_000_000,
        )

    async def ask(self, line: str) -> Any:
        """Say a line and return the answer, if there is one."""
        await self.controller.obey(read_command(line.encode()))
        return self.starter.told.pop() if self.starter.told else None

    async def _others(self) -> Others:
        return Others(cpu_ns=10**12, processes=2)


async def test_ping() -> None:
    assert await Desk().ask('{"command":"ping","id":1}') == Pong(id=1)


async def test_status() -> None:
    status = await Desk().ask('{"command":"status","id":"s"}')
    assert isinstance(status, Status)
    assert status.id == "s"
    assert status.totals.connections == 2
    assert status.process.processes == 3
    assert status.process.cpu_seconds > 1000


async def test_set_announce() -> None:
    desk = Desk()
    answer = await desk.ask(
        '{"command":"set-announce","id":2,"addresses":["10.0.0.1"," FE80::1 "]}'
    )
    assert isinstance(answer, Addresses)
    assert answer.id == 2
    assert answer.urls == ["ws://10.0.0.1:3016", "ws://[fe80::1]:3016"]
    assert desk.network.book.addresses(None, 0) == ["10.0.0.1", "fe80::1"]
    await desk.ask('{"command":"set-announce","addresses":[]}')
    assert desk.network.book.addresses(None, 0) == [FakeNetwork.LAN]


@pytest.mark.parametrize("addresses", ['["teacher-pc"]', '["0.0.0.0"]', '["10.0.0.1",""]', "7"])
async def test_addresses_that_cannot_be_announced_change_nothing(addresses: str) -> None:
    desk = Desk()
    answer = await desk.ask(f'{{"command":"set-announce","id":2,"addresses":{addresses}}}')
    assert isinstance(answer, Error)
    assert (answer.id, answer.code) == (2, "invalid-command")
    assert desk.network.book.addresses(None, 0) == [FakeNetwork.LAN]


async def test_shutdown_is_answered_at_the_very_end() -> None:
    desk = Desk()
    with desk.ending:
        assert await desk.ask('{"command":"shutdown","id":3}') is None
        assert await desk.ending.wait() == Stopped(reason="shutdown", id=3)


@pytest.mark.parametrize("line", ["", "nonsense", "{}", '{"command":"fly"}'])
async def test_a_line_that_is_no_command_is_answered(line: str) -> None:
    assert isinstance(await Desk().ask(line), Error)


async def test_a_defect_of_ours_is_not_the_end() -> None:
    desk = Desk()
    desk.snapshots.clear()
    answer = await desk.ask('{"command":"status"}')
    assert isinstance(answer, Error)
    assert answer.code == "internal"
    assert await desk.ask('{"command":"ping"}') == Pong()


async def test_a_host_that_asks_without_end_gets_a_tenth_of_the_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = Desk()
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await yield_once()

    yield_once = partial(asyncio.sleep, 0)
    monkeypatch.setattr(asyncio, "sleep", sleep)
    inbox = Inbox(asyncio.get_running_loop())
    inbox.put([b'{"command":"ping"}'] * 3)
    obeying = asyncio.create_task(desk.controller.obey_all(inbox))
    while len(slept) < 3:
        await yield_once()
    # The clock of the desk goes on by a millisecond whenever it is looked at.
    assert slept == [pytest.approx(0.009)] * 3
    with desk.ending:
        inbox.put([b'{"command":"shutdown"}'])
        await desk.ending.wait()
    obeying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await obeying


async def test_what_was_dropped_is_owned_up_to_at_the_latest_at_the_end() -> None:
    desk = Desk()
    inbox = Inbox(asyncio.get_running_loop())
    inbox.put([b"?"] * 1000)
    obeying = asyncio.create_task(desk.controller.obey_all(inbox))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    obeying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await obeying
    (warning,) = [each for each in desk.starter.told if isinstance(each, Warning)]
    assert warning.code == "commands-dropped"
    assert warning.message.startswith("999 commands")


@pytest.mark.parametrize(
    ("pin", "set_to", "required"),
    [('"1234"', "1234", True), ('" 1 "', "1", True), ("null", "", False), ('""', "", False)],
)
async def test_set_pin(pin: str, set_to: str, required: bool) -> None:
    desk = Desk()
    answer = await desk.ask(f'{{"command":"set-pin","id":4,"pin":{pin}}}')
    assert answer == PinSet(id=4, required=required)
    assert desk.pins == [set_to]


@pytest.mark.parametrize(
    "fields", ['"pin":" "', '"pin":7', '"pin":"a\\nb"', '"pin":["1"]', '"x":1']
)
async def test_a_pin_that_cannot_be_set_changes_nothing(fields: str) -> None:
    desk = Desk()
    answer = await desk.ask(f'{{"command":"set-pin","id":4,{fields}}}')
    assert isinstance(answer, Error)
    assert (answer.id, answer.code) == (4, "invalid-command")
    assert desk.pins == []
