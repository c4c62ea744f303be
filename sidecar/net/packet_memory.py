"""Memory in which packets are protected, and out of which they are sent.

A full class gets the same packets fifty times, each time with other keys. So they are laid out as
libsrtp wants them once: the *image*, which is then copied in one go for each receiver. There is
room for several copies, the *slots*: what is protected by one pass leaves by one system call.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pylibsrtp import ffi  # type: ignore[attr-defined]  # the binding, for use in place

from sidecar.net.limits import MAX_DATAGRAM_BYTES, MAX_PACKETS, MAX_RTP_BYTES

if TYPE_CHECKING:
    from sidecar.sfu.batch import Packets

SLOTS: Final = 8
"""More would save little, and what one pass writes is to stay in the processor's cache."""

MAX_RUN_BYTES: Final = 60_000
"""A run goes to the kernel as one UDP datagram's worth of bytes: at most 65,507."""

_ALIGNMENT: Final = 4
"""libsrtp wants packets to start at multiples of this."""

_LENGTH_BYTES: Final = 4
"""Of the C integer in which libsrtp finds and leaves the size of a packet."""

_PACKETS_START: Final = MAX_PACKETS * _LENGTH_BYTES
"""In a slot the lengths of all packets lie before the packets."""

_STRIDE_BYTES: Final = MAX_DATAGRAM_BYTES + -MAX_DATAGRAM_BYTES % _ALIGNMENT
"""From one packet's start to the next one's."""

_SLOT_BYTES: Final = _PACKETS_START + MAX_PACKETS * _STRIDE_BYTES

_MAX_PREPARED: Final = 8


class Run(NamedTuple):
    """Datagrams of one size, the last of which may be shorter: the kernel can cut them itself.

    Attributes:
        first: The first one's number in its image.
        sizes: Of each, after protection, in bytes.
    """

    first: int
    sizes: tuple[int, ...]

    @property
    def segment_bytes(self) -> int:
        """The size of each, but for the last."""
        return self.sizes[0]

    @property
    def is_single(self) -> bool:
        """There is only one."""
        return len(self.sizes) == 1


class Image:
    """What a slot is to hold before packets are protected.

    Attributes:
        data: From the start of the slot on.
        count: How many packets that is.
        runs: What becomes of them, in their order.
        datagrams: The packets after protection, by slot; see `PacketMemory.datagrams`.
    """

    __slots__ = ("count", "data", "datagrams", "runs")

    def __init__(self, packets: Sequence[bytes], tag_bytes: int) -> None:
        """Lays packets out.

        Args:
            packets: At most `MAX_PACKETS`, none longer than `MAX_RTP_BYTES`.
            tag_bytes: What protection adds to each.
        """
        sizes = tuple(map(len, packets))
        lengths = struct.pack(f"={len(sizes)}i", *sizes).ljust(_PACKETS_START, b"\0")
        padded = [packet.ljust(_STRIDE_BYTES, b"\0") for packet in packets[:-1]]
        self.data = b"".join([lengths, *padded, packets[-1]])
        self.count = len(sizes)
        protected = tuple(size_bytes + tag_bytes for size_bytes in sizes)
        self.runs = [Run(first, protected[first:last]) for first, last in equal_runs(protected)]
        self.datagrams: dict[int, Sequence[memoryview]] = {}


class Prepared(NamedTuple):
    """Packets that are ready for any number of receivers.

    Attributes:
        images: Of at most `MAX_PACKETS` each.
        too_long: How many have been left out since they are longer than `MAX_RTP_BYTES`.
    """

    images: Sequence[Image]
    too_long: int


