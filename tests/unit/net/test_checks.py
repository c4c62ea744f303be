"""What a check may cost before it is known to be authentic, counted in seals that are computed."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest

from sidecar.net.checks import (
    FAILURES_AT_ONCE,
    FAILURES_PER_SECOND,
    MAX_FAILED_SOURCES,
    Checks,
)
from sidecar.net.ice import CHECKS_AT_ONCE, CHECKS_PER_SECOND, Address, Path, local_of
from sidecar.net.link import MediaLink
from sidecar.net.stun import message_integrity
from sidecar.ortc.parameters import IceParameters
from tests.unit.net.support import (
    BINDING_REQUEST,
    ELSEWHERE,
    HOME,
    USERNAME,
    FakePort,
    FakeTransport,
    ManualLoop,
    build_check,
    build_stun,
    check_attributes,
    ice_parameters,
)


class Port(FakePort):
    """A port with real checks; nothing of it needs a certificate."""

    def __init__(self) -> None:
        super().__init__(cast(Any, None))
        self.asked = ""  # which of our addresses
        self.checks = Checks(self.send, self.route_changed, lambda _datagram: self.asked)

    def new_credentials(self, link: MediaLink) -> IceParameters:
        return self.checks.new_credentials(link)

    def forget_username(self, username_fragment: str) -> None:
        self.checks.forget_username(username_fragment)

    def open_link(self) -> MediaLink:
        return MediaLink(
            self,
            FakeTransport().as_transport(),
            [],
            ManualLoop().as_loop(),
            cast(ThreadPoolExecutor, None),
        )

    def receive(self, datagram: bytes, address: Address = HOME) -> None:
        self.checks.sort(datagram, address, self.time_ns)


@pytest.fixture
def port() -> Port:
    return Port()


@pytest.fixture
def seals(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], int]]:
    """Counts the HMACs that are computed; says how many there were since the last call."""
    count = 0
    digest = hmac.digest

    def counted(*arguments: Any) -> bytes:
        nonlocal count
        count += 1
        return digest(*arguments)

    def aioice(message: Any, key: bytes) -> bytes:
        return message_integrity(message, key)

    monkeypatch.setattr(hmac, "digest", counted)
    monkeypatch.setattr("sidecar.net.stun.stun.message_integrity", aioice)

    def take() -> int:
        nonlocal count
        taken, count = count, 0
        return taken

    yield take


def forged(parameters: IceParameters) -> bytes:
    """A check that knows the user name and not the password."""
    return build_stun(BINDING_REQUEST, check_attributes(parameters), password="x" * 32)


def test_a_check_for_nobody_costs_no_seal(port: Port, seals: Callable[[], int]) -> None:
    port.open_link()
    datagram = build_check(ice_parameters("of nobody"))
    seals()
    for _ in range(5000):
        port.receive(datagram)
    assert seals() == 0
    assert port.checks.unknown == 5000


def test_forged_checks_from_one_source_cost_few_seals(port: Port, seals: Callable[[], int]) -> None:
    link = port.open_link()
    datagram = forged(link.ice_parameters)
    seals()
    for _ in range(5000):
        port.receive(datagram)
    assert seals() == FAILURES_AT_ONCE
    assert port.sent == []
    port.checks.refill()
    for _ in range(5000):
        port.receive(datagram)
    assert seals() <= FAILURES_PER_SECOND
    assert port.checks.over_budget >= 5000 - FAILURES_AT_ONCE


def test_forged_checks_from_many_sources_cost_what_one_link_may(
    port: Port, seals: Callable[[], int]
) -> None:
    link, other = port.open_link(), port.open_link()
    datagram = forged(link.ice_parameters)
    seals()
    for number in range(5000):
        port.receive(datagram, ("198.51.100.9", number))
    assert seals() == CHECKS_AT_ONCE
    link.look_after(port.time_ns)
    for number in range(5000):
        port.receive(datagram, ("198.51.100.9", number))
    assert seals() <= CHECKS_PER_SECOND
    # Others notice nothing of it.
    port.receive(build_check(other.ice_parameters))
    assert len(port.sent) == 1


def test_who_is_known_is_answered_beside_a_flood_for_the_same_user_name(port: Port) -> None:
    link = port.open_link()
    port.receive(build_check(link.ice_parameters))
    for number in range(1000):
        port.receive(forged(link.ice_parameters), ("198.51.100.9", number))
    port.receive(build_check(link.ice_parameters))
    assert len(port.sent) == 2


def test_a_known_address_may_send_a_bounded_number_of_checks(
    port: Port, seals: Callable[[], int]
) -> None:
    link = port.open_link()
    datagram = build_check(link.ice_parameters)
    port.receive(datagram)
    seals()
    for _ in range(5000):
        port.receive(datagram)
    assert len(port.sent) == 1 + CHECKS_AT_ONCE
    assert seals() <= 2 * CHECKS_AT_ONCE
    link.look_after(port.time_ns)
    port.take_sent()
    for _ in range(5000):
        port.receive(datagram)
    assert len(port.sent) == CHECKS_PER_SECOND


def test_forged_checks_from_a_known_address_use_its_allowance_up_sooner(
    port: Port, seals: Callable[[], int]
) -> None:
    link = port.open_link()
    port.receive(build_check(link.ice_parameters))
    datagram = forged(link.ice_parameters)
    seals()
    for _ in range(5000):
        port.receive(datagram)
    assert seals() <= CHECKS_AT_ONCE // 2


def test_a_class_behind_one_address_joins_in_one_second(port: Port) -> None:
    """50 peers with two transports each, in doubt for a second: 20 checks of every one."""
    links = [port.open_link() for _ in range(100)]
    for _ in range(20):
        for number, link in enumerate(links):
            port.receive(build_check(link.ice_parameters), ("203.0.113.1", 1024 + number))
    assert len(port.sent) == 2000
    assert port.checks.over_budget == 0


def test_what_is_remembered_of_failures_is_bounded(port: Port) -> None:
    links = [port.open_link() for _ in range(1 + MAX_FAILED_SOURCES // CHECKS_AT_ONCE)]
    for number in range(2 * MAX_FAILED_SOURCES):
        for link in links[:: len(links) // 2]:
            port.receive(forged(link.ice_parameters), ("198.51.100.9", number))
        for link in links:
            link.look_after(port.time_ns)
    assert len(port.checks._failures) <= MAX_FAILED_SOURCES
    for _ in range(FAILURES_AT_ONCE):
        port.checks.refill()
    assert port.checks._failures == {}


@pytest.mark.parametrize(
    "attributes",
    [
        [],
        [(0x8000 + number, b"") for number in range(200)],
        [(0x0024, bytes(4))] * 8 + [(USERNAME, b"fragment:peer")],
        [(USERNAME, b"")],
        [(USERNAME, b"\xff" * 1000)],
    ],
    ids=["nothing", "many attributes", "late user name", "empty", "long"],
)
def test_a_check_that_does_not_say_at_once_whom_it_is_for_costs_no_seal(
    attributes: list[tuple[int, bytes]], port: Port, seals: Callable[[], int]
) -> None:
    port.open_link()
    datagram = build_stun(BINDING_REQUEST, attributes, password="x" * 32)
    seals()
    port.receive(datagram)
    assert seals() == 0
    assert port.checks.unknown == 1


def test_the_user_name_may_stand_behind_other_attributes(port: Port) -> None:
    parameters = port.open_link().ice_parameters
    attributes = check_attributes(parameters)
    attributes.append(attributes.pop(0))
    port.receive(build_stun(BINDING_REQUEST, attributes, password=parameters.password))
    assert len(port.sent) == 1


def test_a_check_for_another_link_is_that_ones(port: Port) -> None:
    """Also from an address at which somebody is known: it is that of a shared socket."""
    first, second = port.open_link(), port.open_link()
    port.receive(build_check(first.ice_parameters), ELSEWHERE)
    port.receive(build_check(second.ice_parameters), ELSEWHERE)
    assert port.checks.reached[ELSEWHERE][0] is second
    assert first.ice.selected == second.ice.selected == ELSEWHERE


def test_answers_leave_from_the_address_that_was_asked(port: Port) -> None:
    link = port.open_link()
    for port.asked in ("192.0.2.7", "192.0.2.8", "192.0.2.7"):
        port.receive(build_check(link.ice_parameters))
    assert [path for _answer, path in port.sent] == [
        Path.between(HOME, ip) for ip in ("192.0.2.7", "192.0.2.8", "192.0.2.7")
    ]


def test_media_leaves_from_the_address_that_was_asked_first_or_nominated(port: Port) -> None:
    link = port.open_link()
    port.asked = "192.0.2.7"
    port.receive(build_check(link.ice_parameters))
    assert link.ice.selected == Path.between(HOME, "192.0.2.7")
    port.asked = "192.0.2.8"
    port.receive(build_check(link.ice_parameters))
    assert link.ice.selected == Path.between(HOME, "192.0.2.7")
    version = port.routes_version
    port.receive(build_check(link.ice_parameters, nominate=True))
    assert link.ice.selected == Path.between(HOME, "192.0.2.8")
    assert port.routes_version > version
    # It is the same peer in the same place.
    assert link.ice.valid_addresses == (HOME,)
    assert list(port.checks.reached) == [HOME]


def test_a_check_that_is_repeated_elsewhere_is_not_the_same(port: Port) -> None:
    link = port.open_link()
    check = build_check(link.ice_parameters, nominate=True)
    port.asked = "192.0.2.7"
    port.receive(check)
    port.asked = "192.0.2.8"
    port.receive(check)
    assert [local_of(path) for _answer, path in port.sent] == ["192.0.2.7", "192.0.2.8"]
    assert local_of(link.ice.selected or ()) == "192.0.2.8"
