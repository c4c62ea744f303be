from __future__ import annotations

import errno
import socket
from contextlib import closing

import pytest

from sidecar.net import media_socket as media_socket_module
from sidecar.net.ice import Address
from sidecar.net.media_socket import NoFreePortError, bound_address, open_media_socket

LOOPBACK = "127.0.0.1"


def test_the_first_free_port_of_the_range_is_taken() -> None:
    with closing(open_media_socket(LOOPBACK, 0, 0)) as taken:
        number = taken.getsockname()[1]
        with closing(open_media_socket(LOOPBACK, number, number + 20)) as other:
            assert number < other.getsockname()[1] <= number + 20
            assert not other.getblocking()


def test_a_range_without_a_free_port_is_an_error() -> None:
    with closing(open_media_socket(LOOPBACK, 0, 0)) as taken:
        number = taken.getsockname()[1]
        with pytest.raises(NoFreePortError, match=str(number)):
            open_media_socket(LOOPBACK, number, number)


def test_a_port_that_windows_says_is_forbidden_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def bind(_self: socket.socket, _address: Address) -> None:
        raise PermissionError(errno.EACCES, "WSAEACCES")

    monkeypatch.setattr(socket.socket, "bind", bind)
    with pytest.raises(NoFreePortError):
        open_media_socket(LOOPBACK, 40000, 40001)


def test_an_address_of_another_machine_is_another_error() -> None:
    with pytest.raises(OSError) as caught:
        open_media_socket("192.0.2.1", 40000, 45000)
    assert not isinstance(caught.value, NoFreePortError)


@pytest.mark.parametrize(("granted_kib", "warnings"), [(208, 1), (2048, 0), (4096, 0)])
def test_small_buffers_are_warned_of(
    granted_kib: int,
    warnings: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    grant = granted_kib * 1024
    monkeypatch.setattr(media_socket_module, "configure_media_socket", lambda _socket: grant)
    open_media_socket(LOOPBACK, 0, 0).close()
    found = [record.getMessage() for record in caplog.records]
    assert len(found) == warnings
    assert all("208 KiB" in message for message in found)


def asks(media_socket: socket.socket, ip: str) -> bool:
    """Whether what is sent to an address arrives there."""
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as peer:
        peer.sendto(b"hello", (ip, media_socket.getsockname()[1]))
        try:
            return media_socket.recv(100) == b"hello"
        except BlockingIOError:
            return False


def test_all_interfaces_are_those_of_both_ip_versions() -> None:
    with closing(open_media_socket("", 0, 0)) as media_socket:
        assert asks(media_socket, LOOPBACK)
        if bound_address(media_socket) != "":
            pytest.skip("this machine has no IPv6")
        assert asks(media_socket, "::1")


def test_where_ipv6_is_switched_off_ipv4_is_all_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.socket

    def without_ipv6(family: int, kind: int) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "no IPv6")
        return real(family, kind)

    monkeypatch.setattr(socket, "socket", without_ipv6)
    with closing(open_media_socket("", 0, 0)) as media_socket:
        assert bound_address(media_socket) == "0.0.0.0"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", LOOPBACK, "::1"])
def test_an_address_stands_for_its_ip_version_alone(host: str) -> None:
    try:
        media_socket = open_media_socket(host, 0, 0)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with closing(media_socket):
        assert bound_address(media_socket) == host
        assert asks(media_socket, LOOPBACK) == (":" not in host)


def test_a_name_is_one_of_its_addresses() -> None:
    with closing(open_media_socket("localhost", 0, 0)) as media_socket:
        assert bound_address(media_socket) in (LOOPBACK, "::1")


def test_a_name_of_an_ipv6_address_alone_is_good_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET6, socket.SOCK_DGRAM, 17, "", ("::1", 0, 0, 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **_options: found)
    try:
        media_socket = open_media_socket("::1", 0, 0)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with closing(media_socket):
        assert bound_address(media_socket) == "::1"
