"""Transport-wide feedback as the sender's bandwidth estimator sees it."""

from __future__ import annotations

import pytest

from sidecar.engine.sequence_unwrapper import SequenceUnwrapper
from sidecar.engine.transport_cc_generator import TransportCcGenerator
from sidecar.rtp.rtcp import TransportCcFeedback, parse_rtcp
from tests.sim.link import MS, Link, S, earliest, run

STARTS = [0, 1, 127, 32767, 32768, 65534, 65535]
TICK_NS = 250_000
PACKETS = 5000
SPACING_NS = 2 * MS


class Estimator:
    """The sender's side: what it knows of each packet after all feedback."""

    def __init__(self) -> None:
        self.arrival_ns: dict[int, int] = {}
        self.lost: set[int] = set()
        self.messages = 0
        self._unwrapper = SequenceUnwrapper()

    def on_feedback(self, data: bytes) -> None:
        (message,) = parse_rtcp(data)
        assert isinstance(message, TransportCcFeedback)
        assert message.feedback_count == self.messages & 0xFF
        self.messages += 1
        tick = message.reference_time * 256
        for index, delta in enumerate(message.deltas):
            seq = self._unwrapper.unwrap((message.base_sequence + index) & 0xFFFF)
            if delta is None:
                self.lost.add(seq)
            else:
                tick += delta
                self.arrival_ns.setdefault(seq, tick * TICK_NS)
        self.lost -= self.arrival_ns.keys()


class Transport:
    """A paced sender, a link, and the SFU that reports on it."""

    def __init__(self, start: int, link: Link[int]) -> None:
        self.estimator = Estimator()
        self.arrived_ns: dict[int, int] = {}
        self.feedback_sizes: list[int] = []
        self._start = start
        self._sent = 0
        self._link = link
        self._unwrapper = SequenceUnwrapper()
        self._generator = TransportCcGenerator()

    def next_timeout(self) -> int | None:
        next_packet_ns = self._sent * SPACING_NS if self._sent < PACKETS else None
        return earliest(
            (next_packet_ns, self._link.next_timeout_ns, self._generator.next_timeout_ns)
        )

    def step(self, now_ns: int) -> None:
        if self._sent < PACKETS and now_ns >= self._sent * SPACING_NS:
            self._link.send((self._start + self._sent) & 0xFFFF, now_ns)
            self._sent += 1
        for number in self._link.receive(now_ns):
            self.arrived_ns.setdefault(self._unwrapper.unwrap(number), now_ns)
            self._generator.on_packet(number, now_ns)
        for message in self._generator.poll(now_ns, 1, 2):
            data = message.to_bytes()
            self.feedback_sizes.append(len(data))
            self.estimator.on_feedback(data)


def simulate(start: int, link: Link[int]) -> Transport:
    transport = Transport(start, link)
    run(transport.step, transport.next_timeout, 60 * S)
    return transport


@pytest.mark.parametrize("start", STARTS)
def test_sender_learns_every_arrival_to_a_tick(start: int) -> None:
    link: Link[int] = Link(1, loss=0.05, jitter_ns=10 * MS, reorder=0.02, duplicate=0.02)
    transport = simulate(start, link)
    assert transport.estimator.arrival_ns.keys() == transport.arrived_ns.keys()
    for seq, arrived_ns in transport.arrived_ns.items():
        assert 0 <= arrived_ns - transport.estimator.arrival_ns[seq] < TICK_NS


@pytest.mark.parametrize("start", STARTS)
def test_sender_learns_every_loss(start: int) -> None:
    transport = simulate(start, Link(2, loss=0.05, jitter_ns=10 * MS, reorder=0.02))
    arrived = transport.arrived_ns.keys()
    expected = set(range(min(arrived), max(arrived) + 1)) - arrived
    assert len(expected) > 100
    assert transport.estimator.lost == expected


def test_feedback_fits_into_a_datagram_and_comes_ten_times_a_second() -> None:
    transport = simulate(0, Link(3, loss=0.3, jitter_ns=40 * MS, reorder=0.1))
    assert max(transport.feedback_sizes) < 1200
    seconds = PACKETS * SPACING_NS / S
    assert seconds * 9 <= transport.estimator.messages <= seconds * 10 + 2


def test_packet_later_than_an_interval_is_reported_in_the_end() -> None:
    transport = simulate(0, Link(4, reorder=0.05, reorder_ns=250 * MS))
    assert len(transport.arrived_ns) == PACKETS
    assert transport.estimator.arrival_ns.keys() == transport.arrived_ns.keys()
    assert transport.estimator.lost == set()
