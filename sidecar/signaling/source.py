"""Whose connections are counted together."""

from __future__ import annotations

import ipaddress
from typing import Final

_IPV6_NETWORK_BITS: Final = 64
"""Whoever has one address of such a network has all of them (RFC 4291, section 2.5.4)."""


def source_of(remote_address: str | None) -> str:
    """An IPv4 address, or the network of an IPv6 one; "" if the address is unknown.

    Args:
        remote_address: Where a client is, with or without the scope of an IPv6 address.
    """
    if remote_address is None:
        return ""
    ip = ipaddress.ip_address(remote_address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ipaddress.ip_network((ip, _IPV6_NETWORK_BITS), strict=False))
