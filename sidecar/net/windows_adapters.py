"""What `sidecar.net.platform` asks Windows about its network: GetAdaptersAddresses (iphlpapi.h).

Nothing of this is imported elsewhere.
"""

from __future__ import annotations

import ctypes
import socket
from collections.abc import Iterator
from typing import Any, Final

from sidecar.net.interfaces import InterfaceAddress, InterfaceKind

_FLAGS: Final = 0x0002 | 0x0004 | 0x0008 | 0x0080
"""GAA_FLAG_SKIP_ANYCAST, _MULTICAST and _DNS_SERVER, GAA_FLAG_INCLUDE_GATEWAYS."""

_BUFFER_OVERFLOW: Final = 111
_NO_DATA: Final = 232
_FIRST_BUFFER_BYTES: Final = 32 * 1024
_ATTEMPTS: Final = 4

_OPER_STATUS_UP: Final = 1
_PPP, _TUNNEL = 23, 131
_DAD_DEPRECATED, _DAD_PREFERRED = 3, 4
_SUFFIX_RANDOM: Final = 5
"""IpSuffixOriginRandom: a temporary address."""


class _SocketAddress(ctypes.Structure):
    _fields_ = (("name", ctypes.c_void_p), ("length", ctypes.c_int))


class _Unicast(ctypes.Structure):
    """IP_ADAPTER_UNICAST_ADDRESS_LH."""


_Unicast._fields_ = (
    ("length", ctypes.c_uint32),
    ("flags", ctypes.c_uint32),
    ("next", ctypes.POINTER(_Unicast)),
    ("address", _SocketAddress),
    ("prefix_origin", ctypes.c_int),
    ("suffix_origin", ctypes.c_int),
    ("dad_state", ctypes.c_int),
    ("valid_lifetime", ctypes.c_uint32),
    ("preferred_lifetime", ctypes.c_uint32),
    ("lease_lifetime", ctypes.c_uint32),
    ("prefix_bits", ctypes.c_uint8),
)


class _Gateway(ctypes.Structure):
    """IP_ADAPTER_GATEWAY_ADDRESS_LH."""


_Gateway._fields_ = (
    ("length", ctypes.c_uint32),
    ("reserved", ctypes.c_uint32),
    ("next", ctypes.POINTER(_Gateway)),
    ("address", _SocketAddress),
)


class _Adapter(ctypes.Structure):
    """IP_ADAPTER_ADDRESSES_LH, up to what is wanted of it."""


_Adapter._fields_ = (
    ("length", ctypes.c_uint32),
    ("index", ctypes.c_uint32),
    ("next", ctypes.POINTER(_Adapter)),
    ("adapter_name", ctypes.c_char_p),
    ("first_unicast", ctypes.POINTER(_Unicast)),
    ("first_anycast", ctypes.c_void_p),
    ("first_multicast", ctypes.c_void_p),
    ("first_dns_server", ctypes.c_void_p),
    ("dns_suffix", ctypes.c_wchar_p),
    ("description", ctypes.c_wchar_p),
    ("friendly_name", ctypes.c_wchar_p),
    ("physical_address", ctypes.c_uint8 * 8),
    ("physical_address_length", ctypes.c_uint32),
    ("flags", ctypes.c_uint32),
    ("mtu", ctypes.c_uint32),
    ("type", ctypes.c_uint32),
    ("oper_status", ctypes.c_int),
    ("ipv6_index", ctypes.c_uint32),
    ("zone_indices", ctypes.c_uint32 * 16),
    ("first_prefix", ctypes.c_void_p),
    ("transmit_link_speed", ctypes.c_uint64),
    ("receive_link_speed", ctypes.c_uint64),
    ("first_wins_server", ctypes.c_void_p),
    ("first_gateway", ctypes.POINTER(_Gateway)),
    ("ipv4_metric", ctypes.c_uint32),
    ("ipv6_metric", ctypes.c_uint32),
)


def interface_addresses() -> list[InterfaceAddress]:
    """Asks for all addresses of this machine.

    Raises:
        OSError: The system doesn't answer.
    """
    buffer = _adapters()
    if buffer is None:
        return []
    adapter: Any = ctypes.cast(buffer, ctypes.POINTER(_Adapter))
    found: list[InterfaceAddress] = []
    while adapter:
        found += _addresses(adapter.contents)
        adapter = adapter.contents.next
    return found


def _adapters() -> ctypes.Array[ctypes.c_char] | None:
    """A buffer that begins with the first adapter; None if there is none."""
    get = getattr(ctypes, "WinDLL")("iphlpapi").GetAdaptersAddresses  # noqa: B009 - absent elsewhere
    size_bytes = ctypes.c_uint32(_FIRST_BUFFER_BYTES)
    for _ in range(_ATTEMPTS):  # it may grow in between
        # Aligned for any structure, as all that is allocated.
        buffer = ctypes.create_string_buffer(size_bytes.value)
        error = get(socket.AF_UNSPEC, _FLAGS, None, buffer, ctypes.byref(size_bytes))
        if error == 0:
            return buffer
        if error == _NO_DATA:
            return None
        if error != _BUFFER_OVERFLOW:
            raise OSError(error, "GetAdaptersAddresses failed")
    raise OSError(_BUFFER_OVERFLOW, "GetAdaptersAddresses always wants more room")


def _addresses(adapter: Any) -> Iterator[InterfaceAddress]:
    routed = {_family(each.address) for each in _chain(adapter.first_gateway)}
    metrics = {
        int(socket.AF_INET): adapter.ipv4_metric,
        int(socket.AF_INET6): adapter.ipv6_metric,
    }
    for each in _chain(adapter.first_unicast):
        family = _family(each.address)
        if family not in metrics or each.dad_state < _DAD_DEPRECATED:
            continue
        yield InterfaceAddress(
            # What it is comes out of the description: people may call it what they like.
            interface=adapter.description or adapter.friendly_name or "",
            ip=_ip(each.address, family),
            prefix_bits=each.prefix_bits,
            is_up=adapter.oper_status == _OPER_STATUS_UP,
            metric=metrics[family] if family in routed else None,
            kind=_kind(adapter),
            is_temporary=family == socket.AF_INET6 and each.suffix_origin == _SUFFIX_RANDOM,
            is_deprecated=each.dad_state != _DAD_PREFERRED,
        )


def _chain(pointer: Any) -> Iterator[Any]:
    while pointer:
        yield pointer.contents
        pointer = pointer.contents.next


def _family(address: _SocketAddress) -> int:
    return int.from_bytes(ctypes.string_at(address.name, 2), "little")


def _ip(address: _SocketAddress, family: int) -> str:
    name = ctypes.string_at(address.name, address.length)
    packed = name[8:24] if family == socket.AF_INET6 else name[4:8]
    return socket.inet_ntop(family, packed)


def _kind(adapter: Any) -> InterfaceKind:
    return "vpn" if adapter.type in (_PPP, _TUNNEL) else "unknown"
