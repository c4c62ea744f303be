"""One producer, one consumer: numbers stay continuous whatever is paused, lost or repaired."""

from __future__ import annotations

from itertools import pairwise

import pytest

from sidecar.engine.nack_generator import NackGenerator
from sidecar.engine.retransmission_buffer import RetransmissionBuffer
from sidecar.engine.retransmission_throttle import RetransmissionThrottle
from sidecar.engine.sequence_rewriter import MAX_FIRST_SEQUENCE, SequenceRewriter
from sidecar.engine.sequence_unwrapper import SequenceUnwrapper
from tests.sim.link import MS, Link, S, earliest, run
from tests.sim.stream import FRAME_TICKS, PACKETS_PER_FRAME, Packet, Path

STARTS = [0, 1, 127, 32767, 32768, 65534, 65535]
OUTPUT_STARTS = [0, 1, 127, 32767, 32768, MAX_FIRST_SEQUENCE]
PACKETS = 2000
KEY_FRAME_EVERY = 25 * PACKETS_PER_FRAME


class Forwarder(Path):
    """Adds a consumer behind the receiver: rewriting, a lossy link, NACKs answered."""

    def __init__(self, start: int, output_start: int, loss: float) -> None:
        super().__init__(
            Link(1, loss=loss, jitter_ns=10 * MS),
            Link(2, loss=loss),
            first_sequence=start,
            packets=PACKETS,
        )
        self.paused = False
        self.outputs: dict[int, Packet] = {}
        self.delivered: dict[int, Packet] = {}
        self.unwrap_source = SequenceUnwrapper()
        self.rewriter = SequenceRewriter(90_000, output_start - start, 0xFFFF_F000)
        self.buffer: RetransmissionBuffer[Packet] = RetransmissionBuffer(1024, 5 * S)
        self.throttle = RetransmissionThrottle(50 * MS)
        self.link: Link[Packet] = Link(3, loss=loss, jitter_ns=10 * MS)
        self.nack_link: Link[list[int]] = Link(4, loss=loss)
        self.nack = NackGenerator(60 * MS)
        self.unwrap_output = SequenceUnwrapper()

    def next_timeout(self) -> int | None:
        timeouts = (self.link, self.nack_link, self.nack)
        return earliest([super().next_timeout(), *(each.next_timeout_ns for each in timeouts)])

    def step(self, now_ns: int) -> None:
        self.sender.poll(now_ns)
        for packet in self.uplink.receive(now_ns):
            if self.receiver.on_packet(packet, now_ns):
                self._forward(packet, now_ns)
        self.receiver.poll(now_ns)
        for lost in self.downlink.receive(now_ns):
            self.sender.on_nack(lost, now_ns)
        self._consume(now_ns)

    def pause(self) -> None:
        self.paused = True
        self.rewriter.sync_seq = 1 << 62

    def _forward(self, packet: Packet, now_ns: int) -> None:
        ext_seq = self.unwrap_source.unwrap(packet.sequence_number)
        self.buffer.store(ext_seq, packet, now_ns)
        if self.paused:
            return
        if self.rewriter.sync_seq == 1 << 62:
            if packet.position % KEY_FRAME_EVERY:
                return
            self.rewriter.synchronise(ext_seq, packet.timestamp, now_ns)
        if ext_seq >= self.rewriter.sync_seq:
            output = self._rewrite(packet, ext_seq)
            assert output.sequence_number not in self.outputs
            self.outputs[output.sequence_number] = output
            self.link.send(output, now_ns)
            self.rewriter.note_sent(ext_seq, packet.timestamp, now_ns)

    def _rewrite(self, packet: Packet, ext_seq: int) -> Packet:
        return packet._replace(
            sequence_number=(ext_seq + self.rewriter.seq_offset) & 0xFFFF,
            timestamp=(packet.timestamp + self.rewriter.timestamp_offset) & 0xFFFF_FFFF,
        )

    def _consume(self, now_ns: int) -> None:
        for packet in self.link.receive(now_ns):
            ext_output = self.unwrap_output.unwrap(packet.sequence_number)
            self.nack.on_packet(ext_output, now_ns)
            self.delivered[ext_output] = packet
        if lost := self.nack.poll(now_ns):
            self.nack_link.send([seq & 0xFFFF for seq in lost], now_ns)
        for numbers in self.nack_link.receive(now_ns):
            for number in numbers:
                self._answer(number, now_ns)

    def _answer(self, number: int, now_ns: int) -> None:
        source = self.rewriter.source(number)
        if source is None or self.buffer.get(source.ext_seq, now_ns) is None:
            return
        sent_before = self.outputs.get(number)
        if sent_before is not None and self.throttle.allow(source.ext_seq, 1100, now_ns):
            self.link.send(sent_before, now_ns)


def output_of(forwarder: Forwarder) -> list[Packet]:
    return [packet for _, packet in sorted(forwarder.delivered.items())]


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("output_start", OUTPUT_STARTS)
def test_consumer_gets_the_whole_stream_at_five_percent_loss_each_way(
    start: int, output_start: int
) -> None:
    forwarder = Forwarder(start, output_start, 0.05)
    run(forwarder.step, forwarder.next_timeout, 60 * S)
    outputs = output_of(forwarder)
    assert [packet.position for packet in outputs] == list(range(outputs[0].position, PACKETS))
    assert outputs[0].sequence_number == output_start
    assert len(outputs) > PACKETS - 2 * KEY_FRAME_EVERY
    numbers = sorted(forwarder.delivered)
    assert numbers == list(range(numbers[0], numbers[0] + len(outputs)))


@pytest.mark.parametrize("start", STARTS)
def test_pause_leaves_no_hole_and_time_goes_on(start: int) -> None:
    forwarder = Forwarder(start, 64_000, 0.0)
    run(forwarder.step, forwarder.next_timeout, 4 * S)
    forwarder.pause()
    run(forwarder.step, forwarder.next_timeout, 9 * S)
    forwarder.paused = False
    run(forwarder.step, forwarder.next_timeout, 60 * S)
    outputs = output_of(forwarder)
    numbers = sorted(forwarder.delivered)
    assert numbers == list(range(numbers[0], numbers[0] + len(outputs)))
    gaps = [pair for pair in pairwise(outputs) if pair[1].position != pair[0].position + 1]
    ((before, after),) = gaps
    assert after.position % KEY_FRAME_EVERY == 0
    ticks = (after.timestamp - before.timestamp) & 0xFFFF_FFFF
    frames = (after.position - before.position) / PACKETS_PER_FRAME
    # The sender's pace is 32 ms a frame, its timestamps say 33.3; the pause counts as it passed.
    assert abs(ticks / 90 - frames * 32) < 40
    assert ticks > 100 * FRAME_TICKS


def test_loss_before_a_pause_can_still_be_repaired_after_it() -> None:
    forwarder = Forwarder(65_000, 64_000, 0.05)
    for pause_s in (2, 5, 8, 11):
        run(forwarder.step, forwarder.next_timeout, pause_s * S)
        forwarder.pause()
        run(forwarder.step, forwarder.next_timeout, pause_s * S + 20 * MS)
        forwarder.paused = False
    run(forwarder.step, forwarder.next_timeout, 60 * S)
    numbers = sorted(forwarder.delivered)
    assert {number & 0xFFFF for number in numbers} == forwarder.outputs.keys()
