"""Which of a machine's addresses others can reach, the best first."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Final, NamedTuple

from sidecar.net.interfaces import InterfaceAddress

_VPN_NAME_STARTS: Final = ("ipsec", "ppp", "tap", "tun", "utun", "wg", "zt")
_VPN_NAME_PARTS: Final = (
    "hamachi",
    "nordlynx",
    "openvpn",
    "tailscale",
    "vpn",
    "wireguard",
    "zerotier",
)
_VIRTUAL_NAME_STARTS: Final = (
    "br-",
    "cni",
    "docker",
    "lxcbr",
    "lxdbr",
    "podman",
    "vboxnet",
    "veth",
    "virbr",
    "vmnet",
)
_VIRTUAL_NAME_PARTS: Final = ("default switch", "hyper-v", "virtualbox", "vmware", "wsl")
"""How the interfaces of VPNs, containers and virtual machines are called, lower case: short names
on Unix, descriptions on Windows."""

_WORST_METRIC: Final = 1 << 32

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address


class _Worth(IntEnum):
    """How likely the class is to be where an address is, the likeliest first."""

    NETWORK = 0
    VPN = 1
    LINK_LOCAL = 2
    """Nobody has given this computer an address, so it took one (RFC 3927)."""
    INSIDE = 3
    """A network within this computer, of containers and virtual machines."""


class _Candidate(NamedTuple):
    worth: _Worth
    ip: Ip
    found: InterfaceAddress


def without_scope(address: str) -> Ip:
    """An address that may be written with its interface, as in ``fe80::1%eth0``."""
    return ipaddress.ip_address(address.partition("%")[0])


def rank_addresses(
    addresses: Iterable[InterfaceAddress], *, version: int | None = None
) -> list[str]:
    """Sorts the addresses that others can reach, best first.

    Those of interfaces that are down, loopback, multicast and IPv6 link-local ones are left out;
    temporary and deprecated ones where the interface has a better one; IPv4 link-local ones where
    any network has a better one. Then come, in this order:

    1. real interfaces, VPNs, IPv4 link-local addresses, networks within this computer;
    2. interfaces with a default route;
    3. IPv4, IPv6;
    4. the lower metric of the default route;
    5. lasting addresses, and those with neighbours (not those of a network of one);
    6. private ones (a school's LAN), public ones.

    Args:
        addresses: In the order of the operating system, which is kept among equals.
        version: 4 or 6; None for both.
    """
    candidates = [
        _Candidate(_worth(each, ip), ip, each)
        for each in addresses
        if _is_reachable(each, ip := without_scope(each.ip)) and version in (None, ip.version)
    ]
    candidates = _without_stopgaps(candidates)
    with_default_route = {
        each.found.interface for each in candidates if each.found.metric is not None
    }
    candidates.sort(key=lambda each: _key(each, with_default_route))
    return list(dict.fromkeys(str(each.ip) for each in candidates))


def _is_reachable(address: InterfaceAddress, ip: Ip) -> bool:
    return (
        address.is_up
        and not (ip.is_loopback or ip.is_multicast or ip.is_unspecified)
        # Browsers take no candidate with a scope.
        and not (ip.version == 6 and ip.is_link_local)
    )


def _worth(address: InterfaceAddress, ip: Ip) -> _Worth:
    kind = address.kind if address.kind != "unknown" else _kind_by_name(address.interface)
    if kind == "virtual":
        return _Worth.INSIDE
    if ip.is_link_local:
        return _Worth.LINK_LOCAL
    return _Worth.VPN if kind == "vpn" else _Worth.NETWORK


def _kind_by_name(interface: str) -> str:
    name = interface.lower()
    if name.startswith(_VIRTUAL_NAME_STARTS) or any(part in name for part in _VIRTUAL_NAME_PARTS):
        return "virtual"
    if name.startswith(_VPN_NAME_STARTS) or any(part in name for part in _VPN_NAME_PARTS):
        return "vpn"
    return "physical"


def _without_stopgaps(candidates: Sequence[_Candidate]) -> list[_Candidate]:
    """Leaves out what is only for want of something better."""
    has_network = any(each.worth < _Worth.LINK_LOCAL for each in candidates)
    lasting = {
        (each.found.interface, each.ip.version) for each in candidates if _is_lasting(each.found)
    }
    return [
        each
        for each in candidates
        if not (has_network and each.ip.is_link_local)
        and (_is_lasting(each.found) or (each.found.interface, each.ip.version) not in lasting)
    ]


def _is_lasting(address: InterfaceAddress) -> bool:
    return not (address.is_temporary or address.is_deprecated)


def _key(candidate: _Candidate, with_default_route: set[str]) -> tuple[int, ...]:
    worth, ip, found = candidate
    return (
        worth,
        found.interface not in with_default_route,
        ip.version,
        _WORST_METRIC if found.metric is None else found.metric,
        found.is_deprecated,
        found.is_temporary,
        found.prefix_bits == ip.max_prefixlen,
        not ip.is_private,
    )
