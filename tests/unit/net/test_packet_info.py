"""The control messages that name one of our addresses, as each system writes them."""

from __future__ import annotations

import socket
import struct

import pytest

from sidecar.net.packet_info import LINUX, MACOS, WINDOWS, PacketInfo, local_address, source_option

SYSTEMS = {"Linux": LINUX, "macOS": MACOS, "Windows": WINDOWS}


@pytest.fixture(params=SYSTEMS)
def system(request: pytest.FixtureRequest) -> PacketInfo:
    return SYSTEMS[request.param]


@pytest.mark.parametrize("local", ["192.0.2.1", "127.0.0.2", "fd00::1", "::1", "fe80::1%7"])
def test_what_is_told_can_be_sent_from(system: PacketInfo, local: str) -> None:
    assert local_address(system, *source_option(system, local)) == local


def test_ipv4_on_a_socket_of_both_versions_is_ipv4(system: PacketInfo) -> None:
    data = bytes(10) + b"\xff\xff" + bytes([192, 0, 2, 1]) + struct.pack("=I", 7)
    assert local_address(system, socket.IPPROTO_IPV6, system.ipv6, data) == "192.0.2.1"


def test_only_link_local_addresses_belong_to_an_interface(system: PacketInfo) -> None:
    def told(ip: str) -> str:
        data = socket.inet_pton(socket.AF_INET6, ip) + struct.pack("=I", 7)
        return local_address(system, socket.IPPROTO_IPV6, system.ipv6, data)

    assert told("fd00::1") == "fd00::1"
    assert told("fe80::1") == "fe80::1%7"


def test_where_an_ipv4_datagram_came_in_does_not_matter() -> None:
    data = struct.pack("=I4s4s", 7, bytes([192, 0, 2, 1]), bytes([192, 0, 2, 255]))
    assert local_address(LINUX, socket.IPPROTO_IP, LINUX.ip, data) == "192.0.2.1"


def test_other_messages_say_nothing(system: PacketInfo) -> None:
    assert local_address(system, socket.SOL_SOCKET, 29, bytes(40)) == ""
    assert local_address(system, socket.IPPROTO_IPV6, system.ipv6, bytes(19)) == ""
    assert local_address(system, socket.IPPROTO_IP, system.ip, b"") == ""
