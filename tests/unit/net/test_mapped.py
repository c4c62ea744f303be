"""IPv4 addresses on sockets that carry both versions."""

from __future__ import annotations

import socket

import pytest

from sidecar.net.ice import Address, Path, local_of, remote_of
from sidecar.net.mapped import plain, written_for

BOTH = [
    (("::ffff:192.0.2.1", 9, 0, 0), ("192.0.2.1", 9)),
    (("fd00::1", 9, 0, 0), ("fd00::1", 9, 0, 0)),
    (("fe80::1", 9, 0, 3), ("fe80::1", 9, 0, 3)),
    (("::ffff:0:1", 9, 0, 0), ("::ffff:0:1", 9, 0, 0)),
]


@pytest.mark.parametrize(("on_the_socket", "meant"), BOTH)
def test_addresses_are_known_by_what_they_mean(on_the_socket: Address, meant: Address) -> None:
    assert plain(on_the_socket) == meant
    assert written_for(socket.AF_INET6, meant) == on_the_socket
    assert written_for(socket.AF_INET6, Path.between(meant, "fd00::9")) == on_the_socket


def test_the_name_of_a_scope_is_left_out() -> None:
    assert plain(("fe80::1%eth0", 9, 0, 3)) == ("fe80::1", 9, 0, 3)


def test_a_socket_of_ipv4_takes_addresses_as_they_are() -> None:
    assert written_for(socket.AF_INET, ("192.0.2.1", 9)) == ("192.0.2.1", 9)
    path = Path.between(("192.0.2.1", 9), "192.0.2.7")
    assert written_for(socket.AF_INET, path) == ("192.0.2.1", 9)


@pytest.mark.parametrize("remote", [("192.0.2.1", 9), ("fd00::1", 9, 0, 0), ("fe80::1", 9, 0, 3)])
def test_a_path_has_two_ends(remote: Address) -> None:
    path = Path.between(remote, "192.0.2.7")
    assert remote_of(path) == remote_of(remote) == remote
    assert local_of(path) == "192.0.2.7"
    assert local_of(remote) == ""
    assert path != Path.between(remote, "192.0.2.8")
