"""Memory in which packets are protected, and out of which they are sent.

A full class gets the same packets fifty times, each time with other keys. So they are laid out as
libsrtp wants them once: the *image*, of which copies are put side by side into the *cells* of the
memory, one packet in each. What is in there is protected by one pass and leaves by one system call.
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

CELLS: Final = 72
"""More would save little, and what one pass writes is to stay in the processor's cache."""

MAX_RUN_BYTES: Final = 60_000
"""A run goes to the kernel as one UDP datagram's worth of bytes: at most 65,507."""

_ALIGNMENT: Final = 4
"""libsrtp wants packets to start at multiples of this."""

_LENGTH_BYTES: Final = 4
"""Of the C integer in which libsrtp finds and leaves the size of a packet."""

_CELL_BYTES: Final = MAX_DATAGRAM_BYTES + -MAX_DATAGRAM_BYTES % _ALIGNMENT

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
    """What neighbouring cells are to hold before packets are protected.

    Attributes:
        data: From the start of the first cell on.
        lengths: Of each packet, as C integers.
        sizes: Of each after protection, in bytes.
        runs: What becomes of them, in their order.
        datagrams: The packets after protection, by copy; see `PacketMemory.datagrams`.
    """

    __slots__ = ("data", "datagrams", "lengths", "runs", "sizes")

    def __init__(self, packets: Sequence[bytes], tag_bytes: int) -> None:
        """Lays packets out.

        Args:
            packets: At most `MAX_PACKETS`, none longer than `MAX_RTP_BYTES`.
            tag_bytes: What protection adds to each.
        """
        sizes = list(map(len, packets))
        padded = [packet.ljust(_CELL_BYTES, b"\0") for packet in packets[:-1]]
        self.data = b"".join([*padded, packets[-1]])
        self.lengths = struct.pack(f"={len(sizes)}i", *sizes)
        self.sizes = tuple([size_bytes + tag_bytes for size_bytes in sizes])
        self.runs = [Run(first, self.sizes[first:last]) for first, last in equal_runs(self.sizes)]
        self.datagrams: dict[int, Sequence[memoryview]] = {}

    @property
    def count(self) -> int:
        """How many packets it has."""
        return len(self.sizes)


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
        cells: How many packets it holds, at least `MAX_PACKETS`.
        pointers: For libsrtp: where each cell starts.
        length_pointers: The same for the size of what is in it.
    """

    __slots__ = (
        "_cells",
        "_lengths",
        "_pages",
        "_prepared",
        "cells",
        "length_pointers",
        "pointers",
    )

    def __init__(self, cells: int = CELLS) -> None:
        self.cells = cells
        # Pages that nothing is written to take no room.
        self._pages = mmap.mmap(-1, cells * (_CELL_BYTES + _LENGTH_BYTES))
        view = memoryview(self._pages)
        lengths_start = cells * _CELL_BYTES
        self._cells = [view[cell * _CELL_BYTES : lengths_start] for cell in range(cells)]
        self._lengths = view[lengths_start:]
        memory = ffi.from_buffer("char[]", self._pages, require_writable=True)
        lengths = ffi.cast("int *", memory + lengths_start)
        self.pointers: Sequence[Any] = [memory + cell * _CELL_BYTES for cell in range(cells)]
        self.length_pointers: Sequence[Any] = [lengths + cell for cell in range(cells)]
        self._prepared: dict[tuple[int, int], tuple[Packets, Prepared]] = {}

    def load(self, image: Image, copies: int) -> None:
        """Puts copies of an image side by side.

        Args:
            image: What to put there.
            copies: How many; all in all they have no more packets than there are cells.
        """
        lengths = image.lengths * copies
        self._lengths[: len(lengths)] = lengths
        data, count = image.data, image.count
        size_bytes = len(data)
        for cell in self._cells[: copies * count : count]:
            cell[:size_bytes] = data

    def datagrams(self, image: Image, copy: int) -> Sequence[memoryview]:
        """The packets of a copy after protection, valid until the memory is used again."""
        datagrams = image.datagrams.get(copy)
        if datagrams is None:
            cells = self._cells[copy * image.count :]
            datagrams = image.datagrams[copy] = [
                cell[:size_bytes] for cell, size_bytes in zip(cells, image.sizes, strict=False)
            ]
        return datagrams

    def address(self, cell: int) -> int:
        """Where a cell starts, as a C pointer's number."""
        return int(ffi.cast("uintptr_t", self.pointers[cell]))

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
