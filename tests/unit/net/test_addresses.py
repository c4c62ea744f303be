"""Which addresses peers are told, and in which order."""

from __future__ import annotations

import ipaddress

import pytest

from sidecar.net.addresses import (
    REFRESH_INTERVAL_NS,
    AddressBook,
    InterfaceAddress,
    rank_addresses,
    system_addresses,
)

LAN = InterfaceAddress("Ethernet", "192.168.1.10")
WIFI = InterfaceAddress("Wi-Fi", "10.0.0.7")
PUBLIC = InterfaceAddress("eno2", "93.184.216.34")
VPN = InterfaceAddress("OpenVPN TAP-Windows6", "10.8.0.2")
DOCKER = InterfaceAddress("docker0", "172.17.0.1")
LOOPBACK = InterfaceAddress("lo", "127.0.0.1")
LINK_LOCAL = InterfaceAddress("Ethernet", "169.254.12.3")
LAN_V6 = InterfaceAddress("Ethernet", "fd00::10")
PUBLIC_V6 = InterfaceAddress("Ethernet", "2a01:4f8::1")
LINK_LOCAL_V6 = InterfaceAddress("Ethernet", "fe80::1%eth0")
LOOPBACK_V6 = InterfaceAddress("lo", "::1")


class System:
    """An operating system whose addresses can change.

    Attributes:
        current: What it says.
        asked: How often it was asked.
    """

    def __init__(self, *addresses: InterfaceAddress) -> None:
        self.current = list(addresses)
        self.asked = 0

    def __call__(self) -> list[InterfaceAddress]:
        self.asked += 1
        return list(self.current)


def make_book(
    *addresses: InterfaceAddress, bound_to: str = "0.0.0.0", announced: tuple[str, ...] = ()
) -> AddressBook:
    return AddressBook(bound_to=bound_to, announced=announced, list_addresses=System(*addresses))


def test_private_addresses_come_first_and_virtual_ones_last() -> None:
    found = [VPN, PUBLIC, DOCKER, LAN, WIFI]
    assert rank_addresses(found, version=4) == [
        LAN.ip,
        WIFI.ip,
        PUBLIC.ip,
        VPN.ip,
        DOCKER.ip,
    ]


def test_a_public_address_of_a_real_interface_comes_before_a_private_virtual_one() -> None:
    assert rank_addresses([VPN, PUBLIC], version=4) == [PUBLIC.ip, VPN.ip]


def test_the_order_of_the_system_is_kept_among_equals() -> None:
    assert rank_addresses([WIFI, LAN], version=4) == [WIFI.ip, LAN.ip]
    assert rank_addresses([LAN, WIFI], version=4) == [LAN.ip, WIFI.ip]


@pytest.mark.parametrize(
    "interface",
    [
        "tun0",
        "utun3",
        "wg0",
        "tailscale0",
        "docker0",
        "br-5f2c9a3b1d00",
        "veth12ab34c",
        "virbr0",
        "vmnet8",
        "vboxnet0",
        "vEthernet (WSL)",
        "Hyper-V Virtual Ethernet Adapter",
        "VMware Virtual Ethernet Adapter for VMnet1",
        "VirtualBox Host-Only Ethernet Adapter",
        "WireGuard Tunnel",
        "ZeroTier One [8056c2e21c000001]",
        "NordLynx",
    ],
)
def test_virtual_interfaces_are_known_by_name(interface: str) -> None:
    virtual = InterfaceAddress(interface, "192.168.99.1")
    assert rank_addresses([virtual, PUBLIC], version=4) == [PUBLIC.ip, virtual.ip]


@pytest.mark.parametrize(
    "interface",
    [
        "eth0",
        "enp0s31f6",
        "wlan0",
        "wlp2s0",
        "en0",
        "Ethernet",
        "Intel(R) Wi-Fi 6 AX201 160MHz",
        "NETGEAR WG111v3 Wireless USB Adapter",
        "Realtek PCIe GbE Family Controller",
    ],
)
def test_real_interfaces_are_not_mistaken_for_virtual_ones(interface: str) -> None:
    real = InterfaceAddress(interface, "192.168.99.1")
    assert rank_addresses([PUBLIC, real], version=4) == [real.ip, PUBLIC.ip]


def test_addresses_that_others_cannot_reach_are_left_out() -> None:
    multicast = InterfaceAddress("Ethernet", "224.0.0.1")
    assert rank_addresses([LOOPBACK, LINK_LOCAL, multicast, LAN], version=4) == [LAN.ip]
    assert rank_addresses([LOOPBACK_V6, LINK_LOCAL_V6, LAN_V6], version=6) == [LAN_V6.ip]


def test_only_one_version_is_listed() -> None:
    found = [LAN, LAN_V6, PUBLIC, PUBLIC_V6]
    assert rank_addresses(found, version=4) == [LAN.ip, PUBLIC.ip]
    assert rank_addresses(found, version=6) == [LAN_V6.ip, PUBLIC_V6.ip]


def test_an_address_is_listed_once() -> None:
    assert rank_addresses([LAN, VPN, LAN], version=4) == [LAN.ip, VPN.ip]


def test_what_is_announced_replaces_what_is_found() -> None:
    book = make_book(LAN, announced=("203.0.113.5", "203.0.113.6"))
    assert book.addresses("192.168.1.10", 0) == ["203.0.113.5", "203.0.113.6"]


