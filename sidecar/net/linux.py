"""What `sidecar.net.platform` does on Linux, where Python knows no function for it.

Nothing of this is imported elsewhere.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from sidecar.net.limits import MAX_PACKETS

if TYPE_CHECKING:
    from sidecar.net.packet_memory import PacketMemory, Run

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
    _fields_ = (("header", _MsgHdr), ("sent", ctypes.c_uint))


class _Segmentation(ctypes.Structure):
    """A control message (cmsg(3)) with the one number that UDP_SEGMENT takes."""

    _fields_ = (
        ("length", ctypes.c_size_t),
        ("level", ctypes.c_int),
        ("type", ctypes.c_int),
        ("size_bytes", ctypes.c_uint16),
    )


class MessageTable:
    """Sends the same run of datagrams out of several slots of memory, each to its own address.

    It is the argument of ``sendmmsg(2)``, made once: a message for each slot, with a vector for
    each packet that the slot may hold. A call fills in only what differs from the last one.
    """

    __slots__ = (
        "_arguments",
        "_control_lengths",
        "_descriptor",
        "_family",
        "_first",
        "_keep",
        "_loaded",
        "_names",
        "_segmentation",
        "_send",
        "_slots",
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
        slots, packets = memory.slots, MAX_PACKETS
        names = ctypes.create_string_buffer(slots * _NAME_BYTES)
        vectors = (_IoVec * (slots * packets))()
        segmentation = _Segmentation(
            _Segmentation.size_bytes.offset + _SEGMENT_SIZE.size,
            socket.IPPROTO_UDP,
            segment_option,
        )
        messages = (_MMsgHdr * slots)()
        for slot in range(slots):
            for number in range(packets):
                vectors[slot * packets + number].base = memory.address(slot, number)
            header = messages[slot].header
            header.name = ctypes.addressof(names) + slot * _NAME_BYTES
            header.name_length = _NAME_SIZES[udp_socket.family]
            header.control = ctypes.addressof(segmentation)
        self._keep = names, vectors, segmentation, messages
        self._arguments = ctypes.c_void_p(ctypes.addressof(messages))
        self._names = memoryview(names).cast("B")
        self._segmentation = memoryview(segmentation).cast("B")[_Segmentation.size_bytes.offset :]
        self._slots = slots
        words = memoryview(messages).cast("B").cast("L")
        stride = ctypes.sizeof(_MMsgHdr) // _WORD_BYTES
        self._vector_starts = words[_MsgHdr.vectors.offset // _WORD_BYTES :: stride]
        self._vector_counts = words[_MsgHdr.vector_count.offset // _WORD_BYTES :: stride]
        self._control_lengths = words[_MsgHdr.control_length.offset // _WORD_BYTES :: stride]
        lengths = memoryview(vectors).cast("B").cast("L")[1::2]
        self._vector_lengths = [lengths[number::packets] for number in range(packets)]
        self._vectors = [
            ctypes.addressof(vectors) + slot * packets * ctypes.sizeof(_IoVec)
            for slot in range(slots)
        ]
        self._first = -1
        self._loaded: Run | None = None

    def names(self, addresses: Sequence[tuple[Any, ...]]) -> bytes:
        """Addresses as the kernel takes them, slot by slot."""
        return b"".join(_socket_name(self._family, address) for address in addresses)

    def send(self, run: Run, names: bytes, copies: int) -> int:
        """Sends a run out of the first slots.

        Args:
            run: Which packets of a slot, and their sizes.
            names: Where to, as `names` says it.
            copies: Out of how many slots.

        Returns:
            Out of how many it was sent. The kernel has refused the next one.
        """
        if run is not self._loaded:
            self._load(run)
        self._names[: len(names)] = names
        sent: int = self._send(self._descriptor, self._arguments, copies, 0)
        return max(sent, 0)

    def _load(self, run: Run) -> None:
        slots = self._slots
        if run.first != self._first:
            self._first = run.first
            offset = run.first * ctypes.sizeof(_IoVec)
            for slot, start in enumerate(self._vectors):
                self._vector_starts[slot] = start + offset
        for number, size_bytes in enumerate(run.sizes, run.first):
            self._vector_lengths[number][:] = _repeated(size_bytes, slots)
        self._vector_counts[:] = _repeated(len(run.sizes), slots)
        if run.is_single:
            control_bytes = 0
        else:
            control_bytes = ctypes.sizeof(_Segmentation)
            _SEGMENT_SIZE.pack_into(self._segmentation, 0, run.segment_bytes)
        self._control_lengths[:] = _repeated(control_bytes, slots)
        self._loaded = run


@lru_cache(maxsize=256)
def _repeated(number: int, times: int) -> memoryview:
    """A number several times, as words of the machine."""
    return memoryview(struct.pack(f"{times}L", *[number] * times)).cast("L")


def _socket_name(family: int, address: tuple[Any, ...]) -> bytes:
    """A ``sockaddr_in`` or ``sockaddr_in6``, in `_NAME_BYTES`."""
    host, port, *rest = address
    name = struct.pack("=H", family) + struct.pack("!H", port)
    if family == socket.AF_INET6:
        flow, scope = rest or (0, 0)
        name += struct.pack("!I", flow)
        name += socket.inet_pton(family, host.partition("%")[0]) + struct.pack("=I", scope)
    else:
        name += socket.inet_pton(family, host)
    return name.ljust(_NAME_BYTES, b"\0")
