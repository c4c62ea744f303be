"""How `sidecar.net.platform` sends and receives on Windows with control messages: WSASendMsg and
WSARecvMsg (winsock2.h, mswsock.h), for which Python has no name.

Nothing of this is imported elsewhere.
"""

from __future__ import annotations

import ctypes
import socket
import struct
import uuid
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Final

from sidecar.net.ice import Address
from sidecar.net.limits import MAX_RECEIVED_BYTES, RECEIVED_AT_ONCE
from sidecar.net.mapped import packed_name, unpacked_name
from sidecar.net.packet_info import WINDOWS, local_address, source_option
from sidecar.net.windows import UDP_SEND_MSG_SIZE, send_in_messages

_GET_EXTENSION_FUNCTION: Final = 0xC8000006
_RECEIVE_MESSAGE: Final = uuid.UUID("f689d7c8-6f1f-436b-8a53-e54fe351c322").bytes_le

_WOULD_BLOCK, _NO_BUFFERS = 10035, 10055

_NAME_BYTES: Final = 28
_CONTROL_BYTES: Final = 128
_HEADER: Final = struct.Struct("@Nii")
"""WSACMSGHDR: what a control message begins with."""

_SEGMENT_SIZE: Final = struct.Struct("=I")
_ALIGNMENT: Final = ctypes.sizeof(ctypes.c_size_t)


class _Buffer(ctypes.Structure):
    """WSABUF."""

    _fields_ = (("length", ctypes.c_uint32), ("data", ctypes.c_void_p))


class _Message(ctypes.Structure):
    """WSAMSG."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_int32),
        ("buffers", ctypes.POINTER(_Buffer)),
        ("buffer_count", ctypes.c_uint32),
        ("control", _Buffer),
        ("flags", ctypes.c_uint32),
    )


class MessageReceiver:
    """See `sidecar.net.datagrams.Receiver`."""

    def __init__(self, udp_socket: socket.socket) -> None:
        """Makes room.

        Args:
            udp_socket: Non-blocking; has asked for the addresses.

        Raises:
            OSError: There is no such function.
        """
        self._handle = ctypes.c_size_t(udp_socket.fileno())
        self._family = udp_socket.family
        self._receive = _extension_function(self._handle, _RECEIVE_MESSAGE)
        self._data: Any = ctypes.create_string_buffer(MAX_RECEIVED_BYTES)
        self._name: Any = ctypes.create_string_buffer(_NAME_BYTES)
        self._control: Any = ctypes.create_string_buffer(_CONTROL_BYTES)
        self._buffer = _Buffer(MAX_RECEIVED_BYTES, ctypes.addressof(self._data))
        self._message = _Message(
            name=ctypes.addressof(self._name),
            buffers=ctypes.pointer(self._buffer),
            buffer_count=1,
        )
        self._size = ctypes.c_uint32(0)
        self._arguments = (ctypes.byref(self._message), ctypes.byref(self._size), None, None)
        self._controls: list[tuple[bytes, bytes]] = []

    def receive(self) -> Sequence[tuple[bytes, Address]]:
        """Takes up to `RECEIVED_AT_ONCE` datagrams."""
        received = []
        message = self._message
        self._controls.clear()
        for _ in range(RECEIVED_AT_ONCE):
            message.name_length = _NAME_BYTES
            message.control = _Buffer(_CONTROL_BYTES, ctypes.addressof(self._control))
            message.flags = 0
            if self._receive(self._handle, *self._arguments):
                if _last_error() == _WOULD_BLOCK:
                    break
                continue  # an earlier datagram's ICMP error, or one that is too long
            datagram: bytes = self._data[: self._size.value]
            name: bytes = self._name[: message.name_length]
            received.append((datagram, unpacked_name(self._family, name)))
            self._controls.append((datagram, self._control[: message.control.length]))
        return received

    def local_address(self, datagram: bytes) -> str:
        """See `sidecar.net.datagrams.Receiver`."""
        for each, control in self._controls:
            if each is datagram:
                found = (local_address(WINDOWS, *message) for message in _control_messages(control))
                return next(filter(None, found), "")
        return ""


def send_from(
    udp_socket: socket.socket,
    buffers: Sequence[bytes | memoryview],
    segment_bytes: int,
    address: Address,
    local: str,
) -> None:
    """Sends a buffer from one of our addresses; arguments as for ``platform.send_segments``.

    What the system will not send from there leaves from where the system likes.

    Raises:
        OSError: The system refuses, or has no room.
    """
    data = b"".join(buffers)
    control = _packed(*source_option(WINDOWS, local))
    if segment_bytes:
        size = _SEGMENT_SIZE.pack(segment_bytes)
        control += _packed(socket.IPPROTO_UDP, UDP_SEND_MSG_SIZE, size)
    name = packed_name(udp_socket.family, address)
    message = _Message(
        name=_address_of(name),
        name_length=len(name),
        buffers=ctypes.pointer(_Buffer(len(data), _address_of(data))),
        buffer_count=1,
        control=_Buffer(len(control), _address_of(control)),
    )
    sent = ctypes.c_uint32(0)
    handle = ctypes.c_size_t(udp_socket.fileno())
    arguments = ctypes.byref(message), ctypes.c_uint32(0), ctypes.byref(sent), None, None
    if not _winsock().WSASendMsg(handle, *arguments):
        return
    error = _last_error()
    if error in (_WOULD_BLOCK, _NO_BUFFERS):
        raise OSError(error, "WSASendMsg has no room")
    if segment_bytes:
        send_in_messages(udp_socket, buffers, segment_bytes, address)
    else:
        udp_socket.sendto(data, address)


def _extension_function(handle: ctypes.c_size_t, identifier: bytes) -> Any:
    """A function of the socket's provider that is exported nowhere."""
    function = ctypes.c_void_p(None)
    returned = ctypes.c_uint32(0)
    failed = _winsock().WSAIoctl(
        handle,
        ctypes.c_uint32(_GET_EXTENSION_FUNCTION),
        identifier,
        ctypes.c_uint32(len(identifier)),
        ctypes.byref(function),
        ctypes.c_uint32(ctypes.sizeof(function)),
        ctypes.byref(returned),
        None,
        None,
    )
    if failed or not function.value:
        raise OSError(_last_error(), "no WSARecvMsg")
    pointer = ctypes.c_void_p
    make = _named("WINFUNCTYPE")(ctypes.c_int, ctypes.c_size_t, *[pointer] * 4, use_last_error=True)
    return make(function.value)


def _control_messages(control: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Level, type and contents of each."""
    while len(control) >= _HEADER.size:
        length, level, kind = _HEADER.unpack_from(control)
        if length < _HEADER.size:
            return
        yield level, kind, control[_HEADER.size : length]
        control = control[_aligned(length) :]


def _packed(level: int, kind: int, data: bytes) -> bytes:
    length = _HEADER.size + len(data)
    return (_HEADER.pack(length, level, kind) + data).ljust(_aligned(length), b"\0")


def _aligned(length: int) -> int:
    return length + -length % _ALIGNMENT


def _address_of(data: bytes) -> int | None:
    """Where bytes are, which whoever asks keeps alive."""
    return ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value


@cache
def _winsock() -> Any:
    return _named("WinDLL")("ws2_32", use_last_error=True)


def _last_error() -> int:
    code: int = _named("get_last_error")()
    return code


def _named(name: str) -> Any:
    """Of ctypes, what other systems' Pythons lack."""
    return getattr(ctypes, name)
