"""How systems say to which of our addresses a datagram came, and are told from which to send.

By control messages (RFC 3542 section 6, ip(7)), whose numbers differ from system to system.
"""

from __future__ import annotations

import socket
import struct
from functools import lru_cache
from ipaddress import ip_address
from typing import Final, NamedTuple

_MAPPED: Final = bytes(10) + b"\xff\xff"
"""What an IPv4 address begins with on a socket of both families (RFC 4291 section 2.5.5.2)."""

_IPV6: Final = struct.Struct("=16sI")  # in6_pktinfo


class PacketInfo(NamedTuple):
    """The numbers of a system.

    Attributes:
        ip: IP_PKTINFO, which is also the option that asks for it.
        ipv6: IPV6_PKTINFO.
        ipv6_asking: The option that asks for it.
        ip_layout: Of ``in_pktinfo``, with its two parts for one address, or one.
    """

    ip: int
    ipv6: int
    ipv6_asking: int
    ip_layout: struct.Struct

    def asking_options(self, family: int) -> list[tuple[int, int]]:
        """Level and name of the options by which a socket asks to be told."""
        ip = (socket.IPPROTO_IP, self.ip)
        if family == socket.AF_INET:
            return [ip]
        # Windows tells of IPv4 on a socket of both as on one of IPv4.
        return [(socket.IPPROTO_IPV6, self.ipv6_asking), *[ip] * (self is WINDOWS)]


LINUX: Final = PacketInfo(8, 50, 49, struct.Struct("=I4s4s"))
MACOS: Final = PacketInfo(26, 46, 61, struct.Struct("=I4s4s"))
WINDOWS: Final = PacketInfo(19, 19, 19, struct.Struct("=4sI"))


@lru_cache(maxsize=256)
def source_option(system: PacketInfo, local: str) -> tuple[int, int, bytes]:
    """The control message that has the system send from one of our addresses.

    Args:
        system: Which one.
        local: As in `sidecar.net.ice.Path`.

    Returns:
        Level, type and contents.
    """
    ip, _, scope = local.partition("%")
    if ":" in ip:
        data = _IPV6.pack(socket.inet_pton(socket.AF_INET6, ip), int(scope or 0))
        return socket.IPPROTO_IPV6, system.ipv6, data
    packed = socket.inet_pton(socket.AF_INET, ip)
    if system is WINDOWS:
        return socket.IPPROTO_IP, system.ip, system.ip_layout.pack(packed, 0)
    return socket.IPPROTO_IP, system.ip, system.ip_layout.pack(0, packed, bytes(4))


@lru_cache(maxsize=256)
def local_address(system: PacketInfo, level: int, kind: int, data: bytes) -> str:
    """Which of our addresses a control message names, as in `sidecar.net.ice.Path`.

    Args:
        system: Which one.
        level: Of the message.
        kind: Of the message.
        data: Its contents.

    Returns:
        Empty if it is a message of another kind.
    """
    if (level, kind) == (socket.IPPROTO_IP, system.ip) and len(data) >= system.ip_layout.size:
        parts = system.ip_layout.unpack_from(data)
        return socket.inet_ntop(socket.AF_INET, parts[0] if system is WINDOWS else parts[1])
    if (level, kind) != (socket.IPPROTO_IPV6, system.ipv6) or len(data) < _IPV6.size:
        return ""
    packed, interface = _IPV6.unpack_from(data)
    if packed.startswith(_MAPPED):
        return socket.inet_ntop(socket.AF_INET, packed[len(_MAPPED) :])
    ip = socket.inet_ntop(socket.AF_INET6, packed)
    # The same address is on each link; all others are in one place, wherever a datagram came in.
    return f"{ip}%{interface}" if ip_address(ip).is_link_local else ip
