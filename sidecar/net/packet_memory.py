"""Memory in which packets are protected, and out of which they are sent.

A full class gets the same packets fifty times, each time with other keys. So they are laid out as
libsrtp and the kernel want them once: the *image*, which is then copied in one go for each
receiver. What follows from the sizes of the packets alone is kept for the next ones: the *layout*.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pylibsrtp import ffi  # type: ignore[attr-defined]  # the binding, for use in place

from sidecar.net.limits import MAX_DATAGRAM_BYTES, MAX_PACKETS, MAX_RTP_BYTES

if TYPE_CHECKING:
    from sidecar.sfu.batch import Packets

MAX_RUN_BYTES: Final = 60_000
"""A run goes to the kernel as one UDP datagram's worth of bytes: at most 65,507."""

_ALIGNMENT: Final = 4
"""libsrtp wants packets to start at multiples of this."""

_LENGTH_BYTES: Final = 4
"""Of the C integer in which libsrtp finds and leaves the size of a packet."""

_PACKETS_START: Final = MAX_PACKETS * _LENGTH_BYTES
"""The lengths of all packets lie before the packets."""

_MAX_LAYOUTS: Final = 256
_MAX_PREPARED: Final = 8


class Run(NamedTuple):
    """Datagrams of one size, the last of which may be shorter: the kernel can cut them itself.

    Attributes:
        datagrams: One by one.
        buffers: The same bytes in as few pieces as possible.
        segment_bytes: The size of each, but for the last.
        is_single: There is only one.
    """

    datagrams: Sequence[memoryview]
    buffers: Sequence[memoryview]
    segment_bytes: int
    is_single: bool

    @classmethod
    def of(cls, datagrams: Sequence[memoryview], buffers: Sequence[memoryview]) -> Run:
        """Makes one."""
        return cls(datagrams, buffers, len(datagrams[0]), len(datagrams) == 1)


class Layout:
    """Where packets of certain sizes lie in the memory, as they are before and after protection.

    Attributes:
        lengths: The packets' sizes, as they lie before the packets.
        gaps: What comes behind each packet: room for its tag, and up to the next one's start.
        pointers: The packets, for libsrtp.
        length_pointers: Where libsrtp finds and leaves the size of each.
        datagrams: The packets after protection.
        runs: The same, in runs.
    """

    __slots__ = ("datagrams", "gaps", "length_pointers", "lengths", "pointers", "runs")

    def __init__(self, memory: PacketMemory, sizes: Sequence[int], tag_bytes: int) -> None:
        self.lengths = struct.pack(f"={len(sizes)}i", *sizes).ljust(_PACKETS_START, b"\0")
        self.length_pointers = memory.length_pointers[: len(sizes)]
        self.gaps: list[bytes] = []
        self.pointers: list[Any] = []
        self.datagrams: list[memoryview] = []
        start = _PACKETS_START
        for size_bytes in sizes:
            end = start + size_bytes + tag_bytes
            next_start = end + -end % _ALIGNMENT
            self.gaps.append(bytes(next_start - start - size_bytes))
            self.pointers.append(memory.pointer + start)
            self.datagrams.append(memory.view[start:end])
            start = next_start
        self.runs = [self._run(memory, first, last) for first, last in equal_runs(sizes, tag_bytes)]

    def _run(self, memory: PacketMemory, first: int, last: int) -> Run:
        datagrams = self.datagrams[first:last]
        start = int(self.pointers[first] - memory.pointer)
        end = int(self.pointers[last - 1] - memory.pointer) + len(datagrams[-1])
        nothing_between = end - start == sum(map(len, datagrams))
        buffers = [memory.view[start:end]] if nothing_between else datagrams
        return Run.of(datagrams, buffers)


class Image(NamedTuple):
    """What the memory is to hold before packets are protected.

    Attributes:
        data: From the start of the memory on.
        layout: What lies where.
    """

    data: bytes
    layout: Layout


class Prepared(NamedTuple):
    """Packets that are ready for any number of receivers.

    Attributes:
        images: Of at most ``MAX_PACKETS`` each.
        too_long: How many have been left out since they are longer than ``MAX_RTP_BYTES``.
    """

    images: Sequence[Image]
    too_long: int


class PacketMemory:
    """The memory, used again and again, and what was prepared for it lately.

    Attributes:
        view: All of it. An image is loaded by copying its data to the beginning.
        pointer: The same for libsrtp.
        length_pointers: To the lengths at its beginning.
    """

    __slots__ = ("_layouts", "_memory", "_prepared", "length_pointers", "pointer", "view")

    def __init__(self) -> None:
        packets_bytes = MAX_PACKETS * (MAX_DATAGRAM_BYTES + _ALIGNMENT)
        self._memory = ffi.new("char[]", _PACKETS_START + packets_bytes)
        self.pointer = self._memory + 0
        self.view = memoryview(ffi.buffer(self._memory))
        lengths = ffi.cast("int *", self._memory)
        self.length_pointers = [lengths + number for number in range(MAX_PACKETS)]
        self._layouts: dict[tuple[int, tuple[int, ...]], Layout] = {}
        self._prepared: dict[tuple[int, int], tuple[Packets, Prepared]] = {}

    def prepare(self, packets: Packets, tag_bytes: int) -> Prepared:
        """Lays packets out, unless that has just been done for another receiver.

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
            self._image(short[start : start + MAX_PACKETS], tag_bytes)
            for start in range(0, len(short), MAX_PACKETS)
        ]
        return Prepared(images, len(packets) - len(short))

    def _image(self, packets: Sequence[bytes], tag_bytes: int) -> Image:
        layout = self._layout(tuple(map(len, packets)), tag_bytes)
        pieces = [layout.lengths]
        for packet, gap in zip(packets, layout.gaps, strict=True):
            pieces += packet, gap
        return Image(b"".join(pieces), layout)

    def _layout(self, sizes: tuple[int, ...], tag_bytes: int) -> Layout:
        layout = self._layouts.get((tag_bytes, sizes))
        if layout is None:
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
