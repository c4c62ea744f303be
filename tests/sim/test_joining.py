"""Students who come while the class runs: a picture at once, and what it costs the teacher."""

from __future__ import annotations

from itertools import pairwise

import pytest

from sidecar.sfu.outgoing import START_PATIENCE_NS
from tests.sim.lesson import Faults, Lesson
from tests.sim.lesson_student import PATIENCE_NS, Student
from tests.sim.lesson_teacher import FRAME_NS
from tests.sim.link import MS, S

LOSSY = Faults(loss=0.05, delay_ns=10 * MS)
"""Without reordering: a receiver can't miss what went out before the first packet that it got."""

FIRST_PACKET_LOST_NS = PATIENCE_NS + START_PATIENCE_NS + 100 * MS
"""The same goes for a key frame's first packet: only the student's own request helps then."""

CLASS = 49
STARTS = [0, 64_500, 65_535]


def positions(student: Student) -> list[int]:
    """Which of the teacher's packets a student has, in the order of the student's numbers."""
    return [int.from_bytes(each[2:6], "big") for each in student.video.payloads]


def waited_ns(student: Student, joined_ns: int) -> int:
    assert student.first_picture_ns is not None
    return student.first_picture_ns - joined_ns


def assert_whole(student: Student) -> None:
    """Everything since the key frame that the student started with: no hole, nothing twice."""
    got = positions(student)
    assert got == list(range(got[0], got[0] + len(got)))
    assert student.video.missing == 0


def settle(lesson: Lesson) -> None:
    """Lets everything that is under way arrive."""
    lesson.teacher.sharing = False
    lesson.run(2 * S)


@pytest.mark.parametrize("first_sequence", STARTS)
def test_who_comes_soon_after_a_key_frame_is_started_with_it(first_sequence: int) -> None:
    lesson = Lesson(1, first_sequence=first_sequence)
    early = lesson.join()
    lesson.run(2 * S)
    before = len(lesson.teacher.requests)
    late = lesson.join()
    joined_ns = lesson.now_ns
    lesson.run(2 * S)
    settle(lesson)
    assert len(lesson.teacher.requests) == before
    assert waited_ns(late, joined_ns) <= 21 * MS  # the way to the student
    assert positions(late)[0] == lesson.teacher.key_frames[-1]
    for student in (early, late):
        assert_whole(student)
        assert student.video.copies == 0


@pytest.mark.parametrize("seed", range(5))
def test_what_is_lost_on_either_way_of_a_replay_is_repaired(seed: int) -> None:
    lesson = Lesson(100 * seed, LOSSY, first_sequence=65_400)
    lesson.join()
    lesson.run(1500 * MS)
    late = lesson.join()
    joined_ns = lesson.now_ns
    lesson.run(3 * S)
    settle(lesson)
    assert waited_ns(late, joined_ns) <= FIRST_PACKET_LOST_NS
    assert_whole(late)
    timestamps = [packet.timestamp for _, packet in sorted(late.video.received.items())]
    steps = [(later - earlier) & 0xFFFFFFFF for earlier, later in pairwise(timestamps)]
    assert max(steps) <= FRAME_NS * 90_000 // S
    # Four packets a frame, and no two frames at one time.
    assert sum(step > 0 for step in steps) >= len(steps) // 4


@pytest.mark.parametrize("faults", [Faults(), LOSSY])
def test_class_that_comes_in_within_five_seconds_has_pictures_at_once(faults: Faults) -> None:
    lesson = Lesson(1, faults)
    watching = lesson.join()
    lesson.run(10 * S)
    requests, key_frames = len(lesson.teacher.requests), len(lesson.teacher.key_frames)
    joined: list[tuple[Student, int]] = []
    for _ in range(CLASS):
        joined.append((lesson.join(), lesson.now_ns))
        lesson.run(5 * S // CLASS)
    lesson.run(S)
    settle(lesson)
    assert len(lesson.teacher.requests) - requests <= 10
    assert len(lesson.teacher.key_frames) - key_frames <= 10
    for student, joined_ns in joined:
        assert waited_ns(student, joined_ns) <= FIRST_PACKET_LOST_NS
        assert lesson.teacher.video_position - positions(student)[-1] < 30
    if faults == Faults():
        assert max(waited_ns(student, joined_ns) for student, joined_ns in joined) <= 100 * MS
        for student in (watching, *(each for each, _ in joined)):
            assert_whole(student)
            assert student.video.copies == 0


def test_those_who_watch_get_every_packet_as_fast_as_before_while_a_class_comes_in() -> None:
    delays: list[set[int]] = []
    for newcomers in (0, CLASS):
        lesson = Lesson(1)
        watching = lesson.join()
        lesson.run(2 * S)
        for _ in range(newcomers):
            lesson.join()
        lesson.run(S)
        arrivals = watching.video.arrived_ns.items()
        delays.append({arrived_ns % FRAME_NS for _, arrived_ns in sorted(arrivals)[-40:]})
    assert delays[0] == delays[1]


def test_teacher_who_restarts_the_encoder_while_students_come_in_breaks_nothing() -> None:
    lesson = Lesson(1)
    lesson.join()
    lesson.run(2 * S)
    late = [lesson.join() for _ in range(10)]
    lesson.run(3 * MS)
    lesson.teacher.restart_encoder()
    lesson.run(2 * S)
    settle(lesson)
    for student in late:
        assert student.video.missing == 0
        assert positions(student) == sorted(set(positions(student)))
        assert positions(student)[-1] == lesson.teacher.video_position - 1
