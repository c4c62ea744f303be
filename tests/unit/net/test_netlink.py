"""What Linux says of its interfaces and routes; see `tests/reliability/test_addresses.py`."""

from __future__ import annotations

import struct
import sys

import pytest

from sidecar.net import netlink, platform
from sidecar.net.interfaces import InterfaceKind, portable_addresses
from sidecar.net.netlink import _kind, _leads_somewhere, _Link

LINUX_ONLY = pytest.mark.skipif(sys.platform != "linux", reason="it is Linux that is asked")

LINKS = {
    1: _Link("eth0", True, "", 0, 0),
    2: _Link("corp", True, "tun", 0, 0),
    3: _Link("docker0", True, "bridge", 0, 0),
    4: _Link("veth1", True, "veth", 0, 3),
    5: _Link("br-lan", True, "bridge", 0, 0),
    6: _Link("eth1", True, "", 0, 5),
    7: _Link("eth0.10", True, "vlan", 1, 0),
    8: _Link("corp.10", True, "vlan", 2, 0),
    9: _Link("bond0", True, "bond", 0, 0),
    10: _Link("loop", True, "macvlan", 10, 0),
    11: _Link("br-new", True, "bridge", 0, 0),
    12: _Link("br-down", True, "bridge", 0, 0),
    13: _Link("eth2", False, "", 0, 12),
}


@pytest.mark.parametrize(
    ("index", "kind"),
    [
        (1, "unknown"),
        (2, "vpn"),
        (3, "virtual"),
        (4, "unknown"),
        (5, "physical"),
        (7, "unknown"),
        (8, "vpn"),
        (9, "physical"),
        (10, "unknown"),
        (11, "virtual"),
    ],
)
def test_interfaces_are_what_they_are_made_of(index: int, kind: InterfaceKind) -> None:
    assert _kind(index, LINKS) == kind


def test_a_bridge_without_anything_plugged_in_leads_nowhere() -> None:
    assert [_leads_somewhere(bridge, LINKS) for bridge in (3, 5, 11, 12)] == [
        True,
        True,
        False,
        False,
    ]


def test_routes_may_have_several_ways_of_which_some_are_dead() -> None:
    hops = b"".join(
        struct.pack("=HBBi", 16, flags, 0, interface) + bytes(8)
        for flags, interface in ((0, 2), (1, 3), (16, 4), (0, 5))
    )
    assert netlink._next_hops(hops) == [2, 5]
    assert netlink._next_hops(bytes(8)) == [0]


class FakeKernel:
    """Answers with what a test says."""

    def __init__(self, *answers: bytes) -> None:
        self._answers = list(answers)

    def send(self, _request: bytes) -> None:
        pass

    def recv(self, _size: int) -> bytes:
        return self._answers.pop(0)


def message(kind: int, body: bytes) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body


def test_answers_come_in_parts() -> None:
    done = message(3, bytes(4))
    kernel = FakeKernel(
        message(16, b"one.") + message(16, b"two."), message(16, b"three...") + done
    )
    assert list(netlink._dump(kernel, 18, 4)) == [b"one.", b"two.", b"three..."]  # type: ignore[arg-type]


def test_a_refusal_is_an_error() -> None:
    kernel = FakeKernel(message(2, struct.pack("=i", -1) + bytes(16)))
    with pytest.raises(PermissionError):
        list(netlink._dump(kernel, 18, 4))  # type: ignore[arg-type]


@LINUX_ONLY
def test_where_netlink_is_forbidden_addresses_are_found_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usual = {each.ip for each in platform.interface_addresses()}

    def refuse() -> None:
        raise PermissionError

    monkeypatch.setattr(netlink, "interface_addresses", refuse)
    assert {each.ip for each in platform.interface_addresses()} == usual
    monkeypatch.setattr(netlink, "open_change_feed", refuse)
    assert platform.network_changes() is None


@LINUX_ONLY
def test_what_all_systems_have_in_common_agrees_with_netlink() -> None:
    told = {each.ip: each.is_up for each in netlink.interface_addresses()}
    found = portable_addresses(platform._is_running)
    assert {each.ip: each.is_up for each in found} == told


def test_other_systems_tell_of_no_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "IS_LINUX", False)
    assert platform.network_changes() is None
