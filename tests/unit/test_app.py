"""Starting and stopping: what is said to the person who starts it, and what is left behind."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import msgspec
import pytest

from sidecar import __version__, app, collector
from sidecar.app import run, running_server
from sidecar.errors import StartupError
from sidecar.lifecycle.events import Event, Ready, Stopped
from sidecar.net.addresses import AddressBook
from sidecar.ports import Ports
from sidecar.settings import PortRange, Settings
from tests.support.signaling import ProtocolError, SignalingClient
from tests.unit.lifecycle.fakes import FakeStarter

ANY_PORT = PortRange(0, 0)
LOOPBACK = "127.0.0.1"


def make_settings(**changes: Any) -> Settings:
    return Settings(**{"host": LOOPBACK, "port": 0, "media_ports": ANY_PORT, **changes})


@pytest.fixture
def taken_tcp_port() -> Iterator[int]:
    with socket.create_server((LOOPBACK, 0)) as listener:
        yield listener.getsockname()[1]


def can_connect(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex((LOOPBACK, port)) == 0


async def test_a_start_in_vain_leaves_no_socket_behind(taken_tcp_port: int) -> None:
    # A free port, as far as anybody can say; nobody else is given it within this test.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((LOOPBACK, 0))
        free_port = probe.getsockname()[1]
    media_ports = PortRange(free_port, free_port)
    with pytest.raises(StartupError):
        async with running_server(make_settings(port=taken_tcp_port, media_ports=media_ports)):
            pytest.fail("it runs")
    async with running_server(make_settings(media_ports=media_ports)) as server:
        assert server.ready.media.port == free_port


async def test_what_is_ready_is_told() -> None:
    async with running_server(make_settings()) as server:
        ready = server.ready
        assert ready.port > 0
        assert ready.urls == [f"ws://{LOOPBACK}:{ready.port}"]
        assert ready.local_url == f"ws://{LOOPBACK}:{ready.port}"
        assert ready.media.port == server.server.media_port.port > 0
        assert ready.media.addresses == [LOOPBACK]
        assert ready.startup_ms >= 0
        assert (ready.version, ready.pid) == (__version__, os.getpid())
        assert can_connect(ready.port)
    assert not can_connect(ready.port)


async def test_on_all_interfaces_every_address_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = ["192.168.1.10", "10.0.0.7"]
    monkeypatch.setattr(AddressBook, "addresses", lambda *_arguments: addresses)
    async with running_server(make_settings(host="")) as server:
        ready = server.ready
        assert ready.urls == [f"ws://{address}:{ready.port}" for address in addresses]
        assert ready.local_url == f"ws://{LOOPBACK}:{ready.port}"
        assert ready.media.addresses == addresses


async def test_what_is_announced_is_told() -> None:
    announced = ("203.0.113.5", "2001:db8::5")
    async with running_server(make_settings(host="", announce=announced)) as server:
        ready = server.ready
        assert ready.urls == [
            f"ws://203.0.113.5:{ready.port}",
            f"ws://[2001:db8::5]:{ready.port}",
        ]
        assert ready.media.addresses == list(announced)


async def test_an_ipv6_address_has_brackets_in_urls() -> None:
    if not _has_ipv6_loopback():
        pytest.skip("needs IPv6; on Linux: sysctl net.ipv6.conf.lo.disable_ipv6=0")
    async with running_server(make_settings(host="::1")) as server:
        ready = server.ready
        assert ready.urls == [f"ws://[::1]:{ready.port}"]
        assert ready.local_url == f"ws://[::1]:{ready.port}"
        assert ready.media.addresses == ["::1"]


def _has_ipv6_loopback() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


async def test_the_settings_reach_the_worker() -> None:
    async with running_server(make_settings(max_incoming_bitrate=1_234_567)) as server:
        assert server.server.worker.max_incoming_bitrate_bps == 1_234_567


async def test_a_teacher_from_elsewhere_needs_the_token_of_ready() -> None:
    async with running_server(make_settings(teacher_from="token")) as server:
        join = {"roomId": "room", "peerId": "teacher", "name": "T", "isTeacher": True}
        async with await SignalingClient.connect(server.ready.local_url) as client:
            with pytest.raises(ProtocolError) as refused:
                await client.request("join", join)
            assert refused.value.code == "teacher-not-allowed"
            await client.request("join", join | {"token": server.ready.teacher_token})


async def test_every_run_has_a_token_of_its_own() -> None:
    async with running_server(make_settings()) as one, running_server(make_settings()) as other:
        assert one.ready.teacher_token != other.ready.teacher_token


async def test_two_servers_get_along() -> None:
    async with running_server(make_settings()) as one, running_server(make_settings()) as other:
        assert one.ready.port != other.ready.port
        assert one.ready.media.port != other.ready.media.port


@pytest.fixture
def starter(monkeypatch: pytest.MonkeyPatch) -> FakeStarter:
    """Whoever has the program run here, where nothing may be frozen for good."""
    monkeypatch.setattr(collector, "settle", lambda: None)
    monkeypatch.setattr(app, "on_stop_signal", lambda _loop, _stop: None)
    return FakeStarter()


def ask_when_ready(starter: FakeStarter, *lines: str) -> None:
    def ask(event: Event) -> None:
        if isinstance(event, Ready):
            assert can_connect(event.port)
            for line in lines:
                starter.say(line)

    starter.on_told = ask


def test_it_serves_until_the_host_ends_it(starter: FakeStarter) -> None:
    ask_when_ready(starter, '{"command":"shutdown","id":3}')
    run(make_settings(), starter)
    ready = starter.told[0]
    assert isinstance(ready, Ready)
    assert starter.told[-1] == Stopped(reason="shutdown", id=3)
    assert not can_connect(ready.port)


def test_it_serves_until_the_host_is_gone(starter: FakeStarter) -> None:
    starter.on_told = lambda event: starter.go() if isinstance(event, Ready) else None
    run(make_settings(), starter)
    assert starter.told[-1] == Stopped(reason="host-gone")


def test_a_host_that_goes_before_anything_is_ready(starter: FakeStarter) -> None:
    starter.is_gone = True
    run(make_settings(), starter)
    assert starter.told[-1] == Stopped(reason="host-gone")


def test_it_serves_until_a_signal_comes(
    starter: FakeStarter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "on_stop_signal", lambda _loop, stop: stop())
    run(make_settings(), starter)
    assert starter.told[-1] == Stopped(reason="signal")


def test_commands_are_obeyed_in_their_order(starter: FakeStarter) -> None:
    ask_when_ready(starter, '{"command":"ping","id":1}', "?", '{"command":"shutdown"}')
    run(make_settings(), starter)
    events = [json.loads(msgspec.json.encode(each))["event"] for each in starter.told]
    assert events == ["ready", "pong", "error", "stopped"]


def test_what_went_wrong_at_the_start_reaches_the_caller(
    starter: FakeStarter, taken_tcp_port: int
) -> None:
    with pytest.raises(StartupError, match="is taken"):
        run(make_settings(port=taken_tcp_port), starter)
    assert starter.told == []


@pytest.mark.parametrize(("port", "is_asked_for"), [(0, False), (1, True)])
def test_word_of_who_holds_a_port_is_left_for_those_who_ask_for_it(
    port: int, is_asked_for: bool, starter: FakeStarter, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[int] = []

    def hold(port: int) -> AbstractContextManager[None]:
        held.append(port)
        return nullcontext()

    monkeypatch.setattr(Ports, "tcp", 4711)
    monkeypatch.setattr(app, "holding", hold)
    starter.is_gone = True
    run(make_settings(port=port), starter)
    assert held == ([4711] if is_asked_for else [])
