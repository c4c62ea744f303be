"""Which of this machine's addresses peers are told to use."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from sidecar.net.interfaces import InterfaceAddress
from sidecar.net.platform import interface_addresses
from sidecar.net.ranking import Ip, rank_addresses, without_scope

if TYPE_CHECKING:
    from sidecar.ortc.parameters import IceCandidate

REFRESH_INTERVAL_NS: Final = 5_000_000_000
"""A laptop may change its network during a class; asking the system takes about a millisecond."""

_HOST_TYPE_PREFERENCE: Final = 126
_MAX_LOCAL_PREFERENCE: Final = 65535
_COMPONENT: Final = 1

__all__ = [
    "REFRESH_INTERVAL_NS",
    "AddressBook",
    "InterfaceAddress",
    "rank_addresses",
    "system_addresses",
]


def system_addresses() -> list[InterfaceAddress]:
    """Asks the operating system for all of this machine's addresses."""
    return interface_addresses()


class AddressBook:
    """This machine's addresses, and which of them to announce for a UDP port."""

    def __init__(
        self,
        *,
        bound_to: str,
        announced: Sequence[str],
        list_addresses: Callable[[], list[InterfaceAddress]] = system_addresses,
    ) -> None:
        """Remembers where the port is.

        Args:
            bound_to: The address it is bound to; ``0.0.0.0`` and ``::`` for all of one IP version,
                empty for all of both.
            announced: What the person running the program says; nothing else is announced then.
            list_addresses: Asks the operating system.
        """
        self._bound_to = ipaddress.ip_address(bound_to) if bound_to else None
        self._announced = tuple(announced)
        self._list_addresses = list_addresses
        self._own: frozenset[Ip] = frozenset()
        self._ranked: Sequence[str] = ()
        self._known_since_ns: int | None = None

    @property
    def follows_system(self) -> bool:
        """Whether the addresses are those of this machine's interfaces, whatever they are."""
        return not self._announced and self._is_everywhere

    @property
    def announced(self) -> tuple[str, ...]:
        """What the person running the program says; empty if that is nothing."""
        return self._announced

    def announce(self, addresses: Sequence[str]) -> None:
        """Announces these from now on; none means those that are found."""
        self._announced = tuple(addresses)

    def update(self, found: Sequence[InterfaceAddress], now_ns: int) -> None:
        """Takes what the operating system has just said, and saves asking it again."""
        self._own = frozenset(without_scope(each.ip) for each in found)
        version = self._bound_to.version if self._bound_to is not None else None
        self._ranked = rank_addresses(found, version=version)
        self._known_since_ns = now_ns

    def is_own(self, address: str) -> bool:
        """Whether an IP address is one of this machine's: who comes from there runs here.

        Answers from what is known, at once. Asks the system only if nothing has ever been known.
        """
        ip = without_scope(address)
        if not ip.is_loopback and self._known_since_ns is None:
            self.update(self._list_addresses(), 0)
        return ip.is_loopback or ip in self._own

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
        if not self._is_everywhere:
            return [str(self._bound_to)]
        if self._known_since_ns is None or now_ns - self._known_since_ns > REFRESH_INTERVAL_NS:
            self.update(self._list_addresses(), now_ns)
        usable = list(self._ranked)
        if local_address is not None and self._is_reachable(local_address):
            others = [ip for ip in usable if ip != local_address]
            # A browser on this machine that has a network address sends from that one, also to
            # 127.0.0.1, and takes no answer from there: then only a network address works.
            if ipaddress.ip_address(local_address).is_loopback:
                usable = [*others, local_address]
            else:
                usable = [local_address, *others]
        return usable or [_loopback(self._bound_to)]

    @property
    def _is_everywhere(self) -> bool:
        return self._bound_to is None or self._bound_to.is_unspecified

    def _is_reachable(self, local_address: str) -> bool:
        """Whether media can come to where the WebSocket came to."""
        try:
            ip = ipaddress.ip_address(local_address)
        except ValueError:
            return False
        # No browser takes a candidate with a scope.
        has_scope = ip.version == 6 and ip.is_link_local
        return not has_scope and (self._bound_to is None or ip.version == self._bound_to.version)


def _priority(index: int) -> int:
    local_preference = _MAX_LOCAL_PREFERENCE - index
    return _HOST_TYPE_PREFERENCE << 24 | local_preference << 8 | 256 - _COMPONENT


def _loopback(bound_to: Ip | None) -> str:
    return "::1" if bound_to is not None and bound_to.version == 6 else "127.0.0.1"
