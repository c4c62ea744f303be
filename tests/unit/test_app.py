"""Starting and stopping: what is said to the person who starts it, and what is left behind."""

from __future__ import annotations

import asyncio
import errno
import gc
import json
import socket
from collections.abc import Callable, Iterator
from typing import Any, TextIO

import pytest

from sidecar import app
from sidecar.app import run, running_server
from sidecar.errors import StartupError
from sidecar.lifecycle import ReadyInfo
from sidecar.net.addresses import AddressBook
from sidecar.settings import PortRange, Settings
from sidecar.signaling.server import SignalingServer

ANY_PORT = PortRange(0, 0)
LOOPBACK = "127.0.0.1"
NOT_HERE = "192.0.2.1"
"""Of TEST-NET-1 (RFC 5737): nobody's."""


def make_settings(**changes: Any) -> Settings:
    return Settings(**{"host": LOOPBACK, "port": 0, "media_ports": ANY_PORT, **changes})


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
        async with running_server(settings):
            pytest.fail("it runs")
    return caught.value


def can_connect(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex((LOOPBACK, port)) == 0


async def test_a_taken_tcp_port_is_told(taken_tcp_port: int) -> None:
    error = await start_in_vain(make_settings(port=taken_tcp_port))
    assert error.message == f"TCP port {taken_tcp_port} is taken by another program"
    assert "--port" in error.hint
    assert error.exit_code == 1


async def test_taken_media_ports_are_told(taken_udp_port: int) -> None:
    settings = make_settings(media_ports=PortRange(taken_udp_port, taken_udp_port))
    error = await start_in_vain(settings)
    assert error.message == f"all UDP ports for media ({taken_udp_port}) are taken"
    assert "--media-ports" in error.hint


async def test_a_port_for_which_rights_are_missing_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def start(_server: SignalingServer, _host: str, _port: int) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(SignalingServer, "start", start)
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
    async def start(_server: SignalingServer, _host: str, _port: int) -> int:
        raise OSError(errno.ENOBUFS, "No buffer space available")

    monkeypatch.setattr(SignalingServer, "start", start)
    error = await start_in_vain(make_settings())
    assert error.message == f"cannot listen on {LOOPBACK}: No buffer space available"


async def test_an_error_without_words_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> socket.socket:
        raise OSError("refused")

    monkeypatch.setattr(app, "open_media_socket", refuse)
    error = await start_in_vain(make_settings(host=""))
    assert error.message == "cannot listen on all interfaces: refused"


async def test_a_start_in_vain_leaves_no_socket_behind(
    taken_tcp_port: int, taken_udp_port: int
) -> None:
    # A free port, as far as anybody can say; nobody else is given it within this test.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((LOOPBACK, 0))
        free_port = probe.getsockname()[1]
    media_ports = PortRange(free_port, free_port)
    await start_in_vain(make_settings(port=taken_tcp_port, media_ports=media_ports))
    async with running_server(make_settings(media_ports=media_ports)) as server:
        assert server.ready.media_port == free_port


async def test_what_is_ready_is_told() -> None:
    async with running_server(make_settings()) as server:
        ready = server.ready
        assert ready.port > 0
        assert ready.urls == (f"ws://{LOOPBACK}:{ready.port}",)
        assert ready.local_url == f"ws://{LOOPBACK}:{ready.port}"
        assert ready.media_port == server.media_port.port > 0
        assert ready.media_addresses == (LOOPBACK,)
        assert ready.startup_ms >= 0
        assert can_connect(ready.port)
    assert not can_connect(ready.port)


async def test_on_all_interfaces_every_address_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = ["192.168.1.10", "10.0.0.7"]
    monkeypatch.setattr(AddressBook, "addresses", lambda *_arguments: addresses)
    async with running_server(make_settings(host="")) as server:
        ready = server.ready
        assert ready.urls == tuple(f"ws://{address}:{ready.port}" for address in addresses)
        assert ready.local_url == f"ws://{LOOPBACK}:{ready.port}"
        assert ready.media_addresses == tuple(addresses)


async def test_what_is_announced_is_told() -> None:
    announced = ("203.0.113.5", "2001:db8::5")
    async with running_server(make_settings(host="", announce=announced)) as server:
        ready = server.ready
        assert ready.urls == (
            f"ws://203.0.113.5:{ready.port}",
            f"ws://[2001:db8::5]:{ready.port}",
        )
        assert ready.media_addresses == announced


async def test_an_ipv6_address_has_brackets_in_urls() -> None:
    if not _has_ipv6_loopback():
        pytest.skip("needs IPv6; on Linux: sysctl net.ipv6.conf.lo.disable_ipv6=0")
    async with running_server(make_settings(host="::1")) as server:
        ready = server.ready
        assert ready.urls == (f"ws://[::1]:{ready.port}",)
        assert ready.local_url == f"ws://[::1]:{ready.port}"
        assert ready.media_addresses == ("::1",)


def _has_ipv6_loopback() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


async def test_the_settings_reach_the_worker() -> None:
    async with running_server(make_settings(max_incoming_bitrate=1_234_567)) as server:
        assert server.worker.max_incoming_bitrate_bps == 1_234_567


async def test_two_servers_get_along() -> None:
    async with running_server(make_settings()) as one, running_server(make_settings()) as other:
        assert one.ready.port != other.ready.port
        assert one.ready.media_port != other.ready.media_port


@pytest.fixture
def stopped_when_ready(monkeypatch: pytest.MonkeyPatch) -> list[ReadyInfo]:
    """Has `run` stop as soon as it serves; what it has announced."""
    announced: list[ReadyInfo] = []
    stops: list[Callable[[], None]] = []

    def announce(info: ReadyInfo, *, stdin: TextIO | None, stdout: TextIO) -> None:
        announced.append(info)
        assert can_connect(info.port)
        stops[0]()

    def take_stop(_loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
        stops.append(stop)

    monkeypatch.setattr(app, "on_stop_signal", take_stop)
    monkeypatch.setattr(app, "announce_ready", announce)
    monkeypatch.setattr(gc, "freeze", lambda: None)
    return announced


def test_it_serves_until_it_is_stopped(stopped_when_ready: list[ReadyInfo]) -> None:
    assert run(make_settings()) == 0
    (ready,) = stopped_when_ready
    assert not can_connect(ready.port)


def test_the_first_line_is_the_handshake(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(app, "on_stop_signal", lambda _loop, stop: stop())
    monkeypatch.setattr(gc, "freeze", lambda: None)
    assert run(make_settings()) == 0
    event = json.loads(capsys.readouterr().out.splitlines()[0])
    assert event["event"] == "ready"
    assert event["urls"] == [f"ws://{LOOPBACK}:{event['port']}"]


def test_what_went_wrong_at_the_start_reaches_the_caller(taken_tcp_port: int) -> None:
    with pytest.raises(StartupError, match="is taken"):
        run(make_settings(port=taken_tcp_port))
