"""What `sidecar.net.platform` asks Linux about its network, by netlink (rtnetlink(7)).

Nothing of this is imported elsewhere. Unlike the files under ``/sys`` it tells of the network
namespace that this process is in, and it tells when something has changed.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Final, NamedTuple

from sidecar.net.interfaces import InterfaceAddress, InterfaceKind

_HEADER: Final = struct.Struct("=IHHII")
_ATTRIBUTE: Final = struct.Struct("=HH")
_LINK: Final = struct.Struct("=BxHiII")  # ifinfomsg
_ADDRESS: Final = struct.Struct("=BBBBi")  # ifaddrmsg
_ROUTE: Final = struct.Struct("=BBBBBBBBI")  # rtmsg
_NEXT_HOP: Final = struct.Struct("=HBBi")  # rtnexthop
_NUMBER: Final = struct.Struct("=I")

_ERROR, _DONE = 2, 3
_GET_LINK, _GET_ADDRESS, _GET_ROUTE = 18, 22, 26
_REQUEST_DUMP: Final = 0x301
_TYPE_MASK: Final = 0x3FFF
_RECEIVED_BYTES: Final = 1 << 16

_CHANGES: Final = 0x1 | 0x10 | 0x40 | 0x100 | 0x400
"""The groups RTMGRP_LINK, RTMGRP_IPV4_IFADDR and _ROUTE, RTMGRP_IPV6_IFADDR and _ROUTE."""

# Attributes of links, addresses and routes.
_IFLA_IFNAME, _IFLA_LINK, _IFLA_MASTER, _IFLA_LINKINFO, _IFLA_INFO_KIND = 3, 5, 10, 18, 1
_IFA_ADDRESS, _IFA_LOCAL, _IFA_FLAGS = 1, 2, 8
_RTA_OIF, _RTA_PRIORITY, _RTA_MULTIPATH, _RTA_TABLE = 4, 6, 9, 15

_IFF_UP_AND_RUNNING: Final = 0x1 | 0x40
_IFA_TEMPORARY, _IFA_OPTIMISTIC, _IFA_DAD_FAILED, _IFA_DEPRECATED, _IFA_TENTATIVE = 1, 4, 8, 32, 64
_MAIN_TABLE: Final = 254
_UNICAST: Final = 1
_DEAD_OR_LINK_DOWN: Final = 0x1 | 0x10

_TUNNELS: Final = frozenset(
    ("gre", "ip6gre", "ip6tnl", "ipip", "ovpn", "ppp", "sit", "tun", "vti", "vti6", "wireguard")
) | {"xfrm"}
_ON_TOP: Final = frozenset(("ipvlan", "macvlan", "vlan"))
_BUNDLES: Final = frozenset(("bond", "team"))

Attributes = Mapping[int, bytes]


class _Link(NamedTuple):
    """A network interface.

    Attributes:
        name: Its name.
        is_up: It is switched on, and its cable or radio is connected.
        made_as: By which kind of driver it was made; empty for hardware.
        below: The number of the interface that it sits on, 0 for none.
        master: The number of the bridge or bundle that it is part of, 0 for none.
    """

    name: str
    is_up: bool
    made_as: str
    below: int
    master: int


def interface_addresses() -> list[InterfaceAddress]:
    """Asks for all addresses of this machine.

    Raises:
        OSError: The system doesn't answer.
    """
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        kernel.settimeout(2)
        links = dict(_links(kernel))
        metrics = _default_route_metrics(kernel)
        return list(_addresses(kernel, links, metrics))


def open_change_feed() -> socket.socket:
    """Opens a non-blocking socket that becomes readable when something has changed.

    Raises:
        OSError: The system has none.
    """
    feed = socket.socket(
        socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE
    )
    try:
        feed.bind((0, _CHANGES))
    except OSError:
        feed.close()
        raise
    return feed


def _links(kernel: socket.socket) -> Iterator[tuple[int, _Link]]:
    for body in _dump(kernel, _GET_LINK, _LINK.size):
        _family, _type, index, flags, _change = _LINK.unpack_from(body)
        attributes = _attributes(body[_LINK.size :])
        made_as = _attributes(attributes.get(_IFLA_LINKINFO, b"")).get(_IFLA_INFO_KIND, b"")
        yield (
            index,
            _Link(
                name=_text(attributes.get(_IFLA_IFNAME, b"")),
                is_up=flags & _IFF_UP_AND_RUNNING == _IFF_UP_AND_RUNNING,
                made_as=_text(made_as),
                below=_number(attributes, _IFLA_LINK),
                master=_number(attributes, _IFLA_MASTER),
            ),
        )


def _default_route_metrics(kernel: socket.socket) -> dict[tuple[int, int], int]:
    """The lowest metric of a default route, by family and interface."""
    metrics: dict[tuple[int, int], int] = {}
    for body in _dump(kernel, _GET_ROUTE, _ROUTE.size):
        family, destination_bits, _, _, table, _, _, kind, flags = _ROUTE.unpack_from(body)
        if destination_bits or kind != _UNICAST or flags & _DEAD_OR_LINK_DOWN:
            continue
        attributes = _attributes(body[_ROUTE.size :])
        if _number(attributes, _RTA_TABLE, table) != _MAIN_TABLE:
            continue
        metric = _number(attributes, _RTA_PRIORITY)
        interfaces = _next_hops(attributes.get(_RTA_MULTIPATH, b""))
        for interface in interfaces or [_number(attributes, _RTA_OIF)]:
            key = family, interface
            metrics[key] = min(metric, metrics.get(key, metric))
    return metrics


def _next_hops(data: bytes) -> list[int]:
    """The interfaces of a route that has several."""
    interfaces = []
    while len(data) >= _NEXT_HOP.size:
        length, flags, _hops, interface = _NEXT_HOP.unpack_from(data)
        if not flags & _DEAD_OR_LINK_DOWN:
            interfaces.append(interface)
        data = data[_aligned(max(length, _NEXT_HOP.size)) :]
    return interfaces


def _addresses(
    kernel: socket.socket,
    links: Mapping[int, _Link],
    metrics: Mapping[tuple[int, int], int],
) -> Iterator[InterfaceAddress]:
    for body in _dump(kernel, _GET_ADDRESS, _ADDRESS.size):
        family, prefix_bits, low_flags, _scope, index = _ADDRESS.unpack_from(body)
        attributes = _attributes(body[_ADDRESS.size :])
        flags = _number(attributes, _IFA_FLAGS, low_flags)
        # Of a point-to-point link the other one is the address at the far end.
        packed = attributes.get(_IFA_LOCAL) or attributes.get(_IFA_ADDRESS)
        link = links.get(index)
        is_usable = not flags & (_IFA_TENTATIVE | _IFA_DAD_FAILED) or flags & _IFA_OPTIMISTIC
        if family not in (socket.AF_INET, socket.AF_INET6) or not (packed and link and is_usable):
            continue
        yield InterfaceAddress(
            interface=link.name,
            ip=socket.inet_ntop(family, packed),
            prefix_bits=prefix_bits,
            is_up=link.is_up and (link.made_as != "bridge" or _leads_somewhere(index, links)),
            metric=metrics.get((family, index)),
            kind=_kind(index, links),
            # The same bit says of an IPv4 address that it is not the interface's first.
            is_temporary=family == socket.AF_INET6 and bool(flags & _IFA_TEMPORARY),
            is_deprecated=bool(flags & _IFA_DEPRECATED),
        )


def _kind(index: int, links: Mapping[int, _Link]) -> InterfaceKind:
    """What an interface is, seen from how it was made and what it stands on."""
    link = links[index]
    for _ in links:  # nothing stands on itself, but who knows
        if link.made_as not in _ON_TOP or link.below not in links:
            break
        index, link = link.below, links[link.below]
    if link.made_as in _TUNNELS:
        return "vpn"
    if link.made_as in _BUNDLES:
        return "physical"
    if link.made_as == "bridge":
        members = {each.made_as for each in links.values() if each.master == index}
        # Hardware, a bundle of it or a VLAN: this computer is in the network by way of the bridge.
        is_way_out = members & ({""} | _BUNDLES | _ON_TOP)
        return "physical" if is_way_out else "virtual"
    return "unknown"


def _leads_somewhere(bridge: int, links: Mapping[int, _Link]) -> bool:
    """Whether anything is plugged into a bridge: one that is new says that it is up without."""
    return any(each.is_up for each in links.values() if each.master == bridge)


def _dump(kernel: socket.socket, request: int, header_bytes: int) -> Iterator[bytes]:
    """Asks for all of something, and returns the messages without their common header."""
    body = bytes(header_bytes)  # of no family: of all
    kernel.send(_HEADER.pack(_HEADER.size + len(body), request, _REQUEST_DUMP, 0, 0) + body)
    while True:
        data = kernel.recv(_RECEIVED_BYTES)
        while len(data) >= _HEADER.size:
            length, kind, _flags, _sequence, _port = _HEADER.unpack_from(data)
            if kind == _DONE:
                return
            if kind == _ERROR:
                raise OSError(-struct.unpack_from("=i", data, _HEADER.size)[0], "netlink refuses")
            yield data[_HEADER.size : length]
            data = data[_aligned(max(length, _HEADER.size)) :]


def _attributes(data: bytes) -> Attributes:
    attributes = {}
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        attributes[kind & _TYPE_MASK] = data[_ATTRIBUTE.size : length]
        data = data[_aligned(max(length, _ATTRIBUTE.size)) :]
    return attributes


def _number(attributes: Attributes, kind: int, default: int = 0) -> int:
    value = attributes.get(kind, b"")
    with suppress(struct.error):
        number: int = _NUMBER.unpack(value)[0]
        return number
    return default


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode(errors="replace")


def _aligned(length: int) -> int:
    return length + -length % 4
