"""Control messages on Windows, with a system that a test plays."""

from __future__ import annotations

import ctypes
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from sidecar.net import windows_messages
from sidecar.net.mapped import packed_name
from sidecar.net.packet_info import WINDOWS, source_option
from sidecar.net.windows_messages import MessageReceiver, send_from

HOME = ("192.0.2.1", 1000)
WOULD_BLOCK, CONNECTION_RESET, INVALID = 10035, 10054, 10022


class System:
    """Windows' functions.

    Attributes:
        waiting: Datagrams with the address that was asked; errors.
        sent: Datagram, name and control messages.
        error: With which sending fails, if it does.
    """

    def __init__(self) -> None:
        self.waiting: list[tuple[bytes, str] | int] = []
        self.sent: list[tuple[bytes, bytes, list[tuple[int, int, bytes]]]] = []
        self.error = 0
        self.last_error = 0

    def receive(self, _handle: Any, message_pointer: Any, size_pointer: Any, *_: None) -> int:
        next_one = self.waiting.pop(0) if self.waiting else WOULD_BLOCK
        if isinstance(next_one, int):
            self.last_error = next_one
            return -1
        datagram, asked = next_one
        message = message_pointer._obj
        control = windows_messages._packed(*source_option(WINDOWS, asked))
        name = packed_name(socket.AF_INET, HOME)
        ctypes.memmove(message.buffers[0].data, datagram, len(datagram))
        ctypes.memmove(message.name, name, len(name))
        ctypes.memmove(message.control.data, control, len(control))
        message.name_length, message.control.length = len(name), len(control)
        size_pointer._obj.value = len(datagram)
        return 0

    def WSASendMsg(self, _handle: Any, message_pointer: Any, *_: Any) -> int:
        if self.error:
            self.last_error = self.error
            return -1
        message = message_pointer._obj
        buffer = message.buffers[0]
        control = ctypes.string_at(message.control.data, message.control.length)
        self.sent.append(
            (
                ctypes.string_at(buffer.data, buffer.length),
                ctypes.string_at(message.name, message.name_length),
                list(windows_messages._control_messages(control)),
            )
        )
        return 0


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> System:
    system = System()
    monkeypatch.setattr(windows_messages, "_extension_function", lambda *_: system.receive)
    monkeypatch.setattr(windows_messages, "_winsock", lambda: system)
    monkeypatch.setattr(windows_messages, "_last_error", lambda: system.last_error)
    return system


@pytest.fixture
def udp_socket() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp_socket:
        yield udp_socket


def test_what_arrives_is_known_with_both_ends(system: System, udp_socket: socket.socket) -> None:
    receiver = MessageReceiver(udp_socket)
    system.waiting = [(b"one", "192.0.2.7"), CONNECTION_RESET, (b"two", "192.0.2.8"), (b"", "::1")]
    received = receiver.receive()
    assert received == [(b"one", HOME), (b"two", HOME), (b"", HOME)]
    told = [receiver.local_address(datagram) for datagram, _address in received]
    assert told == ["192.0.2.7", "192.0.2.8", "::1"]
    assert receiver.local_address(b"another") == ""
    assert receiver.receive() == []


@pytest.mark.parametrize("segment_bytes", [0, 4])
def test_what_is_sent_names_both_ends(
    segment_bytes: int, system: System, udp_socket: socket.socket
) -> None:
    send_from(udp_socket, [b"aaaa", memoryview(b"bb")], segment_bytes, HOME, "192.0.2.7")
    ((data, name, control),) = system.sent
    assert data == b"aaaabb"
    assert name == packed_name(socket.AF_INET, HOME)
    size = (socket.IPPROTO_UDP, 2, b"\x04\0\0\0")
    assert control == [source_option(WINDOWS, "192.0.2.7"), *[size] * bool(segment_bytes)]


def test_what_is_not_sent_from_there_is_sent_all_the_same(
    system: System, udp_socket: socket.socket
) -> None:
    system.error = INVALID
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5)
        send_from(udp_socket, [b"data"], 0, receiver.getsockname(), "192.0.2.7")
        assert receiver.recv(100) == b"data"


def test_what_finds_no_room_is_not(system: System, udp_socket: socket.socket) -> None:
    system.error = WOULD_BLOCK
    with pytest.raises(OSError, match="no room"):
        send_from(udp_socket, [b"data"], 0, HOME, "192.0.2.7")


@pytest.mark.parametrize("control", [b"", bytes(8), bytes(64)])
def test_control_messages_that_make_no_sense_end(control: bytes) -> None:
    assert list(windows_messages._control_messages(control)) == []
