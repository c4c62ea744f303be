"""Which addresses others are told, in networks of all kinds, and when the network changes."""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, TypeVar

import pytest

from tests.interop.conftest import StartSidecar
from tests.reliability.test_answers import sees_all_kinds, strangers, towards
from tests.requirements import require
from tests.support.classroom import Classroom
from tests.support.namespaces import Computer, Switch
from tests.support.programs import program
from tests.support.sidecar import Sidecar
from tests.support.synthetic import PeerOptions

Event = dict[str, Any]
AnyComputer = TypeVar("AnyComputer", bound=Computer)

TEACHER, TEACHER_TOO, STUDENT, ROUTER = "10.77.0.2", "10.77.0.3", "10.77.0.9", "10.77.0.1"
TEACHER_V6, STUDENT_V6, ROUTER_V6 = "fd00:77::2", "fd00:77::9", "fd00:77::1"
WIFI, WIFI_ROUTER = "10.78.0.2", "10.78.0.1"

TUNSETIFF = 0x400454CA
IFF_TUN_NO_PI = 0x1001


class School:
    """A switch, the teacher's computer and a student's; what a test plugs in is up to it.

    Attributes:
        switch: The classroom's.
        teacher: Where the SFU runs.
        student: Another one, with an address of each version.
    """

    def __init__(self, ip: str, stack: ExitStack, start_sidecar: StartSidecar) -> None:
        self._ip = ip
        self._stack = stack
        self._start_sidecar = start_sidecar
        self.switch = self._added(Switch(ip))
        self.teacher = self._added(Computer(ip))
        self.student = self._added(Computer(ip))
        self.switch.plug_in(self.student, "eth0")
        self.student.up("eth0", f"{STUDENT}/24", f"{STUDENT_V6}/64")

    def start(self, *arguments: str) -> tuple[Sidecar, Event]:
        """Start the SFU on the teacher's computer; returns what it says when it is ready."""
        usual = ("--port", "0", "--media-ports", "0", "--teacher-from", "any")
        command = self.teacher.program(program("source"))
        sfu = self._start_sidecar(*usual, *arguments, program=command)
        ready = sfu.hear()
        assert ready["event"] == "ready", ready
        return sfu, ready

    def told(self) -> list[str]:
        """Which addresses others are told when the SFU has started, in their order."""
        _sfu, ready = self.start()
        assert ready["urls"] == [url_of(ip, ready) for ip in ready["media"]["addresses"]]
        return list(ready["media"]["addresses"])

    def other_switch(self) -> Switch:
        """Another network."""
        return self._added(Switch(self._ip))

    def open_tunnel(self, name: str) -> None:
        """Have a VPN's program run on the teacher's computer, so that its interface is up."""
        with self.teacher.entered():
            tunnel = os.open("/dev/net/tun", os.O_RDWR)
        self._stack.callback(os.close, tunnel)
        fcntl.ioctl(tunnel, TUNSETIFF, struct.pack("16sH14x", name.encode(), IFF_TUN_NO_PI))

    def _added(self, computer: AnyComputer) -> AnyComputer:
        self._stack.callback(computer.remove)
        return computer


@pytest.fixture
def school(start_sidecar: StartSidecar) -> Iterator[School]:
    ip = require("network-namespaces")
    with ExitStack() as stack:
        yield School(ip, stack, start_sidecar)


def url_of(ip: str, ready: Event) -> str:
    return f"ws://[{ip}]:{ready['port']}" if ":" in ip else f"ws://{ip}:{ready['port']}"


def hear_until(sfu: Sidecar, event: str) -> list[Event]:
    """All that the SFU says up to an event, which is the last of them."""
    heard = [sfu.hear()]
    while heard[-1]["event"] != event:
        heard.append(sfu.hear())
    return heard


def codes_of(events: list[Event]) -> list[str]:
    return [each["code"] for each in events if each["event"] == "warning"]


def test_an_interface_without_its_cable_is_not_told(school: School) -> None:
    school.switch.plug_in(school.teacher, "eth0").pull_out()
    school.teacher.up("eth0", f"{TEACHER}/24")
    school.teacher.default_route("eth0", ROUTER, metric=100)
    school.other_switch().plug_in(school.teacher, "wlan0")
    school.teacher.up("wlan0", f"{WIFI}/24")
    school.teacher.default_route("wlan0", WIFI_ROUTER, metric=600)
    assert school.told() == [WIFI]


def test_the_better_default_route_comes_first(school: School) -> None:
    school.other_switch().plug_in(school.teacher, "wlan0")
    school.teacher.up("wlan0", f"{WIFI}/24")
    school.teacher.default_route("wlan0", WIFI_ROUTER, metric=600)
    school.switch.plug_in(school.teacher, "eth0")
    school.teacher.up("eth0", f"{TEACHER}/24")
    school.teacher.default_route("eth0", ROUTER, metric=100)
    assert school.told() == [TEACHER, WIFI]


def test_a_network_of_ipv6_alone_is_told(school: School) -> None:
    school.switch.plug_in(school.teacher, "eth0")
    school.teacher.up("eth0", f"{TEACHER_V6}/64")
    assert school.told() == [TEACHER_V6]


def test_both_versions_are_told(school: School) -> None:
    school.switch.plug_in(school.teacher, "eth0")
    school.teacher.up("eth0", f"{TEACHER}/24", f"{TEACHER_V6}/64")
    school.teacher.default_route("eth0", ROUTER)
    school.teacher.default_route("eth0", ROUTER_V6)
    assert school.told() == [TEACHER, TEACHER_V6]


def test_addresses_that_nobody_has_given_are_told_for_want_of_others(school: School) -> None:
    school.switch.plug_in(school.teacher, "eth0")
    school.teacher.up("eth0", "169.254.7.7/16")
    assert school.told() == ["169.254.7.7"]


