"""The operating systems' differences; those of Windows with fakes, so that they are tested here."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sidecar.net import platform
from sidecar.net.platform import configure_media_socket, event_loop_factory, on_stop_signal


class FakeLoop:
    """Remembers what it is asked to call."""

    def __init__(self) -> None:
        self.handlers: dict[int, Callable[[], None]] = {}
        self.called: list[Callable[[], None]] = []

    def add_signal_handler(self, number: int, callback: Callable[[], None]) -> None:
        self.handlers[number] = callback

    def call_soon_threadsafe(self, callback: Callable[[], None]) -> None:
        self.called.append(callback)


@pytest.fixture
def udp_socket() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as media_socket:
        yield media_socket


def test_the_loop_watches_sockets_itself() -> None:
    loop = event_loop_factory()
    try:
        assert isinstance(loop, asyncio.SelectorEventLoop)
    finally:
        loop.close()


def test_a_media_socket_does_not_block_and_has_large_buffers(
    udp_socket: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "IS_WINDOWS", False)
    options = (socket.SO_RCVBUF, socket.SO_SNDBUF)
    before = [udp_socket.getsockopt(socket.SOL_SOCKET, option) for option in options]
    configure_media_socket(udp_socket)
    assert not udp_socket.getblocking()
    # The system grants what its own limit allows.
    after = [udp_socket.getsockopt(socket.SOL_SOCKET, option) for option in options]
    assert all(new >= old for old, new in zip(before, after, strict=True))


def test_elsewhere_port_unreachable_needs_no_care(
    udp_socket: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(name: str) -> object:
        raise AssertionError(f"{name} is loaded")

    monkeypatch.setattr(platform, "IS_WINDOWS", False)
    monkeypatch.setattr(ctypes, "WinDLL", load, raising=False)
    configure_media_socket(udp_socket)


def test_windows_is_told_not_to_report_unreachable_ports(
    udp_socket: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[Any, ...]] = []

    class Winsock:
        def WSAIoctl(self, *arguments: Any) -> int:
            calls.append(arguments)
            return 0

    libraries = {"ws2_32": Winsock()}
    monkeypatch.setattr(platform, "IS_WINDOWS", True)
    monkeypatch.setattr(ctypes, "WinDLL", libraries.__getitem__, raising=False)
    configure_media_socket(udp_socket)

    ((handle, code, _input, input_bytes, *_output, overlapped, completion),) = calls
    assert handle.value == udp_socket.fileno()
    assert code.value == 0x9800000C
    assert input_bytes == 4
    assert overlapped is completion is None
    assert not udp_socket.getblocking()


def test_signals_are_the_loops_business(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "IS_WINDOWS", False)
    loop = FakeLoop()
    stop = object()
    on_stop_signal(loop, stop)  # type: ignore[arg-type]
    assert loop.handlers == {signal.SIGINT: stop, signal.SIGTERM: stop}


@pytest.mark.skipif(platform.IS_WINDOWS, reason="signals between processes are not for Windows")
async def test_sigterm_stops() -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    on_stop_signal(loop, stopped.set)
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        await stopped.wait()
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        loop.remove_signal_handler(signal.SIGTERM)


def test_on_windows_ctrl_c_and_ctrl_break_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    handlers: dict[int, Callable[..., None]] = {}
    ctrl_break = 21
    monkeypatch.setattr(platform, "IS_WINDOWS", True)
    monkeypatch.setattr(signal, "SIGBREAK", ctrl_break, raising=False)
    monkeypatch.setattr(signal, "signal", handlers.__setitem__)
    loop = FakeLoop()
    stop = object()
    on_stop_signal(loop, stop)  # type: ignore[arg-type]

    assert set(handlers) == {signal.SIGINT, ctrl_break}
    for number, handler in handlers.items():
        handler(number, None)
    assert loop.called == [stop, stop]
    assert loop.handlers == {}
