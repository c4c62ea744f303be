"""What is said when a port can't be had, and what is tried before."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sidecar import ports
from sidecar.errors import StartupError
from sidecar.settings import PortRange, Settings

LOOPBACK = "127.0.0.1"
NOT_HERE = "192.0.2.1"
"""Of TEST-NET-1 (RFC 5737): nobody's."""


def make_settings(**changes: Any) -> Settings:
    return Settings(**{"host": LOOPBACK, "port": 0, "media_ports": PortRange(0, 0), **changes})


@pytest.fixture(autouse=True)
def no_word_of_other_instances(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "holder_of", lambda _port: None)


@pytest.fixture
def taken_tcp_port() -> Iterator[int]:
    with socket.create_server((LOOPBACK, 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def taken_udp_port() -> Iterator[int]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as media_socket:
        media_socket.bind((LOOPBACK, 0))
        yield media_socket.getsockname()[1]


async def start_in_vain(settings: Settings) -> StartupError:
    with pytest.raises(StartupError) as caught:
        (await ports.open_ports(settings)).close()
    return caught.value


def refusing(number: int, tried: list[int], below: int = 1 << 16) -> Callable[..., Any]:
    """A system that refuses to listen on ports below a number."""

    async def listen(_host: str, port: int) -> list[socket.socket]:
        tried.append(port)
        if port < below:
            raise OSError(number, os.strerror(number))
        return [socket.create_server((LOOPBACK, 0))]

    return listen


async def test_a_taken_tcp_port_is_told(taken_tcp_port: int) -> None:
    error = await start_in_vain(make_settings(port=taken_tcp_port))
    assert error.message == f"TCP port {taken_tcp_port} is taken by another program"
    assert "--port" in error.hint
    assert (error.code, error.exit_code) == ("port-taken", 3)


async def test_taken_media_ports_are_told(taken_udp_port: int) -> None:
    settings = make_settings(media_ports=PortRange(taken_udp_port, taken_udp_port))
    error = await start_in_vain(settings)
    assert error.message == f"all UDP ports for media ({taken_udp_port}) are taken"
    assert "--media-ports" in error.hint


async def test_another_classroom_sfu_that_holds_the_port_is_named(
    taken_tcp_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ports, "holder_of", {taken_tcp_port: 4711}.get)
    error = await start_in_vain(make_settings(port=taken_tcp_port))
    assert error.message.endswith("is taken by another classroom-sfu, process 4711")
    assert error.code == "port-taken"


async def test_a_computer_without_any_address_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "system_addresses", list)
    error = await start_in_vain(make_settings(host=""))
    assert (error.code, error.exit_code) == ("no-network-interface", 7)


@pytest.mark.parametrize("number", [errno.EADDRINUSE, errno.EACCES])
async def test_the_fallback_is_the_next_port_that_is_free(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []
    monkeypatch.setattr(ports, "listen", refusing(number, tried, below=3019))
    (await ports.open_ports(make_settings(port=3016, port_fallback=True))).close()
    assert tried == [3016, 3017, 3018, 3019]


async def test_a_fallback_finds_only_ports_that_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "listen", refusing(errno.EADDRINUSE, []))
    error = await start_in_vain(make_settings(port=65534, port_fallback=True))
    assert error.message == "TCP ports 65534 to 65535 are all taken"
    assert error.code == "port-taken"


async def test_a_fallback_is_only_for_ports_that_are_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried: list[int] = []
    monkeypatch.setattr(ports, "listen", refusing(errno.ENOBUFS, tried))
    error = await start_in_vain(make_settings(port=3016, port_fallback=True))
    assert error.code == "cannot-listen"
    assert tried == [3016]


async def test_a_port_for_which_rights_are_missing_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ports, "listen", refusing(errno.EACCES, []))
    error = await start_in_vain(make_settings(port=80))
    assert error.message == "TCP port 80 may not be used here"
    assert "1023" in error.hint


async def test_an_address_of_another_machine_is_told() -> None:
    error = await start_in_vain(make_settings(host=NOT_HERE))
    assert error.message.startswith(f"cannot listen on {NOT_HERE}: ")
    assert "--host" in error.hint


async def test_any_other_error_of_the_system_is_told_in_its_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ports, "listen", refusing(errno.ENOBUFS, []))
    error = await start_in_vain(make_settings())
    assert error.message == f"cannot listen on {LOOPBACK}: No buffer space available"


async def test_an_error_without_words_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> socket.socket:
        raise OSError("refused")

    monkeypatch.setattr(ports, "open_media_socket", refuse)
    error = await start_in_vain(make_settings(host=""))
    assert error.message == "cannot listen on all interfaces: refused"
