"""Whole sessions: never two different packets under one number.

SRTP makes the nonce of its cipher out of the key, the SSRC and the packet's index, which is the
sequence number with the count of its cycles. Two different packets under one nonce give away both
of them, and with AES-GCM the key of the authentication too (RFC 7714 section 8.4). A packet may be
sent again, but only as it was.
"""

from __future__ import annotations

import random

import pytest

from sidecar.engine.sequence_unwrapper import SequenceUnwrapper
from sidecar.rtp.packet import parse_rtp
from sidecar.rtp.rtcp import Bye, GenericNack, ReceiverReport
from sidecar.sfu import Consumer, Producer
from tests.unit.sfu import media
from tests.unit.sfu.support import MS, Peer, S, Stage

STEPS = 500
FIRST_SEQUENCES = [1000, 65_300]
SSRCS = media.VIDEO_SSRC, media.AUDIO_SSRC
JUMPS = (-5000, -200, -60, 400, 3000, 33_000, 40_000, 65_000)
RECENT = 40
"""Among so many packets a receiver asks for some."""


class Wire:
    """What one transport has sent, by SSRC and index.

    Attributes:
        checked: How many packets were sent.
        repeated: How many of them were sent more than once.
    """

    def __init__(self, peer: Peer) -> None:
        self.checked = 0
        self.repeated = 0
        self._peer = peer
        self._sent: dict[tuple[int, int], bytes] = {}
        self._unwrappers: dict[int, SequenceUnwrapper] = {}
        self._recent: dict[int, list[int]] = {}

    def check(self) -> None:
        """Compares what has been sent since the last call with everything before."""
        sent, self._peer.link.rtp = self._peer.link.rtp, []
        self.checked += len(sent)
        for data in sent:
            packet = parse_rtp(data)
            unwrapper = self._unwrappers.setdefault(packet.ssrc, SequenceUnwrapper())
            name = packet.ssrc, unwrapper.unwrap(packet.sequence_number)
            known = self._sent.setdefault(name, data)
            self.repeated += known is not data
            assert known == data, f"two packets under {name}"
            self._recent.setdefault(packet.ssrc, []).append(packet.sequence_number)

    def recent(self, ssrc: int) -> list[int]:
        """The last numbers sent."""
        return self._recent.get(ssrc, [])[-RECENT:]


class Session(Stage):
    """A teacher whose network loses, delays and reorders; students who come, go, pause and ask."""

    def __init__(self, seed: int, first_sequence: int) -> None:
        super().__init__(seed)
        self.random = random.Random(seed)
        self.teacher = self.peer()
        self.producers = [self.teacher.produces_video(), self.teacher.produces_audio()]
        self.students = [self.peer() for _ in range(4)]
        self.wires = [Wire(each) for each in self.students]
        self.consumers: list[tuple[int, Consumer]] = []
        for number in range(len(self.students)):
            for producer in self.producers:
                self.consume(number, producer)
        self.sequences = dict.fromkeys((media.VIDEO_SSRC, media.AUDIO_SSRC), first_sequence)
        self.rtx_sequence = first_sequence
        self.held_back: list[bytes] = []
        self.lost: list[bytes] = []

    def consume(self, number: int, producer: Producer) -> None:
        """Every other student has no RTX."""
        capabilities = media.CAPABILITIES if number % 2 else media.without_rtx()
        consumer = self.students[number].transport.consume(producer, capabilities)
        consumer.resume()
        self.consumers.append((number, consumer))

    def video(self) -> bytes:
        """The next packet of the screen, of about the size of its neighbours."""
        number = self.sequences[media.VIDEO_SSRC] = self.sequences[media.VIDEO_SSRC] + 1
        is_key = self.random.random() < 0.03
        first = media.KEY_START if is_key else media.DELTA
        elements = ((media.TOFFSET, bytes(3)),) if self.random.random() < 0.3 else ()
        return media.rtp(
            number,
            first + bytes([number & 0xFF]) * (500 + self.random.randrange(4)),
            timestamp=number // 4 * 3600,
            marker=number % 4 == 3,
            elements=elements,
            padding_bytes=self.random.choice((0, 0, 0, 4)),
        )

    def audio(self) -> bytes:
        number = self.sequences[media.AUDIO_SSRC] = self.sequences[media.AUDIO_SSRC] + 1
        return media.rtp(
            number,
            bytes([number & 0xFF]) * self.random.randrange(20, 90),
            timestamp=number * 960,
            ssrc=media.AUDIO_SSRC,
            payload_type=media.OPUS,
        )

    def teach(self) -> None:
        """A few packets arrive, some of those that were late before, and some once more."""
        for _ in range(self.random.randrange(1, 7)):
            data = self.video() if self.random.random() < 0.8 else self.audio()
            fate = self.random.random()
            if fate < 0.1:
                self.held_back.append(data)
            elif fate < 0.15:
                self.lost.append(data)
            else:
                self.arrives(data)
        while self.held_back and self.random.random() < 0.4:
            self.arrives(self.held_back.pop())
        while self.lost and self.random.random() < 0.3:
            original = parse_rtp(self.lost.pop())
            if original.ssrc == media.VIDEO_SSRC:
                self.rtx_sequence += 1
                self.arrives(media.rtx(self.rtx_sequence, original))

    def arrives(self, data: bytes) -> None:
        self.teacher.transport.receive_rtp(data, self.now_ns)

    def asks(self) -> None:
        """Somebody misses some of what was sent, or of what was lost on the way to us."""
        number, consumer = self.random.choice(self.consumers)
        recent = self.wires[number].recent(consumer.stream.ssrc)
        if not recent or consumer.closed:
            return
        lost = {self.random.choice(recent) + self.random.randrange(-2, 5) for _ in range(6)}
        nack = GenericNack(1, consumer.stream.ssrc, tuple(each & 0xFFFF for each in sorted(lost)))
        self.students[number].transport.receive_rtcp(nack.to_bytes(), self.now_ns)

    def something_happens(self) -> None:
        """Somebody pauses, resumes, leaves, comes again; the teacher pauses or starts anew."""
        index = self.random.randrange(len(self.consumers))
        number, consumer = self.consumers[index]
        what = self.random.random()
        if what < 0.6:
            (consumer.resume if consumer.paused else consumer.pause)()
        elif what < 0.85:
            consumer.close()
            del self.consumers[index]
            self.consume(number, consumer.producer)
        elif what < 0.95:
            producer = self.random.choice(self.producers)
            (producer.resume if producer.paused else producer.pause)()
        else:
            self.sequences[media.VIDEO_SSRC] += 20_000

    def step(self) -> None:
        doings = [self.teach, self.asks]
        if self.random.random() < 0.15:
            doings.append(self.something_happens)
        self.random.shuffle(doings)
        for do in doings:
            do()
        if self.random.random() < 0.9:
            self.process()
        self.advance(self.random.choice((0, 1, 5, 20, 120)) * MS)
        for wire in self.wires:
            wire.check()


