"""The last packets of a stream: to answer NACKs from (RFC 4588 section 8), and to start with."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class RetransmissionBuffer(Generic[T]):
    """A ring of packets addressed by extended sequence number; every operation is O(1).

    Args:
        capacity: how many packets; a power of two.
        max_age_ns: older packets are not given out any more.

    Raises:
        ValueError: if ``capacity`` is not a power of two.
    """

    __slots__ = ("_mask", "_max_age_ns", "_packets", "_sequences", "_stored_ns", "capacity")

    def __init__(self, capacity: int, max_age_ns: int) -> None:
        if capacity < 1 or capacity & (capacity - 1):
            raise ValueError(f"capacity must be a power of two, not {capacity}")
        self.capacity = capacity
        self._mask = capacity - 1
        self._max_age_ns = max_age_ns
        self._sequences = [-1] * capacity
        self._packets: list[T | None] = [None] * capacity
        self._stored_ns = [0] * capacity

    def store(self, ext_seq: int, packet: T, now_ns: int) -> None:
        """Keep a packet in the place of the one ``capacity`` before it."""
        slot = ext_seq & self._mask
        if ext_seq < self._sequences[slot]:
            return  # So late that its place is taken by a newer packet.
        self._sequences[slot] = ext_seq
        self._packets[slot] = packet
        self._stored_ns[slot] = now_ns

    def clear(self) -> None:
        """Drop everything."""
        self._sequences = [-1] * self.capacity
        self._packets = [None] * self.capacity

    def get(self, ext_seq: int, now_ns: int) -> T | None:
        """Return the packet, or None if it was never stored, was replaced or is too old."""
        slot = ext_seq & self._mask
        if self._sequences[slot] != ext_seq or now_ns - self._stored_ns[slot] > self._max_age_ns:
            return None
        return self._packets[slot]

    def stored_at(self, ext_seq: int) -> int | None:
        """Return when a packet was stored, in ns; None if it was never, or was replaced."""
        slot = ext_seq & self._mask
        return self._stored_ns[slot] if self._sequences[slot] == ext_seq else None

    def peek(self, ext_seq: int) -> T | None:
        """Return the packet whatever its age, or None if it was never stored or was replaced."""
        slot = ext_seq & self._mask
        return self._packets[slot] if self._sequences[slot] == ext_seq else None
