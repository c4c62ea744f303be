"""Memory in which packets are protected, and out of which they are sent.

A full class gets the same batch of packets fifty times, with other headers and other keys. So
whatever follows from the sizes of the packets alone is worked out once and kept: the *layout*.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from pylibsrtp import ffi  # type: ignore[attr-defined]  # the binding, for use in place

from sidecar.net.limits import MAX_DATAGRAM_BYTES, MAX_PACKETS

MAX_RUN_BYTES: Final = 60_000
"""A run goes to the kernel as one UDP datagram's worth of bytes: at most 65,507."""

_ALIGNMENT: Final = 4
"""libsrtp wants packets to start at multiples of this."""

_MAX_LAYOUTS: Final = 32


class Run(NamedTuple):
    """Datagrams of one size, the last of which may be shorter: the kernel can cut them itself.

    Attributes:
        datagrams: One by one.
        buffers: The same bytes in as few pieces as possible.
        segment_bytes: The size of each, but for the last.
    """

    datagrams: Sequence[memoryview]
    buffers: Sequence[memoryview]
    segment_bytes: int


class Layout:
    """Where packets of certain sizes lie in the memory, as they are before and after protection.

    Attributes:
        gaps: What comes behind each packet: room for its tag, and up to the next one's start.
        size_bytes: Of all packets with their gaps.
        sizes: The packets' sizes, for libsrtp.
        pointers: The packets, for libsrtp.
        lengths: Where libsrtp finds and leaves the size of each.
        datagrams: The packets after protection.
        runs: The same, in runs.
    """

    __slots__ = ("datagrams", "gaps", "lengths", "pointers", "runs", "size_bytes", "sizes")

    def __init__(self, memory: PacketMemory, sizes: Sequence[int], tag_bytes: int) -> None:
        self.gaps: list[bytes] = []
        self.pointers: list[Any] = []
        self.datagrams: list[memoryview] = []
        start = 0
        for size_bytes in sizes:
            end = start + size_bytes + tag_bytes
            next_start = end + -end % _ALIGNMENT
            self.gaps.append(bytes(next_start - start - size_bytes))
            self.pointers.append(memory.pointer + start)
            self.datagrams.append(memory.view[start:end])
            start = next_start
        self.size_bytes = start
        self.sizes = struct.pack(f"={len(sizes)}i", *sizes)
        self.lengths = memory.length_pointers[: len(sizes)]
        self.runs = [self._run(memory, first, last) for first, last in equal_runs(sizes, tag_bytes)]

    def _run(self, memory: PacketMemory, first: int, last: int) -> Run:
        datagrams = self.datagrams[first:last]
        start = int(self.pointers[first] - memory.pointer)
        end = int(self.pointers[last - 1] - memory.pointer) + len(datagrams[-1])
        nothing_between = end - start == sum(map(len, datagrams))
        buffers = [memory.view[start:end]] if nothing_between else datagrams
        return Run(datagrams, buffers, len(datagrams[0]))


class PacketMemory:
    """The memory, used again and again, and the layouts that were needed lately.

    Attributes:
        view: All of it.
        pointer: The same for libsrtp.
        lengths: Of the packets in it, as C integers.
        length_pointers: One to each of these.
    """

    __slots__ = ("_layouts", "_lengths", "_memory", "length_pointers", "lengths", "pointer", "view")

    def __init__(self) -> None:
        self._memory = ffi.new("char[]", MAX_PACKETS * (MAX_DATAGRAM_BYTES + _ALIGNMENT))
        self.pointer = self._memory + 0
        self.view = memoryview(ffi.buffer(self._memory))
        self._lengths = ffi.new("int[]", MAX_PACKETS)
        self.lengths = memoryview(ffi.buffer(self._lengths))
        self.length_pointers = [self._lengths + number for number in range(MAX_PACKETS)]
        self._layouts: dict[tuple[int, tuple[int, ...]], Layout] = {}

    def load(self, packets: Sequence[bytes], tag_bytes: int) -> Layout:
        """Puts packets into the memory.

        Args:
            packets: At most ``MAX_PACKETS``, each with its tag at most ``MAX_DATAGRAM_BYTES``.
            tag_bytes: What protection adds to each.

        Returns:
            Where they are.
        """
        sizes = tuple(map(len, packets))
        layout = self._layouts.get((tag_bytes, sizes)) or self._lay_out(sizes, tag_bytes)
        pieces = [b""] * (2 * len(sizes))
        pieces[::2] = packets
        pieces[1::2] = layout.gaps
        self.view[: layout.size_bytes] = b"".join(pieces)
        self.lengths[: len(layout.sizes)] = layout.sizes
        return layout

    def _lay_out(self, sizes: tuple[int, ...], tag_bytes: int) -> Layout:
        if len(self._layouts) >= _MAX_LAYOUTS:
            self._layouts.clear()
        layout = self._layouts[tag_bytes, sizes] = Layout(self, sizes, tag_bytes)
        return layout


def equal_runs(sizes: Sequence[int], tag_bytes: int) -> Iterator[tuple[int, int]]:
    """Cuts packets into runs of one size; the last of a run may be shorter than the others.

    Args:
        sizes: Before protection, in bytes.
        tag_bytes: What that adds to each.

    Yields:
        The first packet of a run, and the first one behind it.
    """
    count = len(sizes)
    start = 0
    while start < count:
        size_bytes = sizes[start]
        limit = min(count, start + max(MAX_RUN_BYTES // (size_bytes + tag_bytes), 1))
        end = start + 1
        while end < limit and sizes[end] == size_bytes:
            end += 1
        if end < limit and sizes[end] < size_bytes:
            end += 1
        yield start, end
        start = end
