"""The network changes while the server runs."""

from __future__ import annotations

import asyncio
import logging

import pytest

from sidecar.lifecycle.address_keeper import AddressKeeper
from sidecar.lifecycle.events import Addresses, Event, Warning
from sidecar.net.addresses import InterfaceAddress
from tests.unit.lifecycle.fakes import FakeNetwork, FakeStarter

LAN = FakeNetwork.LAN


class Site:
    """A keeper that has looked once."""

    def __init__(self, *announced: str) -> None:
        self.network = FakeNetwork(*announced)
        self.starter = FakeStarter()
        self.keeper = AddressKeeper(self.network.book, self.network.whereabouts, self.starter)
        self.look(LAN)
        assert self.starter.told == []

    def look(self, *ips: str) -> list[Event]:
        """Have the machine's addresses be these, and return what is told."""
        self.starter.told.clear()
        self.keeper.look(FakeNetwork.addresses(*ips))
        return self.starter.told


def codes_of(events: list[Event]) -> list[str]:
    return [each.code for each in events if isinstance(each, Warning)]


def addresses_of(events: list[Event]) -> list[list[str]]:
    return [list(each.media.addresses) for each in events if isinstance(each, Addresses)]


def test_while_nothing_changes_nothing_is_told() -> None:
    assert Site().look(LAN) == []


def test_an_address_is_lost_and_another_one_found() -> None:
    site = Site()
    told = site.look("192.168.7.3")
    assert codes_of(told) == ["address-gone"]
    assert isinstance(told[0], Warning)
    assert LAN in told[0].message
    assert addresses_of(told) == [["192.168.7.3"]]
    assert site.look("192.168.7.3") == []


def test_peers_are_told_the_new_address_at_once() -> None:
    site = Site()
    site.look("192.168.7.3")
    site.network.found = []  # It is not asked for again so soon.
    assert site.network.whereabouts.addresses().media.addresses == ["192.168.7.3"]


def test_one_more_address_is_no_reason_for_a_warning() -> None:
    told = Site().look(LAN, "192.168.1.21")
    assert codes_of(told) == []
    assert addresses_of(told) == [[LAN, "192.168.1.21"]]


def test_the_network_goes_away_and_comes_back() -> None:
    site = Site()
    told = site.look()
    assert codes_of(told) == ["address-gone", "no-network"]
    assert isinstance(told[2], Addresses)
    assert told[2].urls == []
    assert site.look() == [], "once is enough"
    told = site.look(LAN)
    assert codes_of(told) == []
    assert isinstance(told[0], Addresses)
    assert told[0].urls == [f"ws://{LAN}:3016"]


def test_an_address_that_was_announced_by_hand_is_lost() -> None:
    site = Site(LAN, "203.0.113.5")
    told = site.look("192.168.7.3")
    assert codes_of(told) == ["address-gone"]
    assert addresses_of(told) == []
    assert site.look("192.168.7.3") == []
    assert site.look(LAN) == []


def test_an_address_of_another_machine_cannot_be_lost() -> None:
    site = Site("203.0.113.5")
    assert site.look("192.168.7.3") == []


def test_who_announces_others_is_not_told_again() -> None:
    site = Site()
    answer = site.keeper.announce(["10.0.0.1"], 5)
    assert answer.id == 5
    assert answer.media.addresses == ["10.0.0.1"]
    assert site.look(LAN) == []
    assert site.look() == [], "nobody relies on it any more"


def test_an_address_may_be_lost_before_the_first_look() -> None:
    network, starter = FakeNetwork(), FakeStarter()
    keeper = AddressKeeper(network.book, network.whereabouts, starter)
    keeper.look(FakeNetwork.addresses())
    assert codes_of(starter.told) == ["address-gone", "no-network"]


def test_an_interface_without_its_cable_has_lost_its_addresses() -> None:
    site = Site()
    site.starter.told.clear()
    site.keeper.look([InterfaceAddress("eth0", LAN, is_up=False)])
    assert codes_of(site.starter.told) == ["address-gone", "no-network"]


def test_a_loss_is_told_each_time() -> None:
    site = Site()
    for _ in range(2):
        assert codes_of(site.look()) == ["address-gone", "no-network"]
        assert codes_of(site.look(LAN)) == []


async def test_it_keeps_looking() -> None:
    network, starter = FakeNetwork(), FakeStarter()
    keeper = AddressKeeper(network.book, network.whereabouts, starter)
    answers = iter([[LAN], None, ["192.168.7.3"]])
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def list_addresses() -> list[InterfaceAddress]:
        ips = next(answers, [])
        if ips is None:
            raise OSError("not now")
        return FakeNetwork.addresses(*ips)

    starter.on_told = lambda event: done.set() if isinstance(event, Addresses) else None
    keeping = loop.create_task(keeper.keep(0, list_addresses))
    await done.wait()
    keeping.cancel()
    assert codes_of(starter.told)[:1] == ["address-gone"]
    assert addresses_of(starter.told)[:1] == [["192.168.7.3"]]


async def test_a_start_without_network_is_told(caplog: pytest.LogCaptureFixture) -> None:
    network, starter = FakeNetwork(), FakeStarter()
    network.found = FakeNetwork.addresses()
    keeper = AddressKeeper(network.book, network.whereabouts, starter)
    told = asyncio.Event()
    starter.on_told = lambda _event: told.set()
    with caplog.at_level(logging.WARNING):
        keeping = asyncio.create_task(keeper.keep(3600, FakeNetwork.addresses))
        await told.wait()
        keeping.cancel()
    assert codes_of(starter.told) == ["no-network"]
    assert "nobody else can join" in caplog.text