def test_what_is_announced_replaces_a_bound_address_too() -> None:
    book = make_book(LAN, bound_to="192.168.1.10", announced=("203.0.113.5",))
    assert book.addresses(None, 0) == ["203.0.113.5"]


def test_a_bound_address_is_the_only_one() -> None:
    system = System(LAN, WIFI)
    book = AddressBook(bound_to="192.168.1.10", announced=(), list_addresses=system)
    assert book.addresses("10.0.0.7", 0) == ["192.168.1.10"]
    assert system.asked == 0


def test_the_address_by_which_a_peer_came_is_first() -> None:
    book = make_book(LAN, WIFI, VPN)
    assert book.addresses(None, 0) == [LAN.ip, WIFI.ip, VPN.ip]
    assert book.addresses(VPN.ip, 0) == [VPN.ip, LAN.ip, WIFI.ip]
    assert book.addresses("127.0.0.1", 0) == [LAN.ip, WIFI.ip, VPN.ip, "127.0.0.1"]


@pytest.mark.parametrize("local_address", ["::1", "fd00::10", "not an address", ""])
def test_an_address_by_which_media_cannot_come_is_not_offered(local_address: str) -> None:
    assert make_book(LAN).addresses(local_address, 0) == [LAN.ip]


def test_an_ipv6_port_is_reached_by_ipv6() -> None:
    book = make_book(LAN, LAN_V6, bound_to="::")
    assert book.addresses("192.168.1.10", 0) == [LAN_V6.ip]
    assert book.addresses("2a01:4f8::1", 0) == ["2a01:4f8::1", LAN_V6.ip]


@pytest.mark.parametrize(("bound_to", "loopback"), [("0.0.0.0", "127.0.0.1"), ("::", "::1")])
def test_a_machine_without_a_network_still_serves_itself(bound_to: str, loopback: str) -> None:
    assert make_book(LOOPBACK, bound_to=bound_to).addresses(None, 0) == [loopback]


def test_the_system_is_asked_again_after_a_while() -> None:
    system = System(LAN)
    book = AddressBook(bound_to="0.0.0.0", announced=(), list_addresses=system)
    started_ns = 1_000_000_000_000
    assert book.addresses(None, started_ns) == [LAN.ip]

    system.current = [WIFI]
    assert book.addresses(None, started_ns + REFRESH_INTERVAL_NS) == [LAN.ip]
    assert system.asked == 1
    assert book.addresses(None, started_ns + REFRESH_INTERVAL_NS + 1) == [WIFI.ip]
    assert system.asked == 2
    assert book.addresses(None, started_ns + REFRESH_INTERVAL_NS + 2) == [WIFI.ip]
    assert system.asked == 2


def test_the_system_is_asked_also_at_time_zero() -> None:
    assert make_book(LAN).addresses(None, 0) == [LAN.ip]


def test_candidates_say_what_ice_wants_to_know() -> None:
    first, second = make_book(LAN, WIFI).candidates(40000, None, 0)
    assert (first.ip, first.address, first.port) == (LAN.ip, LAN.ip, 40000)
    assert (first.protocol, first.type) == ("udp", "host")
    assert first.foundation != second.foundation
    # RFC 8445 section 5.1.2.1: type preference 126, local preferences 65535 and 65534, RTP.
    assert first.priority == (126 << 24) + (65535 << 8) + 255
    assert second.priority == (126 << 24) + (65534 << 8) + 255


def test_this_machine_has_addresses() -> None:
    found = system_addresses()
    assert found
    for each in found:
        ipaddress.ip_address(each.ip)
        assert isinstance(each.interface, str)


@pytest.mark.parametrize(
    "address", [LAN.ip, "127.0.0.1", "127.8.8.8", "::1", "fd00::10", "fe80::1%wlan0", "fe80::1"]
)
def test_who_comes_from_one_of_this_machines_addresses_is_on_this_machine(address: str) -> None:
    assert make_book(LAN, LAN_V6, LINK_LOCAL_V6).is_own(address)


@pytest.mark.parametrize("address", ["192.168.1.11", "fd00::11", "0.0.0.0"])
def test_everybody_else_is_not(address: str) -> None:
    assert not make_book(LAN, LAN_V6, LINK_LOCAL_V6).is_own(address)


def test_other_addresses_can_be_announced_at_any_time() -> None:
    book = make_book(LAN, announced=("203.0.113.5",))
    assert not book.follows_system
    book.announce(["203.0.113.6"])
    assert [each.ip for each in book.candidates(40000, LAN.ip, 0)] == ["203.0.113.6"]
    book.announce([])
    assert book.follows_system
    assert book.addresses(None, 0) == [LAN.ip]


def test_a_book_of_one_address_does_not_follow_the_system() -> None:
    assert not make_book(LAN, bound_to=LAN.ip).follows_system


def test_what_somebody_else_has_asked_is_not_asked_again() -> None:
    system = System(LAN)
    book = AddressBook(bound_to="0.0.0.0", announced=(), list_addresses=system)
    book.update([WIFI], 0)
    assert book.addresses(None, REFRESH_INTERVAL_NS) == [WIFI.ip]
    assert system.asked == 0
    assert book.addresses(None, REFRESH_INTERVAL_NS + 1) == [LAN.ip]