class RestlessSession(Session):
    """Moreover streams end, fall silent, begin anew and jump, and students make new transports."""

    def something_happens(self) -> None:
        what = self.random.random()
        if what < 0.45:
            super().something_happens()
        elif what < 0.55:
            self.advance(self.random.choice((300 * MS, 2 * S, 6 * S, 40 * S)))
        elif what < 0.7:
            self.says_bye(self.random.choice(SSRCS))
        elif what < 0.8:
            ssrc = self.random.choice(SSRCS)
            self.sequences[ssrc] += self.random.choice(JUMPS)
        elif what < 0.93:
            self.shares_again(self.random.randrange(2))
        else:
            self.comes_anew(self.random.randrange(len(self.students)))

    def says_bye(self, ssrc: int) -> None:
        """It goes on after a moment, often from other numbers."""
        goodbye = ReceiverReport(1, ()).to_bytes() + Bye((ssrc,)).to_bytes()
        self.teacher.transport.receive_rtcp(goodbye, self.now_ns)
        if self.random.random() < 0.7:
            self.sequences[ssrc] = self.random.randrange(0x10000)
        self.advance(self.random.choice((1, 199, 250, 1000)) * MS)

    def shares_again(self, index: int) -> None:
        """One stream takes the place of another, under the same SSRC."""
        old = self.producers[index]
        if self.random.random() < 0.5:
            old.supersede()
            self.advance(300 * MS)
        old.close()
        self.held_back.clear()
        if self.random.random() < 0.5:
            self.sequences[SSRCS[index]] = self.random.randrange(0x10000)
        self.replaces(index)

    def replaces(self, index: int) -> None:
        produces = (self.teacher.produces_video, self.teacher.produces_audio)[index]
        self.producers[index] = produces()
        for number in range(len(self.students)):
            self.consume(number, self.producers[index])

    def comes_anew(self, number: int) -> None:
        """With a new transport, and so new keys."""
        self.students[number].transport.close()
        self.students[number] = self.peer()
        self.wires[number] = Wire(self.students[number])
        for producer in self.producers:
            self.consume(number, producer)

    def step(self) -> None:
        for index, producer in enumerate(self.producers):
            if producer.closed:  # given up, since it was silent for long
                self.replaces(index)
        self.consumers = [each for each in self.consumers if not each[1].closed]
        super().step()
        self.sequences = {ssrc: number & 0xFFFF for ssrc, number in self.sequences.items()}


@pytest.mark.parametrize("seed", range(10))
def test_nor_when_streams_end_and_begin_anew(seed: int) -> None:
    session = RestlessSession(seed, FIRST_SEQUENCES[1])
    for _ in range(STEPS):
        session.step()
    assert sum(wire.checked for wire in session.wires) > 100


@pytest.mark.parametrize("first_sequence", FIRST_SEQUENCES)
@pytest.mark.parametrize("seed", range(10))
def test_no_number_is_used_for_two_packets(seed: int, first_sequence: int) -> None:
    session = Session(seed, first_sequence)
    for _ in range(STEPS):
        session.step()
    assert sum(wire.repeated for wire in session.wires[::2]) > 20


def test_what_is_asked_for_in_the_burst_that_brings_it_is_sent_as_to_all_others() -> None:
    stage = Stage()
    teacher, student = stage.peer(), stage.peer()
    producer = teacher.produces_video()
    consumer = student.consumes(producer, media.without_rtx())
    packets = [media.rtp(100 + each, media.DELTA * (500 + each)) for each in range(6)]
    teacher.sends(media.rtp(99, media.KEY_START), packets[0], packets[3])
    wire = Wire(student)
    wire.check()
    stage.advance(S)
    first = wire.recent(consumer.stream.ssrc)[0]
    teacher.transport.receive_rtp(media.rtx(1, parse_rtp(packets[1])), stage.now_ns)
    nack = GenericNack(1, consumer.stream.ssrc, ((first + 2) & 0xFFFF,))
    student.transport.receive_rtcp(nack.to_bytes(), stage.now_ns)
    teacher.sends(media.rtx(2, parse_rtp(packets[2])), packets[4])
    wire.check()
    assert wire.repeated == 1
