"""Starting a receiver with what is still in the buffer, instead of with a new key frame.

A key frame that is asked for takes a round trip, the encoder's time and about 100 ms of pacing; it
costs everybody else some sharpness, and a Chromium encoder makes no second one within 300 ms. The
last one and all that followed it are usually still here: sent on once more, they give a receiver
the same picture, within the time that the network takes for them.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from sidecar.engine.retransmission_buffer import RetransmissionBuffer
from sidecar.sfu.forwarding import ForwardedPacket

MAX_REPLAY_FRAMES: Final = 64
"""What a decoder has to work through before it is up to date: 2 s at 30 frames/s."""

MAX_REPLAY_TICKS: Final = 60 * 90_000
"""A minute, of a screen that stands still: a browser repeats such a picture once a second."""

WORN_SHARE: Final = 2 / 3
"""Of the bounds; a key frame that has used up so much of one will soon be of no use."""


class ReplayStart(NamedTuple):
    """Where a replay begins.

    Attributes:
        first: The packet that the latest key frame begins with.
        last: The newest packet of the stream.
        wear: How much of the bounds it uses up, from 0 to 1.
    """

    first: ForwardedPacket
    last: ForwardedPacket
    wear: float


def find_replay_start(
    buffer: RetransmissionBuffer[ForwardedPacket],
    first_seq: int,
    last_seq: int,
    *,
    holes_are_filled: bool,
) -> ReplayStart | None:
    """Looks whether a receiver can be started from the buffer.

    Args:
        buffer: The stream's latest packets.
        first_seq: Where its latest key frame begins.
        last_seq: Its newest packet.
        holes_are_filled: Packets that are missing will still come.

    Returns:
        None if something is missing for good, or it would be too much.
    """
    first, last = buffer.peek(first_seq), buffer.peek(last_seq)
    # A quarter of the buffer is left for what arrives during the replay.
    max_packets = buffer.capacity * 3 // 4
    packets = last_seq - first_seq + 1
    if first is None or last is None or packets > max_packets:
        return None
    ticks = (last.timestamp - first.timestamp) & 0xFFFFFFFF
    frames = 0
    for ext_seq in range(first_seq, last_seq + 1):
        packet = buffer.peek(ext_seq)
        if packet is not None:
            frames += packet.marker
        elif not holes_are_filled:
            return None
    if frames > MAX_REPLAY_FRAMES or ticks > MAX_REPLAY_TICKS:
        return None
    wear = max(packets / max_packets, frames / MAX_REPLAY_FRAMES, ticks / MAX_REPLAY_TICKS)
    return ReplayStart(first, last, wear)


class Replay:
    """One receiver's way through the buffer, from a key frame to the present.

    It takes every packet exactly once and in order. Holes are left open, as they are for those
    who are up to date, and filled as soon as the packet is there.
    """

    __slots__ = ("_buffer", "_holes", "_next_seq")

    def __init__(self, buffer: RetransmissionBuffer[ForwardedPacket], first_seq: int) -> None:
        self._buffer = buffer
        self._next_seq = first_seq
        self._holes: list[int] = []

    def is_overtaken(self, newest_seq: int) -> bool:
        """Whether the buffer has been filled with newer packets before they were sent."""
        return newest_seq - self._next_seq >= self._buffer.capacity

    def has_reached(self, newest_seq: int) -> bool:
        """Whether the receiver is up to date."""
        return self._next_seq > newest_seq

    def take(self, size_bytes: int, newest_seq: int) -> list[ForwardedPacket]:
        """Takes the next packets.

        Args:
            size_bytes: Their size, which the last of them may exceed.
            newest_seq: The newest packet that there is.
        """
        packets: list[ForwardedPacket] = []
        left_bytes = size_bytes
        holes, self._holes = self._holes, []
        for ext_seq in holes:
            left_bytes -= self._take(ext_seq, packets, left_bytes)
        while left_bytes > 0 and self._next_seq <= newest_seq:
            left_bytes -= self._take(self._next_seq, packets, left_bytes)
            self._next_seq += 1
        return packets

    def _take(self, ext_seq: int, packets: list[ForwardedPacket], left_bytes: int) -> int:
        """Takes one packet, or notes that it is still to come; returns its size."""
        packet = self._buffer.peek(ext_seq) if left_bytes > 0 else None
        if packet is None:
            self._holes.append(ext_seq)
            return 0
        packets.append(packet)
        return len(packet.tail)