def test_a_bridge_that_is_down_is_not_told(school: School) -> None:
    school.teacher.ip("link", "add", "docker0", "type", "bridge")
    school.teacher.up("docker0", "172.17.0.1/16")
    school.switch.plug_in(school.teacher, "eth0")
    school.teacher.up("eth0", f"{TEACHER}/24")
    assert school.told() == [TEACHER]


def test_a_bridge_of_containers_comes_last_whatever_it_is_called(school: School) -> None:
    school.teacher.ip("link", "add", "inside", "type", "bridge")
    school.teacher.up("inside", "172.17.0.1/16")
    school.teacher.ip("link", "add", "box", "type", "veth", "peer", "name", "box-end")
    school.teacher.ip("link", "set", "box", "master", "inside")
    school.teacher.up("box")
    school.teacher.up("box-end")
    school.switch.plug_in(school.teacher, "eth0")
    school.teacher.up("eth0", f"{TEACHER}/24")
    assert school.told() == [TEACHER, "172.17.0.1"]


def test_a_vpn_with_the_default_route_is_not_where_the_class_is(school: School) -> None:
    if not os.path.exists("/dev/net/tun"):
        pytest.skip("this machine has no /dev/net/tun")
    school.open_tunnel("corp")
    school.teacher.up("corp", "10.99.0.2/24")
    school.teacher.ip("route", "add", "default", "dev", "corp", "metric", "1")
    school.switch.plug_in(school.teacher, "eth0")
    school.teacher.up("eth0", f"{TEACHER}/24")
    assert school.told() == [TEACHER, "10.99.0.2"]


def test_a_cable_is_pulled_out_and_pushed_in_again(school: School) -> None:
    cable = school.switch.plug_in(school.teacher, "eth0")
    school.teacher.up("eth0", f"{TEACHER}/24")
    sfu, ready = school.start()
    urls = [url_of(TEACHER, ready)]
    assert ready["urls"] == urls
    for _ in range(2):
        cable.pull_out()
        heard = hear_until(sfu, "addresses")
        assert codes_of(heard) == ["address-gone", "no-network"]
        assert heard[-1]["urls"] == []
        cable.push_in()
        heard = hear_until(sfu, "addresses")
        assert codes_of(heard) == []
        assert heard[-1]["urls"] == urls


def test_a_computer_that_starts_without_a_network_finds_one(school: School) -> None:
    sfu, ready = school.start()
    assert ready["urls"] == []
    assert ready["media"]["addresses"] == ["127.0.0.1"]
    assert sfu.hear()["code"] == "no-network"
    school.switch.plug_in(school.teacher, "eth0")
    school.teacher.up("eth0", f"{TEACHER}/24")
    heard = hear_until(sfu, "addresses")
    assert codes_of(heard) == []
    assert heard[-1]["urls"] == [url_of(TEACHER, ready)]


def test_a_network_that_comes_by_another_cable_is_told(school: School) -> None:
    cable = school.switch.plug_in(school.teacher, "eth0")
    school.teacher.up("eth0", f"{TEACHER}/24")
    sfu, ready = school.start()
    school.other_switch().plug_in(school.teacher, "wlan0")
    school.teacher.up("wlan0", f"{WIFI}/24")
    school.teacher.default_route("wlan0", WIFI_ROUTER)
    last = hear_until(sfu, "addresses")[-1]
    while last["media"]["addresses"] != [WIFI, TEACHER]:  # the address may come before the route
        last = hear_until(sfu, "addresses")[-1]
    cable.pull_out()
    heard = hear_until(sfu, "addresses")
    assert codes_of(heard) == ["address-gone"]
    assert heard[-1]["urls"] == [url_of(WIFI, ready)]


@pytest.mark.parametrize("asked", [TEACHER, TEACHER_TOO, TEACHER_V6])
async def test_one_of_two_cards_in_a_network_answers_if_it_was_asked(
    asked: str, school: School
) -> None:
    for interface, address in (("eth0", TEACHER), ("eth1", TEACHER_TOO)):
        school.switch.plug_in(school.teacher, interface)
        school.teacher.up(interface, f"{address}/24")
    school.teacher.ip("address", "add", f"{TEACHER_V6}/64", "dev", "eth1", "nodad")
    _sfu, ready = school.start()
    host = STUDENT_V6 if ":" in asked else STUDENT
    options = PeerOptions(rewrite=towards(asked), host=host)
    with school.student.entered():
        room = Classroom(url_of(asked, ready))
        try:
            teacher = await room.teach(options=options)
            students = await room.attend(2, options)
            for student in students:
                await sees_all_kinds(student)
            assert strangers(teacher, *students) == 0
        finally:
            await room.leave()


async def test_the_address_of_the_websocket_is_the_first_one(school: School) -> None:
    for interface, address in (("eth0", TEACHER), ("eth1", TEACHER_TOO)):
        school.switch.plug_in(school.teacher, interface)
        school.teacher.up(interface, f"{address}/24")
    school.teacher.ip("address", "add", f"{TEACHER_V6}/64", "dev", "eth0", "nodad")
    _sfu, ready = school.start()
    with school.student.entered():
        for asked in (TEACHER_TOO, TEACHER_V6):
            room = Classroom(url_of(asked, ready), f"by {asked}")
            options = PeerOptions(host=STUDENT_V6 if ":" in asked else STUDENT)
            try:
                teacher = await room.teach(options=options)
                told = [each["ip"] for each in teacher.send_transport["iceCandidates"]]
                assert told[0] == asked
                assert sorted(told) == sorted([TEACHER, TEACHER_TOO, TEACHER_V6])
            finally:
                await room.leave()
