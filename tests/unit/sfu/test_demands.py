"""What one student can make the teacher's encoder and us do, whatever they try."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sidecar.limits import Limits
from sidecar.rtp.packet import RtpPacket
from sidecar.rtp.rtcp import FirEntry, FullIntraRequest, PictureLossIndication
from sidecar.sfu import Consumer
from sidecar.sfu.demands import (
    KEY_FRAMES_AT_ONCE,
    KEY_FRAMES_FOR_ALL_AT_ONCE,
    REPLAYS_AT_ONCE,
)
from tests.unit.sfu import media
from tests.unit.sfu.support import MS, Lesson, Peer

FRAME_MS = 40
KEY_FRAME_DELAY_FRAMES = 2
SECONDS = 60
MOST_KEY_FRAMES = KEY_FRAMES_AT_ONCE + SECONDS // 5 + 1
MOST_KEY_FRAMES_FOR_ALL = (
    KEY_FRAMES_FOR_ALL_AT_ONCE + SECONDS * Limits().max_key_frames_for_all_per_minute // 60 + 1
)
MOST_REPLAYS = REPLAYS_AT_ONCE + SECONDS + 1


class BusyLesson(Lesson):
    """A teacher who answers requests with key frames, as an encoder does.

    Attributes:
        key_frames: How many there have been.
    """

    def __init__(self) -> None:
        super().__init__()
        self.key_frames = 0
        self._number = 100
        self._wanted_in = 0
        self.frame(key=True)

    def frame(self, *, key: bool = False) -> None:
        """A packet of it, 40 ms after the last one."""
        self._number += 1
        if any(isinstance(each, PictureLossIndication) for each in self.teacher.hears()):
            self._wanted_in = self._wanted_in or KEY_FRAME_DELAY_FRAMES
        elif self._wanted_in:
            self._wanted_in -= 1
            key |= not self._wanted_in
        self.key_frames += key
        first = media.KEY_START if key else media.DELTA
        payload = first + bytes(400)
        timestamp = self._number * FRAME_MS * 90
        self.teacher.sends(media.rtp(self._number, payload, timestamp=timestamp, marker=True))
        self.advance(FRAME_MS * MS)

    def run(self, seconds: int, each_frame: Callable[[], None] = lambda: None) -> None:
        """Goes on, with something that somebody does meanwhile."""
        for _ in range(seconds * 1000 // FRAME_MS):
            each_frame()
            self.frame()


def pli(peer: Peer, consumer: Consumer) -> None:
    peer.reports(PictureLossIndication(1, consumer.stream.ssrc))


def started(packets: list[RtpPacket]) -> int:
    """How many key frames somebody got."""
    return sum(packet.payload.startswith(media.KEY_START) for packet in packets)


class Nuisance:
    """A student who tries it in one of many ways."""

    def __init__(self, lesson: BusyLesson, name: str = "nuisance") -> None:
        self.lesson = lesson
        self.peer = lesson.peer(owner=name)
        self.consumer = self.peer.consumes(lesson.producer)
        self.fir = 0
        self.starts = 0

    def plis(self) -> None:
        pli(self.peer, self.consumer)

    def firs(self) -> None:
        self.fir = (self.fir + 1) & 0xFF
        entries = (FirEntry(self.consumer.stream.ssrc, self.fir),) * 3
        self.peer.reports(FullIntraRequest(1, entries))

    def pauses(self) -> None:
        self.consumer.pause()
        self.consumer.resume()
        self.lesson.process()

    def comes_again(self) -> None:
        self.consumer.close()
        self.consumer = self.peer.consumes(self.lesson.producer)
        self.lesson.process()
        self.starts += started(self.peer.gets())

    def comes_again_and_complains(self) -> None:
        self.comes_again()
        self.plis()

    def comes_anew_and_complains(self, owner: str = "nuisance") -> None:
        self.peer.transport.close()
        self.peer = self.lesson.peer(owner=owner)
        self.consumer = self.peer.consumes(self.lesson.producer)
        self.starts += started(self.peer.gets())
        self.plis()

    def pauses_and_complains(self) -> None:
        self.pauses()
        self.plis()


@pytest.mark.parametrize(
    "way",
    [
        Nuisance.plis,
        Nuisance.firs,
        Nuisance.pauses,
        Nuisance.comes_again,
        Nuisance.comes_again_and_complains,
        Nuisance.comes_anew_and_complains,
        Nuisance.pauses_and_complains,
    ],
)
def test_one_student_causes_few_key_frames_and_replays(way: Callable[[Nuisance], None]) -> None:
    lesson = BusyLesson()
    nuisance = Nuisance(lesson)
    before = lesson.key_frames
    lesson.run(SECONDS, lambda: way(nuisance))
    assert lesson.key_frames - before <= MOST_KEY_FRAMES
    assert nuisance.starts <= MOST_REPLAYS + lesson.key_frames - before
    # The others, meanwhile, lose nothing, and have their own wishes granted at once.
    before = lesson.key_frames
    pli(lesson.student, lesson.consumer)
    lesson.run(1)
    assert lesson.key_frames == before + 1


def test_who_comes_under_ever_new_names_causes_no_more_than_a_crowd_may() -> None:
    lesson = BusyLesson()
    nuisance = Nuisance(lesson)
    before = lesson.key_frames
    names = map(str, range(10**6))
    lesson.run(SECONDS, lambda: nuisance.comes_anew_and_complains(next(names)))
    assert lesson.key_frames - before <= MOST_KEY_FRAMES_FOR_ALL


def test_a_crowd_that_complains_shares_few_key_frames_and_an_honest_wish_among_it() -> None:
    lesson = BusyLesson()
    crowd = [Nuisance(lesson, str(number)) for number in range(20)]
    before = lesson.key_frames

    def complain() -> None:
        for each in crowd:
            each.plis()

    lesson.run(SECONDS, complain)
    assert lesson.key_frames - before <= MOST_KEY_FRAMES_FOR_ALL
    pli(lesson.student, lesson.consumer)
    before = lesson.key_frames
    lesson.run(60 // Limits().max_key_frames_for_all_per_minute + 1, complain)
    assert lesson.key_frames > before


def test_what_a_peer_has_used_is_remembered_only_while_it_matters() -> None:
    lesson = BusyLesson()
    for number in range(2000):
        peer = lesson.peer(owner=str(number))
        pli(peer, peer.consumes(lesson.producer))
        peer.transport.close()
        lesson.frame()
    assert len(lesson.producer._demands._receivers) < 1000


def test_a_wish_that_waits_is_granted_in_its_turn() -> None:
    lesson = BusyLesson()
    for _ in range(KEY_FRAMES_AT_ONCE):
        pli(lesson.student, lesson.consumer)
        lesson.run(1)
    before = lesson.key_frames
    pli(lesson.student, lesson.consumer)
    lesson.run(1)
    assert lesson.key_frames == before
    lesson.run(5)
    assert lesson.key_frames == before + 1
    lesson.run(30)
    assert lesson.key_frames == before + 1


def test_a_wish_that_waits_is_granted_by_any_key_frame() -> None:
    lesson = BusyLesson()
    for _ in range(KEY_FRAMES_AT_ONCE):
        pli(lesson.student, lesson.consumer)
        lesson.run(1)
    pli(lesson.student, lesson.consumer)
    lesson.frame(key=True)
    before = lesson.key_frames
    lesson.run(30)
    assert lesson.key_frames == before


def test_who_wishes_for_what_is_on_its_way_pays_nothing() -> None:
    lesson = BusyLesson()
    other = lesson.peer()
    consumer = other.consumes(lesson.producer)
    lesson.run(1)
    for _ in range(10):
        pli(lesson.student, lesson.consumer)
        pli(other, consumer)
        lesson.run(5)
    for _ in range(KEY_FRAMES_AT_ONCE):
        before = lesson.key_frames
        pli(other, consumer)
        lesson.run(1)
        assert lesson.key_frames == before + 1


def test_a_student_who_has_had_too_many_replays_waits_a_moment_only() -> None:
    lesson = BusyLesson()
    peer = lesson.peer()
    for _ in range(REPLAYS_AT_ONCE + 1):
        consumer = peer.consumes(lesson.producer)
        peer.gets()
        consumer.close()
    consumer = peer.consumes(lesson.producer)
    assert peer.gets() == []
    lesson.run(3)
    assert started(peer.gets()) == 1


def test_the_teachers_own_pauses_and_restarts_count_against_nobody() -> None:
    lesson = BusyLesson()
    for _ in range(20):
        lesson.producer.pause()
        lesson.producer.resume()
        lesson.process()
        lesson.run(1)
        assert started(lesson.student.gets()) >= 1


def test_a_fir_that_is_repeated_is_the_same_request() -> None:
    lesson = BusyLesson()
    before = lesson.key_frames
    for _ in range(5):
        lesson.student.reports(FullIntraRequest(1, (FirEntry(lesson.consumer.stream.ssrc, 7),)))
        lesson.run(6)
    assert lesson.key_frames == before + 1
    lesson.student.reports(FullIntraRequest(1, (FirEntry(lesson.consumer.stream.ssrc, 8),)))
    lesson.run(1)
    assert lesson.key_frames == before + 2
    assert lesson.consumer.stats().key_frame_requests == 2