class PacketMemory:
    """The memory, used again and again, and what was prepared for it lately.

    Attributes:
        view: All of it, slot by slot.
        slots: How many there are.
    """

    __slots__ = (
        "_length_pointers",
        "_lengths",
        "_memory",
        "_packets",
        "_pages",
        "_pointers",
        "_prepared",
        "_slots",
        "slots",
        "view",
    )

    def __init__(self, slots: int = SLOTS) -> None:
        self.slots = slots
        # Pages that nothing is written to take no room.
        self._pages = mmap.mmap(-1, slots * _SLOT_BYTES)
        self.view = memoryview(self._pages)
        self._memory = ffi.from_buffer("char[]", self._pages, require_writable=True)
        self._slots = [self.view[slot * _SLOT_BYTES :] for slot in range(slots)]
        starts = [self._memory + slot * _SLOT_BYTES for slot in range(slots)]
        numbers = range(MAX_PACKETS)
        self._packets = [
            [start + (_PACKETS_START + number * _STRIDE_BYTES) for number in numbers]
            for start in starts
        ]
        self._lengths = [
            [ffi.cast("int *", start) + number for number in numbers] for start in starts
        ]
        self._pointers: dict[int, list[Any]] = {}
        self._length_pointers: dict[int, list[Any]] = {}
        self._prepared: dict[tuple[int, int], tuple[Packets, Prepared]] = {}

    def load(self, image: Image, copies: int) -> None:
        """Puts an image into the first slots."""
        data = image.data
        size_bytes = len(data)
        for slot in self._slots[:copies]:
            slot[:size_bytes] = data

    def datagrams(self, image: Image, slot: int) -> Sequence[memoryview]:
        """The packets of an image in a slot after protection, valid until it is used again."""
        datagrams = image.datagrams.get(slot)
        if datagrams is None:
            sizes = [size_bytes for run in image.runs for size_bytes in run.sizes]
            packets = self._slots[slot][_PACKETS_START:]
            datagrams = image.datagrams[slot] = [
                packets[number * _STRIDE_BYTES :][:size_bytes]
                for number, size_bytes in enumerate(sizes)
            ]
        return datagrams

    def address(self, slot: int, number: int) -> int:
        """Where a packet starts, as a C pointer's number."""
        return int(ffi.cast("uintptr_t", self._packets[slot][number]))

    def pointers(self, count: int) -> Sequence[Any]:
        """For libsrtp: the packets of the first slot, of the second one and so on.

        Args:
            count: How many there are in each.
        """
        pointers = self._pointers.get(count)
        if pointers is None:
            pointers = self._pointers[count] = [
                pointer for slot in self._packets for pointer in slot[:count]
            ]
        return pointers

    def length_pointers(self, count: int) -> Sequence[Any]:
        """The same for the lengths of the packets."""
        pointers = self._length_pointers.get(count)
        if pointers is None:
            pointers = self._length_pointers[count] = [
                pointer for slot in self._lengths for pointer in slot[:count]
            ]
        return pointers

    def prepare(self, packets: Packets, tag_bytes: int) -> Prepared:
        """Lays packets out, unless that has just been done for other receivers.

        Args:
            packets: The same object each time; nothing of it may have changed.
            tag_bytes: What protection adds to each.
        """
        key = tag_bytes, id(packets)
        known = self._prepared.get(key)
        if known is not None:
            return known[1]
        if len(self._prepared) >= _MAX_PREPARED:
            self._prepared.clear()
        prepared = self._prepare(packets.packets, tag_bytes)
        # With the packets, so that no others come to have their id.
        self._prepared[key] = packets, prepared
        return prepared

    def _prepare(self, packets: Sequence[bytes], tag_bytes: int) -> Prepared:
        short = [packet for packet in packets if len(packet) <= MAX_RTP_BYTES]
        images = [
            Image(short[start : start + MAX_PACKETS], tag_bytes)
            for start in range(0, len(short), MAX_PACKETS)
        ]
        return Prepared(images, len(packets) - len(short))


def equal_runs(sizes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Cuts datagrams into runs of one size; the last of a run may be shorter than the others.

    Args:
        sizes: In bytes.

    Yields:
        The first datagram of a run, and the first one behind it.
    """
    count = len(sizes)
    start = 0
    while start < count:
        size_bytes = sizes[start]
        limit = min(count, start + max(MAX_RUN_BYTES // size_bytes, 1))
        end = start + 1
        while end < limit and sizes[end] == size_bytes:
            end += 1
        if end < limit and sizes[end] < size_bytes:
            end += 1
        yield start, end
        start = end
