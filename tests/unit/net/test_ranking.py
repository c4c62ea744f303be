"""Which addresses come first, from what the system tells of them."""

from __future__ import annotations

from sidecar.net.interfaces import InterfaceAddress
from sidecar.net.ranking import rank_addresses

LAN = InterfaceAddress("eth0", "192.168.1.10", 24, metric=100)
WIFI = InterfaceAddress("wlan0", "10.0.0.7", 24, metric=600)
LAN_V6 = InterfaceAddress("eth0", "fd00::10", 64)
PUBLIC_V6 = InterfaceAddress("eth0", "2a01:4f8::1", 64, metric=1024)
VPN = InterfaceAddress("corp", "10.8.0.2", 32, metric=50, kind="vpn")
DOCKER = InterfaceAddress("docker0", "172.17.0.1", 16, kind="virtual")
OWN_ADDRESS = InterfaceAddress("eth0", "169.254.12.3", 16)


def ips(*addresses: InterfaceAddress) -> list[str]:
    return [each.ip for each in addresses]


def test_what_is_down_is_not_announced() -> None:
    down = InterfaceAddress("eth1", "192.168.7.7", 24, is_up=False, metric=1)
    assert rank_addresses([down, WIFI]) == ips(WIFI)
    assert rank_addresses([down]) == []


def test_the_default_route_with_the_lowest_metric_comes_first() -> None:
    assert rank_addresses([WIFI, LAN]) == ips(LAN, WIFI)


def test_an_interface_with_a_default_route_comes_before_one_without() -> None:
    projector = InterfaceAddress("eth1", "192.168.7.7", 24)
    assert rank_addresses([projector, WIFI]) == ips(WIFI, projector)
    public = InterfaceAddress("eth0", "93.184.216.34", 24, metric=0)
    assert rank_addresses([projector, public]) == ips(public, projector)


def test_a_default_route_of_the_other_version_counts_for_the_interface() -> None:
    isolated = InterfaceAddress("eth1", "192.168.7.7", 24)
    own = InterfaceAddress("eth0", "192.168.1.10", 24)
    assert rank_addresses([isolated, own, PUBLIC_V6]) == ips(own, PUBLIC_V6, isolated)


def test_a_vpn_that_takes_all_traffic_is_not_where_the_class_is() -> None:
    assert rank_addresses([VPN, LAN]) == ips(LAN, VPN)


def test_containers_come_last() -> None:
    assert rank_addresses([DOCKER, VPN, LAN]) == ips(LAN, VPN, DOCKER)


def test_what_the_system_tells_counts_more_than_a_name() -> None:
    bridged = InterfaceAddress("br-lan", "192.168.3.3", 24, metric=5, kind="physical")
    disguised = InterfaceAddress("eth7", "172.20.0.1", 16, metric=1, kind="virtual")
    assert rank_addresses([disguised, bridged]) == ips(bridged, disguised)


def test_of_an_interface_ipv4_comes_before_ipv6() -> None:
    assert rank_addresses([PUBLIC_V6, LAN_V6, DOCKER, LAN]) == ips(LAN, PUBLIC_V6, LAN_V6, DOCKER)


def test_a_network_of_ipv6_alone_is_a_network() -> None:
    link_local = InterfaceAddress("eth0", "fe80::1", 64, metric=1024)
    loopback = InterfaceAddress("lo", "127.0.0.1", 8)
    assert rank_addresses([loopback, link_local, PUBLIC_V6]) == ips(PUBLIC_V6)


def test_an_address_that_nobody_has_given_is_better_than_none() -> None:
    assert rank_addresses([OWN_ADDRESS]) == ips(OWN_ADDRESS)
    assert rank_addresses([OWN_ADDRESS, DOCKER]) == ips(OWN_ADDRESS, DOCKER)
    assert rank_addresses([OWN_ADDRESS, WIFI]) == ips(WIFI)
    assert rank_addresses([OWN_ADDRESS, PUBLIC_V6]) == ips(PUBLIC_V6)
    assert rank_addresses([OWN_ADDRESS, LAN_V6], version=4) == ips(OWN_ADDRESS)


def test_what_only_virtual_machines_gave_themselves_helps_nobody() -> None:
    between_machines = InterfaceAddress("vmnet1", "169.254.3.3", 16)
    assert rank_addresses([between_machines, DOCKER]) == ips(between_machines, DOCKER)
    assert rank_addresses([between_machines, LAN]) == ips(LAN)


def test_lasting_addresses_are_enough() -> None:
    temporary = InterfaceAddress("eth0", "2a01:4f8::abcd", 64, metric=1024, is_temporary=True)
    deprecated = InterfaceAddress("eth0", "2a01:4f8::dead", 64, metric=1024, is_deprecated=True)
    assert rank_addresses([temporary, deprecated, PUBLIC_V6]) == ips(PUBLIC_V6)
    assert rank_addresses([deprecated, temporary]) == ips(temporary, deprecated)


def test_a_network_of_one_has_no_neighbours() -> None:
    alone = InterfaceAddress("eth0", "192.168.1.11", 32, metric=100)
    assert rank_addresses([alone, LAN]) == ips(LAN, alone)
