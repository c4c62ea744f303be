"""The way through the buffer, and when it can be taken."""

from __future__ import annotations

import random

import pytest

from sidecar.engine.retransmission_buffer import RetransmissionBuffer
from sidecar.sfu.forwarding import ForwardedPacket
from sidecar.sfu.replay import MAX_REPLAY_FRAMES, MAX_REPLAY_TICKS, Replay, find_replay_start

CAPACITY = 64
FIRST_SEQ = 70_000
FRAME_TICKS = 3000
PACKET_BYTES = 100
STARTS = [65536 + start for start in (0, 1, 32767, 65534, 65535)]


class Stream:
    """A buffer and what goes into it: frames of two packets."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self.buffer = RetransmissionBuffer[ForwardedPacket](capacity, 1)
        self.newest_seq = -1

    def receive(self, *ext_seqs: int, frame_ticks: int = FRAME_TICKS) -> None:
        for ext_seq in ext_seqs:
            timestamp = ext_seq // 2 * frame_ticks & 0xFFFFFFFF
            first_word = 0x9080 if ext_seq % 2 else 0x9000
            packet = ForwardedPacket(first_word, ext_seq, timestamp, bytes(PACKET_BYTES), 0, False)
            self.buffer.store(ext_seq, packet, 0)
            self.newest_seq = max(self.newest_seq, ext_seq)

    def wear(self, first_seq: int = FIRST_SEQ, *, holes_are_filled: bool = True) -> float | None:
        """How worn the key frame is that began there, None if nobody can start with it."""
        start = find_replay_start(
            self.buffer, first_seq, self.newest_seq, holes_are_filled=holes_are_filled
        )
        if start is None:
            return None
        assert (start.first.ext_seq, start.last.ext_seq) == (first_seq, self.newest_seq)
        return start.wear


def taken(replay: Replay, size_bytes: int, newest_seq: int) -> list[int]:
    return [packet.ext_seq for packet in replay.take(size_bytes, newest_seq)]


class TestStart:
    @pytest.mark.parametrize("first_seq", STARTS)
    def test_is_possible_while_everything_is_there(self, first_seq: int) -> None:
        stream = Stream()
        stream.receive(*range(first_seq, first_seq + 10))
        assert stream.wear(first_seq) == pytest.approx(10 / (CAPACITY * 3 / 4))

    def test_is_impossible_when_too_little_of_the_buffer_is_left_for_what_arrives(self) -> None:
        stream = Stream()
        stream.receive(*range(FIRST_SEQ, FIRST_SEQ + CAPACITY * 3 // 4))
        assert stream.wear() == 1
        stream.receive(stream.newest_seq + 1)
        assert stream.wear() is None

    def test_is_impossible_when_there_are_too_many_frames_to_decode(self) -> None:
        stream = Stream(1024)
        stream.receive(*range(FIRST_SEQ, FIRST_SEQ + 2 * MAX_REPLAY_FRAMES))
        assert stream.wear() == 1
        stream.receive(stream.newest_seq + 1, stream.newest_seq + 2)
        assert stream.wear() is None

    def test_is_impossible_when_the_key_frame_is_too_old(self) -> None:
        stream = Stream()
        stream.receive(FIRST_SEQ, FIRST_SEQ + 2, frame_ticks=MAX_REPLAY_TICKS)
        assert stream.wear() == 1
        stream.receive(FIRST_SEQ + 4, frame_ticks=MAX_REPLAY_TICKS)
        assert stream.wear() is None

    def test_with_a_hole_is_possible_only_if_it_will_be_filled(self) -> None:
        stream = Stream()
        stream.receive(FIRST_SEQ, FIRST_SEQ + 2)
        assert stream.wear(holes_are_filled=True) is not None
        assert stream.wear(holes_are_filled=False) is None

    def test_is_impossible_when_the_key_frame_is_gone(self) -> None:
        stream = Stream()
        stream.receive(FIRST_SEQ, FIRST_SEQ + CAPACITY)
        assert stream.wear() is None


class TestReplay:
    def test_takes_no_more_than_one_packet_beyond_what_is_allowed(self) -> None:
        stream = Stream()
        stream.receive(*range(FIRST_SEQ, FIRST_SEQ + 10))
        replay = Replay(stream.buffer, FIRST_SEQ)
        assert len(taken(replay, 3 * PACKET_BYTES, stream.newest_seq)) == 3
        assert len(taken(replay, 3 * PACKET_BYTES + 1, stream.newest_seq)) == 4
        assert taken(replay, 0, stream.newest_seq) == []
        assert not replay.has_reached(stream.newest_seq)
        assert len(taken(replay, 99 * PACKET_BYTES, stream.newest_seq)) == 3
        assert replay.has_reached(stream.newest_seq)

    def test_leaves_a_hole_open_and_fills_it_when_it_can(self) -> None:
        stream = Stream()
        stream.receive(FIRST_SEQ, FIRST_SEQ + 2, FIRST_SEQ + 4)
        replay = Replay(stream.buffer, FIRST_SEQ)
        assert taken(replay, 2 * PACKET_BYTES, stream.newest_seq) == [FIRST_SEQ, FIRST_SEQ + 2]
        stream.receive(FIRST_SEQ + 1, FIRST_SEQ + 3)
        assert taken(replay, 9 * PACKET_BYTES, stream.newest_seq) == [
            FIRST_SEQ + 1,
            FIRST_SEQ + 3,
            FIRST_SEQ + 4,
        ]

    def test_that_is_too_slow_is_overtaken(self) -> None:
        stream = Stream()
        stream.receive(*range(FIRST_SEQ, FIRST_SEQ + CAPACITY))
        replay = Replay(stream.buffer, FIRST_SEQ)
        assert not replay.is_overtaken(stream.newest_seq)
        stream.receive(stream.newest_seq + 1)
        assert replay.is_overtaken(stream.newest_seq)

    @pytest.mark.parametrize("seed", range(20))
    @pytest.mark.parametrize("first_seq", STARTS)
    def test_gives_every_packet_once_and_in_order_but_for_what_was_missing(
        self, first_seq: int, seed: int
    ) -> None:
        generator = random.Random(seed)
        stream = Stream()
        stream.receive(first_seq)
        replay = Replay(stream.buffer, first_seq)
        total = 200
        missing: set[int] = set()
        given: list[int] = []
        repaired: set[int] = set()
        next_seq = first_seq + 1
        while not replay.has_reached(first_seq + total - 1):
            for _ in range(generator.randint(0, 4) if next_seq < first_seq + total else 0):
                if generator.random() < 0.1 and next_seq < first_seq + total - 1:
                    missing.add(next_seq)
                else:
                    stream.receive(next_seq)
                next_seq += 1
            for ext_seq in [each for each in missing if generator.random() < 0.3]:
                missing.discard(ext_seq)
                repaired.add(ext_seq)
                stream.receive(ext_seq)
            size_bytes = generator.randint(0, 6) * PACKET_BYTES
            some = replay.take(size_bytes, stream.newest_seq)
            assert sum(len(packet.tail) for packet in some) <= size_bytes
            given += [packet.ext_seq for packet in some]
        stream.receive(*missing)
        given += taken(replay, total * PACKET_BYTES, stream.newest_seq)
        assert sorted(given) == list(range(first_seq, stream.newest_seq + 1))
        undisturbed = [each for each in given if each not in repaired | missing]
        assert undisturbed == sorted(undisturbed)
