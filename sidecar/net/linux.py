"""What `sidecar.net.platform` does on Linux, where Python knows no function for it.

Nothing of this is imported elsewhere.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sidecar.net import packet_info
from sidecar.net.limits import MAX_RECEIVED_BYTES, RECEIVED_AT_ONCE
from sidecar.net.mapped import packed_name, unpacked_name

if TYPE_CHECKING:
    from sidecar.net.packet_memory import Image, PacketMemory, Run

_NAME_BYTES: Final = 28
"""Room for an address of any family."""

_NAME_SIZES: Final = {socket.AF_INET: 16, socket.AF_INET6: 28}
"""Of ``sockaddr_in`` and ``sockaddr_in6`` (ip(7), ipv6(7))."""

_SEGMENT_SIZE: Final = struct.Struct("=H")

_WORD_BYTES: Final = ctypes.sizeof(ctypes.c_size_t)

_c_library = ctypes.PyDLL(None)
"""Its calls keep the interpreter to themselves: ours does not wait, and to give it away and get it
back each time would let every thread in between."""


class _IoVec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _MsgHdr(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint),
        ("vectors", ctypes.c_void_p),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _MMsgHdr(ctypes.Structure):
    _fields_ = (("header", _MsgHdr), ("size_bytes", ctypes.c_uint))


class _ControlHeader(ctypes.Structure):
    """What a control message begins with (cmsg(3))."""

    _fields_ = (("length", ctypes.c_size_t), ("level", ctypes.c_int), ("type", ctypes.c_int))


class _Segmentation(ctypes.Structure):
    """A control message with the one number that UDP_SEGMENT takes."""

    _fields_ = (("header", _ControlHeader), ("size_bytes", ctypes.c_uint16))


_SOURCE_BYTES: Final = 20
"""Of ``in6_pktinfo``, which is longer than ``in_pktinfo``."""


class _Control(ctypes.Structure):
    """All that a message can carry: how to cut it, and which of our addresses it is from."""

    _fields_ = (
        ("segmentation", _Segmentation),
        ("source_header", _ControlHeader),
        ("source", ctypes.c_uint8 * (_SOURCE_BYTES + -_SOURCE_BYTES % _WORD_BYTES)),
    )


_CONTROL_HEADER: Final = struct.Struct("@Nii")


_CONTROL_BYTES: Final = {
    family: ctypes.sizeof(_ControlHeader) + data_bytes + -data_bytes % _WORD_BYTES
    for family, data_bytes in ((socket.AF_INET, 12), (socket.AF_INET6, 20))
}
"""Of what says to which of our addresses a datagram came: ``in_pktinfo``, ``in6_pktinfo``."""


class MessageTable:
    """Sends the same run of datagrams out of several copies of an image, each to its own address.

    It is the argument of ``sendmmsg(2)``, made once: a vector for each cell of the memory, and as
    many messages as there can be copies. A call fills in only what differs from the last one.
    """

    __slots__ = (
        "_arguments",
        "_control",
        "_control_lengths",
        "_copies",
        "_descriptor",
        "_family",
        "_keep",
        "_loaded",
        "_names",
        "_send",
        "_source",
        "_start",
        "_vector_counts",
        "_vector_lengths",
        "_vector_starts",
        "_vectors",
    )

    def __init__(
        self, udp_socket: socket.socket, memory: PacketMemory, *, segment_option: int
    ) -> None:
        """Describes the memory to the kernel.

        Args:
            udp_socket: To send by; non-blocking.
            memory: To send out of.
            segment_option: UDP_SEGMENT.

        Raises:
            AttributeError: The C library has no ``sendmmsg``.
        """
        self._send = _c_library.sendmmsg
        self._descriptor = udp_socket.fileno()
        self._family = udp_socket.family
        cells = memory.cells
        names = ctypes.create_string_buffer(cells * _NAME_BYTES)
        vectors = (_IoVec * cells)()
        control = _Control()
        control.segmentation.header = _ControlHeader(
            _Segmentation.size_bytes.offset + _SEGMENT_SIZE.size,
            socket.IPPROTO_UDP,
            segment_option,
        )
        messages = (_MMsgHdr * cells)()
        for cell in range(cells):
            vectors[cell].base = memory.address(cell)
            header = messages[cell].header
            header.name = ctypes.addressof(names) + cell * _NAME_BYTES
            header.name_length = _NAME_SIZES[udp_socket.family]
            header.control = ctypes.addressof(control)
        self._keep = names, vectors, messages
        self._start = ctypes.addressof(messages)
        self._arguments = ctypes.c_void_p(self._start)
        self._names = memoryview(names).cast("B")
        self._control = memoryview(control).cast("B")
        self._source = b""
        words = memoryview(messages).cast("B").cast("L")
        stride = ctypes.sizeof(_MMsgHdr) // _WORD_BYTES
        self._vector_starts = words[_MsgHdr.vectors.offset // _WORD_BYTES :: stride]
        self._vector_counts = words[_MsgHdr.vector_count.offset // _WORD_BYTES :: stride]
        self._control_lengths = words[_MsgHdr.control_length.offset // _WORD_BYTES :: stride]
        self._vectors = ctypes.addressof(vectors)
        self._vector_lengths = memoryview(vectors).cast("B").cast("L")[1::2]
        self._loaded: Run | None = None
        self._copies = 0

    def names(self, addresses: Sequence[tuple[Any, ...]]) -> bytes:
        """Addresses as the kernel takes them, one behind the other."""
        return b"".join(
            packed_name(self._family, address).ljust(_NAME_BYTES, b"\0") for address in addresses
        )

    def source(self, local: str) -> bytes:
        """One of our addresses as the kernel takes it, as a control message."""
        if not local:
            return b""
        level, kind, data = packet_info.source_option(packet_info.LINUX, local)
        length = ctypes.sizeof(_ControlHeader) + len(data)
        return (_CONTROL_HEADER.pack(length, level, kind) + data).ljust(_aligned(length), b"\0")

    def send(
        self,
        image: Image,
        run: Run,
        names: bytes,
        copies: int,
        source: bytes = b"",
        first: int = 0,
    ) -> int:
        """Sends a run out of the copies of an image.

        Args:
            image: What is in the memory.
            run: Which of its packets.
            names: Where to, as `names` says it, for each copy.
            copies: How many copies there are.
            source: From which of our addresses, as `source` says it.
            first: Which copy to begin with.

        Returns:
            Out of how many it was sent. The kernel has refused the next one.
        """
        if run is not self._loaded or copies > self._copies or source != self._source:
            self._load(image, run, copies, source)
        self._names[: len(names)] = names
        start = self._arguments
        if first:
            start = ctypes.c_void_p(self._start + first * ctypes.sizeof(_MMsgHdr))
        sent: int = self._send(self._descriptor, start, copies - first, 0)
        return max(sent, 0)

    def _load(self, image: Image, run: Run, copies: int, source: bytes) -> None:
        count = image.count
        self._vector_lengths[: copies * count] = _words(image.sizes * copies)
        start = self._vectors + run.first * ctypes.sizeof(_IoVec)
        step = count * ctypes.sizeof(_IoVec)
        self._vector_starts[:copies] = _words(range(start, start + copies * step, step))
        self._vector_counts[:copies] = _words((len(run.sizes),) * copies)
        self._control_lengths[:copies] = _words((self._load_control(run, source),) * copies)
        self._loaded, self._copies, self._source = run, copies, source

    def _load_control(self, run: Run, source: bytes) -> int:
        """Says how a run is cut and where it is from; returns the length of that in bytes."""
        if run.is_single and not source:
            return 0
        control, start = self._control, ctypes.sizeof(_Segmentation)
        # Into segments of no bytes is not at all.
        segment_bytes = 0 if run.is_single else run.segment_bytes
        _SEGMENT_SIZE.pack_into(control, _Segmentation.size_bytes.offset, segment_bytes)
        control[start : start + len(source)] = source
        return start + len(source)


class MessageReceiver:
    """Takes what has arrived by one call, ``recvmmsg(2)``; see `sidecar.net.datagrams.Receiver`."""

    __slots__ = (
        "_arguments",
        "_buffers",
        "_control_bytes",
        "_control_lengths",
        "_controls",
        "_descriptor",
        "_family",
        "_keep",
        "_name_bytes",
        "_names",
        "_receive",
        "_received",
        "_sizes",
    )

    def __init__(self, udp_socket: socket.socket) -> None:
        """Makes room.

        Args:
            udp_socket: To receive by; non-blocking.

        Raises:
            AttributeError: The C library has no ``recvmmsg``.
        """
        self._receive = _c_library.recvmmsg
        self._descriptor = udp_socket.fileno()
        self._family = udp_socket.family
        name_bytes = _NAME_SIZES[udp_socket.family]
        names = ctypes.create_string_buffer(RECEIVED_AT_ONCE * _NAME_BYTES)
        buffers = ctypes.create_string_buffer(RECEIVED_AT_ONCE * MAX_RECEIVED_BYTES)
        vectors = (_IoVec * RECEIVED_AT_ONCE)()
        messages = (_MMsgHdr * RECEIVED_AT_ONCE)()
        control_bytes = _CONTROL_BYTES[udp_socket.family]
        controls = ctypes.create_string_buffer(RECEIVED_AT_ONCE * control_bytes)
        for number in range(RECEIVED_AT_ONCE):
            vectors[number].base = ctypes.addressof(buffers) + number * MAX_RECEIVED_BYTES
            vectors[number].length = MAX_RECEIVED_BYTES
            header = messages[number].header
            header.name = ctypes.addressof(names) + number * _NAME_BYTES
            header.name_length = name_bytes  # what the kernel leaves there is the same
            header.vectors = ctypes.addressof(vectors) + number * ctypes.sizeof(_IoVec)
            header.vector_count = 1
            header.control = ctypes.addressof(controls) + number * control_bytes
            header.control_length = control_bytes  # likewise the same, where addresses are told
        self._keep = vectors, messages
        # A slice of such a buffer is bytes, though typeshed takes it for a list.
        self._names: Any = names
        self._buffers: Any = buffers
        self._controls: Any = controls
        self._control_bytes = control_bytes
        self._name_bytes = name_bytes
        self._arguments = ctypes.c_void_p(ctypes.addressof(messages))
        half_words = memoryview(messages).cast("B").cast("I")
        first = _MMsgHdr.size_bytes.offset // half_words.itemsize
        self._sizes = half_words[first :: ctypes.sizeof(_MMsgHdr) // half_words.itemsize]
        words = memoryview(messages).cast("B").cast("L")
        self._control_lengths = words[
            _MsgHdr.control_length.offset // _WORD_BYTES :: ctypes.sizeof(_MMsgHdr) // _WORD_BYTES
        ]
        self._received: Sequence[tuple[bytes, tuple[Any, ...]]] = ()

    def receive(self) -> Sequence[tuple[bytes, tuple[Any, ...]]]:
        """Takes datagrams and where they come from, as ``socket.recvfrom`` says it."""
        count: int = self._receive(self._descriptor, self._arguments, RECEIVED_AT_ONCE, 0, None)
        if count <= 0:
            return ()
        family, buffers, names = self._family, self._buffers, self._names
        sizes, name_bytes = self._sizes, self._name_bytes
        received = []
        buffer = name = 0
        for number in range(count):
            datagram: bytes = buffers[buffer : buffer + sizes[number]]
            received.append((datagram, unpacked_name(family, names[name : name + name_bytes])))
            buffer += MAX_RECEIVED_BYTES
            name += _NAME_BYTES
        self._received = received
        return received

    def local_address(self, datagram: bytes) -> str:
        """See `sidecar.net.datagrams.Receiver`.

        Nothing of it is looked at before somebody asks, which is for ICE checks only.
        """
        size = self._control_bytes
        for number, (each, _address) in enumerate(self._received):
            if each is datagram:
                if self._control_lengths[number] == size:
                    return _local_address(self._controls[number * size : (number + 1) * size])
                # The kernel leaves there how much it has written, and next time writes no more.
                self._control_lengths[:] = _words((size,) * RECEIVED_AT_ONCE)
        return ""


def _aligned(length: int) -> int:
    return length + -length % _WORD_BYTES


def _local_address(control: bytes) -> str:
    """Which of our addresses a control message names."""
    length, level, kind = _CONTROL_HEADER.unpack_from(control)
    data = control[_CONTROL_HEADER.size : length]
    return packet_info.local_address(packet_info.LINUX, level, kind, data)


def _words(numbers: Sequence[int]) -> memoryview:
    """Numbers as words of the machine."""
    return memoryview(array("L", numbers))


def udp_drops(port: int) -> int | None:
    """What /proc/net/udp has in its last column for the sockets of a port; None without /proc."""
    drops = 0
    for table in ("udp", "udp6"):
        try:
            lines = Path("/proc/self/net", table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            return None
        for line in lines:
            fields = line.split()
            if int(fields[1].rpartition(":")[2], 16) == port:
                drops += int(fields[-1])
    return drops
