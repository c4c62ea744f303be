"""Which of this machine's addresses peers are told to use."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from sidecar.ortc.parameters import IceCandidate

REFRESH_INTERVAL_NS: Final = 5_000_000_000
"""A laptop may change its network during a class; asking the system takes about a millisecond."""

_HOST_TYPE_PREFERENCE: Final = 126
_MAX_LOCAL_PREFERENCE: Final = 65535
_COMPONENT: Final = 1

_VIRTUAL_NAME_STARTS: Final = (
    "br-",
    "docker",
    "ppp",
    "tap",
    "tun",
    "utun",
    "vboxnet",
    "veth",
    "virbr",
    "vmnet",
    "wg",
    "zt",
)
_VIRTUAL_NAME_PARTS: Final = (
    "default switch",
    "hamachi",
    "hyper-v",
    "nordlynx",
    "openvpn",
    "tailscale",
    "virtualbox",
    "vmware",
    "vpn",
    "wireguard",
    "wsl",
    "zerotier",
)
"""How the interfaces of VPNs, containers and virtual machines are called, lower case: short names
on Unix, descriptions on Windows."""


class InterfaceAddress(Struct, frozen=True):
    """An address of this machine.

    Attributes:
        interface: The name of its network interface, for people.
        ip: Without prefix length or scope.
    """

    interface: str
    ip: str


def system_addresses() -> list[InterfaceAddress]:
    """Asks the operating system for all of this machine's addresses."""
    import ifaddr  # uses ctypes: only when needed

    return [
        InterfaceAddress(adapter.nice_name, ip.ip if isinstance(ip.ip, str) else ip.ip[0])
        for adapter in ifaddr.get_adapters()
        for ip in adapter.ips
    ]


def is_own_address(
    address: str, list_addresses: Callable[[], list[InterfaceAddress]] = system_addresses
) -> bool:
    """Whether an IP address is one of this machine's: who comes from there runs here."""
    ip = _without_scope(address)
    return ip.is_loopback or any(_without_scope(each.ip) == ip for each in list_addresses())


class AddressBook:
    """The addresses to announce for a UDP port."""

    def __init__(
        self,
        *,
        bound_to: str,
        announced: Sequence[str],
        list_addresses: Callable[[], list[InterfaceAddress]] = system_addresses,
    ) -> None:
        """Remembers where the port is.

        Args:
            bound_to: The address it is bound to; unspecified (``0.0.0.0``, ``::``) for all.
            announced: What the person running the program says; nothing else is announced then.
            list_addresses: Asks the operating system.
        """
        self._bound_to = ipaddress.ip_address(bound_to)
        self._announced = tuple(announced)
        self._list_addresses = list_addresses
        self._known: list[InterfaceAddress] = []
        self._known_since_ns: int | None = None

    @property
    def follows_system(self) -> bool:
        """Whether the addresses are those of this machine's interfaces, whatever they are."""
        return not self._announced and self._bound_to.is_unspecified

    @property
    def announced(self) -> tuple[str, ...]:
        """What the person running the program says; empty if that is nothing."""
        return self._announced

    def announce(self, addresses: Sequence[str]) -> None:
        """Announces these from now on; none means those that are found."""
        self._announced = tuple(addresses)

    def update(self, found: Sequence[InterfaceAddress], now_ns: int) -> None:
        """Takes what the operating system has just said, and saves asking it again."""
        self._known = list(found)
        self._known_since_ns = now_ns

    def candidates(self, port: int, local_address: str | None, now_ns: int) -> list[IceCandidate]:
        """Makes the ICE candidates for one peer, best first (RFC 8445 section 5.1).

        Args:
            port: The UDP port.
            local_address: The local end of the connection by which the peer has reached us
                already: what works for the WebSocket will work for media. A loopback address
                comes last, though.
            now_ns: The time (monotonic).
        """
        from sidecar.ortc.parameters import IceCandidate  # not needed to know the addresses

        return [
            IceCandidate(
                foundation=f"udp{index}",
                priority=_priority(index),
                ip=ip,
                address=ip,
                port=port,
            )
            for index, ip in enumerate(self.addresses(local_address, now_ns))
        ]

    def addresses(self, local_address: str | None, now_ns: int) -> list[str]:
        """Lists the addresses for one peer, best first; arguments as for `candidates`."""
        if self._announced:
            return list(self._announced)
        if not self._bound_to.is_unspecified:
            return [str(self._bound_to)]
        if self._known_since_ns is None or now_ns - self._known_since_ns > REFRESH_INTERVAL_NS:
            self.update(self._list_addresses(), now_ns)
        usable = rank_addresses(self._known, version=self._bound_to.version)
        if local_address is not None and self._is_reachable(local_address):
            others = [ip for ip in usable if ip != local_address]
            # A browser on this machine that has a network address sends from that one, also to
            # 127.0.0.1, and takes no answer from there: then only a network address works.
            if ipaddress.ip_address(local_address).is_loopback:
                usable = [*others, local_address]
            else:
                usable = [local_address, *others]
        return usable or [_loopback(self._bound_to.version)]

    def _is_reachable(self, local_address: str) -> bool:
        try:
            return ipaddress.ip_address(local_address).version == self._bound_to.version
        except ValueError:
            return False


def rank_addresses(addresses: Iterable[InterfaceAddress], *, version: int) -> list[str]:
    """Sorts the addresses that others can reach, best first.

    Private addresses of real interfaces come first (a school's LAN), public ones next, those of
    VPNs, containers and virtual machines last; loopback and link-local ones are left out.

    Args:
        addresses: In the order of the operating system, which is kept among equals.
        version: 4 or 6.
    """
    ranked = []
    for each in addresses:
        ip = _without_scope(each.ip)
        if ip.version != version or ip.is_loopback or ip.is_link_local or ip.is_multicast:
            continue
        ranked.append((_is_virtual(each.interface), not ip.is_private, str(ip)))
    ranked.sort(key=lambda entry: entry[:2])
    return list(dict.fromkeys(ip for _virtual, _public, ip in ranked))


def _without_scope(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An address that may be written with its interface, as in ``fe80::1%eth0``."""
    return ipaddress.ip_address(address.split("%")[0])


def _is_virtual(interface: str) -> bool:
    name = interface.lower()
    return name.startswith(_VIRTUAL_NAME_STARTS) or any(
        part in name for part in _VIRTUAL_NAME_PARTS
    )


def _priority(index: int) -> int:
    local_preference = _MAX_LOCAL_PREFERENCE - index
    return _HOST_TYPE_PREFERENCE << 24 | local_preference << 8 | 256 - _COMPONENT


def _loopback(version: int) -> str:
    return "127.0.0.1" if version == 4 else "::1"
