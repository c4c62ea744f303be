"""Key frame requests of a class over a lossy link to the teacher."""

from __future__ import annotations

from itertools import pairwise

import pytest

from sidecar.engine.key_frame_requester import SERVED_SPACINGS_NS, KeyFrameRequester
from tests.sim.link import MS, Link, S, earliest, run

ENCODER_NS = 30 * MS


class Lesson:
    """Students ask, the requester asks the teacher, whose encoder answers after a while."""

    def __init__(self, requests_ns: list[int], loss: float, seed: int = 1) -> None:
        self.asked_ns: list[int] = []
        self.key_frames_ns: list[int] = []
        self.waited_ns: list[int] = []
        self._requests_ns = sorted(requests_ns)
        self._waiting_ns: list[int] = []
        self._requester = KeyFrameRequester()
        self._to_teacher: Link[None] = Link(seed, loss=loss, delay_ns=20 * MS)
        self._from_teacher: Link[None] = Link(seed + 1, delay_ns=20 * MS + ENCODER_NS)

    def next_timeout(self) -> int | None:
        return earliest(
            (
                self._requests_ns[0] if self._requests_ns else None,
                self._requester.next_timeout_ns,
                self._to_teacher.next_timeout_ns,
                self._from_teacher.next_timeout_ns,
            )
        )

    def step(self, now_ns: int) -> None:
        while self._requests_ns and self._requests_ns[0] <= now_ns:
            self._requester.request(now_ns)
            self._waiting_ns.append(self._requests_ns.pop(0))
        if self._requester.poll(now_ns):
            self.asked_ns.append(now_ns)
            self._to_teacher.send(None, now_ns)
        for _ in self._to_teacher.receive(now_ns):
            self._from_teacher.send(None, now_ns)
        if self._from_teacher.receive(now_ns):
            self.key_frames_ns.append(now_ns)
            self._requester.on_key_frame(now_ns)
            self.waited_ns += [now_ns - asked_ns for asked_ns in self._waiting_ns]
            self._waiting_ns.clear()

    def run(self) -> Lesson:
        run(self.step, self.next_timeout, 600 * S)
        return self


def test_class_that_joins_at_once_costs_one_key_frame() -> None:
    lesson = Lesson([student * MS for student in range(49)], loss=0.0).run()
    assert len(lesson.key_frames_ns) == 1
    assert len(lesson.waited_ns) == 49


def test_class_that_trickles_in_does_not_make_the_picture_pulse() -> None:
    lesson = Lesson([student * 37 * MS for student in range(49)], loss=0.0).run()
    assert len(lesson.waited_ns) == 49
    assert len(lesson.key_frames_ns) <= 6
    assert max(lesson.waited_ns) <= 570 * MS
    assert (
        min(later - earlier for earlier, later in pairwise(lesson.asked_ns))
        >= SERVED_SPACINGS_NS[0]
    )


@pytest.mark.parametrize("seed", range(10))
def test_every_student_gets_a_picture_though_half_of_the_requests_are_lost(seed: int) -> None:
    lesson = Lesson([student * S for student in range(49)], loss=0.5, seed=seed).run()
    assert len(lesson.waited_ns) == 49
    assert len(lesson.asked_ns) > len(lesson.key_frames_ns)


def test_students_far_apart_wait_for_a_round_trip_only() -> None:
    lesson = Lesson([student * 2 * S for student in range(10)], loss=0.0).run()
    assert lesson.waited_ns == [70 * MS] * 10
