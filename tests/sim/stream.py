"""A sender and a receiver of one RTP stream with NACK and retransmission between them."""

from __future__ import annotations

from typing import NamedTuple

from sidecar.engine.nack_generator import NackGenerator
from sidecar.engine.receive_statistics import ReceiveStatistics
from sidecar.engine.retransmission_buffer import RetransmissionBuffer
from sidecar.engine.sequence_unwrapper import SequenceUnwrapper
from tests.sim.link import MS, Link, S, earliest

PACKETS_PER_FRAME = 4
FRAME_TICKS = 3000
PACKET_BYTES = 1100


class Packet(NamedTuple):
    """An RTP packet: only what the mechanisms look at, and its place in the stream."""

    sequence_number: int
    timestamp: int
    position: int
    retransmitted: bool = False


class Sender:
    """Sends a packet every ``spacing_ns`` and answers NACKs, as a browser does."""

    def __init__(self, first_sequence: int, packets: int, link: Link[Packet]) -> None:
        self.spacing_ns = 8 * MS
        self.sent = 0
        self.retransmitted = 0
        self.next_timeout_ns: int | None = 0
        self._first_sequence = first_sequence
        self._packets = packets
        self._link = link
        self._unwrapper = SequenceUnwrapper()
        self._buffer: RetransmissionBuffer[Packet] = RetransmissionBuffer(2048, 5 * S)

    def poll(self, now_ns: int) -> None:
        """Send the next packet when its time has come."""
        while self.next_timeout_ns is not None and self.next_timeout_ns <= now_ns:
            sequence_number = (self._first_sequence + self.sent) & 0xFFFF
            timestamp = self.sent // PACKETS_PER_FRAME * FRAME_TICKS & 0xFFFFFFFF
            packet = Packet(sequence_number, timestamp, self.sent)
            self._buffer.store(self._unwrapper.unwrap(sequence_number), packet, now_ns)
            self._link.send(packet, now_ns)
            self.sent += 1
            self.next_timeout_ns += self.spacing_ns
            if self.sent == self._packets:
                self.next_timeout_ns = None

    def on_nack(self, lost: list[int], now_ns: int) -> None:
        """Send the packets with these 16-bit numbers again."""
        for sequence_number in lost:
            packet = self._buffer.get(self._unwrapper.unwrap(sequence_number), now_ns)
            if packet is not None:
                self.retransmitted += 1
                self._link.send(packet._replace(retransmitted=True), now_ns)


class Receiver:
    """Receives as a producer of the SFU does."""

    def __init__(self, nack_link: Link[list[int]], rtt_ns: int) -> None:
        self.received: list[int] = []
        self.requests: list[tuple[int, int]] = []
        self.key_frame_needed = False
        self.statistics = ReceiveStatistics(90_000)
        self.nack = NackGenerator(rtt_ns)
        self._unwrapper = SequenceUnwrapper()
        self._nack_link = nack_link

    def on_packet(self, packet: Packet, now_ns: int) -> bool:
        """Take a packet; False for a duplicate."""
        ext_seq = self._unwrapper.unwrap(packet.sequence_number)
        if not self.statistics.on_packet(
            ext_seq, packet.timestamp, PACKET_BYTES, now_ns, recovered=packet.retransmitted
        ):
            return False
        self.nack.on_packet(ext_seq, now_ns)
        self.received.append(packet.position)
        return True

    def poll(self, now_ns: int) -> None:
        """Ask for what is missing."""
        if lost := self.nack.poll(now_ns):
            self.requests += [(now_ns, seq) for seq in lost]
            self._nack_link.send([seq & 0xFFFF for seq in lost], now_ns)
        self.key_frame_needed |= self.nack.take_key_frame_needed()


class Path:
    """A sender and a receiver with two links between them."""

    def __init__(
        self,
        uplink: Link[Packet],
        downlink: Link[list[int]],
        *,
        first_sequence: int = 0,
        packets: int = 2000,
        rtt_ns: int = 60 * MS,
    ) -> None:
        self.uplink = uplink
        self.downlink = downlink
        self.sender = Sender(first_sequence, packets, uplink)
        self.receiver = Receiver(downlink, rtt_ns)

    def next_timeout(self) -> int | None:
        """When something happens next."""
        return earliest(
            (
                self.sender.next_timeout_ns,
                self.uplink.next_timeout_ns,
                self.receiver.nack.next_timeout_ns,
                self.downlink.next_timeout_ns,
            )
        )

    def step(self, now_ns: int) -> None:
        """Do everything that happens now."""
        self.sender.poll(now_ns)
        for packet in self.uplink.receive(now_ns):
            self.receiver.on_packet(packet, now_ns)
        self.receiver.poll(now_ns)
        for lost in self.downlink.receive(now_ns):
            self.sender.on_nack(lost, now_ns)
