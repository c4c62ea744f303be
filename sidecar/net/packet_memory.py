"""Memory in which packets are protected, and out of which they are sent.

A full class gets the same packets fifty times, each time with other keys. So they are laid out as
libsrtp wants them once: the *image*, of which copies are put side by side into the *cells* of the
memory, one packet in each. What is in there is protected by one pass and leaves by one system call.
"""

from __future__ import annotations

import mmap
from array import array
from collections.abc import Sequence
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

_SSRC: Final = slice(8, 12)
"""Of an RTP packet (RFC 3550 section 5.1)."""

_CELL_BYTES: Final = MAX_DATAGRAM_BYTES + -MAX_DATAGRAM_BYTES % _ALIGNMENT


class Run(NamedTuple):
    """Datagrams of one size, the last of which may be shorter: the kernel can cut them itself.

    Attributes:
        first: The first one's number in its image.
        sizes: Of each, after protection, in bytes.
    """

    first: int
    sizes: Sequence[int]

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
        count: How many packets it has.
        data: From the start of the first cell on.
        lengths: Of each packet, as C integers.
        sizes: Of each after protection, in bytes.
        runs: What becomes of them, in their order.
        datagrams: The packets after protection, by copy; see `PacketMemory.datagrams`.
    """

    __slots__ = ("_packets", "_ssrcs", "count", "data", "datagrams", "lengths", "runs", "sizes")

    def __init__(self, packets: Sequence[bytes], tag_bytes: int) -> None:
        """Lays packets out.

        Args:
            packets: At most `MAX_PACKETS`, none longer than `MAX_RTP_BYTES`.
            tag_bytes: What protection adds to each.
        """
        lengths = array("i", map(len, packets))
        cells = [packet.ljust(_CELL_BYTES, b"\0") for packet in packets]
        cells[-1] = packets[-1]
        self.count = len(packets)
        self.data = b"".join(cells)
        self.lengths = lengths.tobytes()
        self.sizes = [size_bytes + tag_bytes for size_bytes in lengths]
        self.runs = equal_runs(self.sizes)
        self.datagrams: dict[int, Sequence[memoryview]] = {}
        self._packets = packets
        self._ssrcs: frozenset[bytes] | None = None

    @property
    def ssrcs(self) -> frozenset[bytes]:
        """Of the packets, as 4 bytes each."""
        if self._ssrcs is None:
            self._ssrcs = frozenset([packet[_SSRC] for packet in self._packets])
        return self._ssrcs


class Prepared(NamedTuple):
    """Packets that are ready for any number of receivers.

    Attributes:
        images: Of at most `MAX_PACKETS` each.
        too_long: How many have been left out since they are longer than `MAX_RTP_BYTES`.
    """

    images: Sequence[Image]
    too_long: int


class PacketMemory:
    """The memory, used again and again.

    Attributes:
        cells: How many packets it holds, at least `MAX_PACKETS`.
        pointers: For libsrtp: where each cell starts.
        length_pointers: The same for the size of what is in it.
    """

    __slots__ = (
        "_cells",
        "_lengths",
        "_pages",
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

    def load(self, image: Image, copies: int) -> None:
        """Puts copies of an image side by side.

        Args:
            image: What to put there.
            copies: How many; all in all they have no more packets than there are cells.
        """
        lengths = image.lengths * copies
        self._lengths[: len(lengths)] = lengths
        data, count = image.data, image.count
        filled = slice(len(data))
        for cell in self._cells[: copies * count : count]:
            cell[filled] = data

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
            packets: The same object each time; nothing of it may have changed. It keeps what is
                made of it, so it must not go to another memory.
            tag_bytes: What protection adds to each.
        """
        prepared: Prepared | None = packets.prepared.get(tag_bytes)
        if prepared is None:
            short = [packet for packet in packets.packets if len(packet) <= MAX_RTP_BYTES]
            images = []
            for start in range(0, len(short), MAX_PACKETS):
                images.append(Image(short[start : start + MAX_PACKETS], tag_bytes))
            prepared = Prepared(images, len(packets.packets) - len(short))
            packets.prepared[tag_bytes] = prepared
        return prepared


def equal_runs(sizes: Sequence[int]) -> list[Run]:
    """Cuts datagrams into runs of one size; the last of a run may be shorter than the others.

    Args:
        sizes: In bytes.
    """
    runs = []
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
        runs.append(Run(start, sizes[start:end]))
        start = end
    return runs
