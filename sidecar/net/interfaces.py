"""What is known of an address of this machine, and how to find it out where there is no better way.

What Linux and Windows tell of their own is in `sidecar.net.netlink` and
`sidecar.net.windows_adapters`.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

InterfaceKind = Literal["unknown", "physical", "vpn", "virtual"]
"""``virtual``: of containers and virtual machines on this computer."""

_FAR_AWAY: Final = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
"""Of each family an address that is in no network (RFC 5737, RFC 3849)."""

_DISCARD_PORT: Final = 9


class InterfaceAddress(Struct, frozen=True):
    """An address of this machine.

    Attributes:
        interface: The name of its network interface, for people.
        ip: Without prefix length or scope.
        prefix_bits: The length of its network's prefix; None if unknown.
        is_up: The interface is switched on, and its cable or radio is connected.
        metric: Of the default route of this IP version through the interface, the lower the
            better; None if there is none.
        kind: What the interface is, as far as the system tells.
        is_temporary: Replaced now and then, for privacy (RFC 8981).
        is_deprecated: Not to be used for anything new (RFC 4862 section 5.5.4).
    """

    interface: str
    ip: str
    prefix_bits: int | None = None
    is_up: bool = True
    metric: int | None = None
    kind: InterfaceKind = "unknown"
    is_temporary: bool = False
    is_deprecated: bool = False


def portable_addresses(is_up: Callable[[str], bool]) -> list[InterfaceAddress]:
    """Finds the addresses by what all systems have in common.

    Args:
        is_up: Whether the interface of a name, as the system calls it, is connected.
    """
    import ifaddr  # uses ctypes: only when needed

    found = [
        InterfaceAddress(
            interface=adapter.nice_name,
            ip=ip.ip if isinstance(ip.ip, str) else ip.ip[0],
            prefix_bits=ip.network_prefix,
            is_up=is_up(adapter.name),
        )
        for adapter in ifaddr.get_adapters()
        for ip in adapter.ips
    ]
    usual = _usual_sources()
    chosen = {(each.interface, _version(each.ip)) for each in found if each.ip in usual}
    return [
        replace(each, metric=0) if (each.interface, _version(each.ip)) in chosen else each
        for each in found
    ]


def _usual_sources() -> set[str]:
    """From which addresses this machine talks to the world: those that its default routes choose.

    A UDP socket that is connected sends nothing.
    """
    sources = set()
    for family, far_away in _FAR_AWAY:
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((far_away, _DISCARD_PORT))
            sources.add(probe.getsockname()[0])
    return sources


def _version(ip: str) -> int:
    return 6 if ":" in ip else 4
