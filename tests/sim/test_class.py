"""The media layer as a whole, between a teacher and students, over lossy links."""

from __future__ import annotations

import gc
import weakref
from itertools import pairwise

import pytest

from sidecar.engine.ntp import ntp_difference, ntp_interval
from tests.sim.lesson import Faults, Lesson
from tests.sim.lesson_student import Student, Track
from tests.sim.lesson_teacher import FRAME_NS, payload
from tests.sim.link import MS, S
from tests.unit.sfu import media

BAD_SCHOOL_WIFI = Faults(loss=0.05, delay_ns=10 * MS, jitter_ns=20 * MS)
EVERYTHING_AT_ONCE = Faults(
    loss=0.03, delay_ns=10 * MS, jitter_ns=30 * MS, reorder=0.05, duplicate=0.05
)
STARTS = [0, 32767, 65534, 65535]


def video_positions(track: Track) -> list[int]:
    """Which of the teacher's packets a student has, in the order of the student's numbers."""
    return [int.from_bytes(each[2:6], "big") for each in track.payloads]


def assert_unbroken(lesson: Lesson, student: Student) -> None:
    """The student has all from the last key frame on.

    Losses before a key frame need no repair. The last packets may still be under way.
    """
    positions = video_positions(student.video)
    assert positions == sorted(positions)
    from_key_frame = [each for each in positions if each >= lesson.teacher.key_frames[-1]]
    assert from_key_frame == list(range(lesson.teacher.key_frames[-1], positions[-1] + 1))
    assert lesson.teacher.video_position - positions[-1] < 30


@pytest.mark.parametrize("first_sequence", STARTS)
def test_over_a_good_network_all_get_everything_once(first_sequence: int) -> None:
    lesson = Lesson(1, first_sequence=first_sequence)
    students = [lesson.join() for _ in range(3)]
    lesson.run(3 * S)
    for student in students:
        assert_unbroken(lesson, student)
        assert video_positions(student.video)[0] == lesson.teacher.key_frames[0]
        assert student.video.copies == student.video.recovered == student.video.missing == 0
        assert len(student.audio.received) >= 3 * 50 - 5
        assert student.audio.missing == 0
    assert lesson.teacher.retransmitted == 0
    assert lesson.video.stats().packets_lost == 0
    assert len(lesson.teacher.key_frames) == 2  # the first one, and the one asked for


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("faults", [BAD_SCHOOL_WIFI, EVERYTHING_AT_ONCE])
def test_over_a_bad_network_every_packet_arrives_in_the_end(seed: int, faults: Faults) -> None:
    lesson = Lesson(100 * seed, faults, first_sequence=65_400)
    students = [lesson.join() for _ in range(3)]
    lesson.run(5 * S)
    lesson.teacher.sharing = False
    lesson.run(2 * S)
    for student in students:
        assert_unbroken(lesson, student)
        assert student.video.recovered > 0
        assert student.video.consumer.stats().retransmitted_packets > 0
    assert len(lesson.teacher.key_frames) <= 4
    assert lesson.video.stats().nacked_packets > 0
    assert lesson.teacher.retransmitted > 0


@pytest.mark.parametrize("seed", range(3))
def test_picture_does_not_freeze_over_a_bad_network(seed: int) -> None:
    lesson = Lesson(100 * seed, BAD_SCHOOL_WIFI)
    student = lesson.join()
    lesson.run(10 * S)
    complete_ns, latest_ns = [], 0
    for ext_seq in sorted(student.video.received):
        latest_ns = max(latest_ns, student.video.arrived_ns[ext_seq])
        if student.video.received[ext_seq].marker:
            complete_ns.append(latest_ns)
    assert max(later - earlier for earlier, later in pairwise(complete_ns)) < S


def test_timestamps_are_the_teachers_but_for_an_offset() -> None:
    lesson = Lesson(1, BAD_SCHOOL_WIFI)
    student = lesson.join()
    lesson.run(3 * S)
    packets = [packet for _, packet in sorted(student.video.received.items())]
    steps = {
        (later.timestamp - earlier.timestamp) & 0xFFFFFFFF for earlier, later in pairwise(packets)
    }
    assert steps == {0, 3600}


def test_late_student_gets_a_picture_within_a_round_trip_and_a_frame() -> None:
    lesson = Lesson(1)
    early = lesson.join()
    lesson.run(5 * S)
    late = lesson.join()
    joined_ns = lesson.now_ns
    lesson.run(2 * S)
    assert late.first_picture_ns is not None
    assert late.first_picture_ns - joined_ns <= 4 * 20 * MS + FRAME_NS + 10 * MS
    assert_unbroken(lesson, late)
    assert video_positions(late.video)[0] == lesson.teacher.key_frames[-1]
    assert_unbroken(lesson, early)


@pytest.mark.parametrize("seed", range(3))
def test_late_student_gets_a_picture_though_requests_get_lost(seed: int) -> None:
    lesson = Lesson(100 * seed, Faults(loss=0.2))
    lesson.run(2 * S)
    students = [lesson.join() for _ in range(5)]
    lesson.run(3 * S)
    for student in students:
        assert student.first_picture_ns is not None
        assert student.first_picture_ns < 4 * S


def test_whole_class_that_joins_at_once_makes_the_picture_pulse_once() -> None:
    lesson = Lesson(1)
    lesson.run(5 * S)
    before = len(lesson.teacher.key_frames)
    students = [lesson.join() for _ in range(49)]
    lesson.run(S)
    assert len(lesson.teacher.key_frames) == before + 1
    assert len(lesson.teacher.requests) == 1
    for student in students:
        assert_unbroken(lesson, student)


@pytest.mark.parametrize("side", ["consumer", "producer"])
def test_pause_leaves_no_gap_in_the_numbers(side: str) -> None:
    lesson = Lesson(1)
    student = lesson.join()
    lesson.run(2 * S)
    paused = student.video.consumer if side == "consumer" else lesson.video
    paused.pause()
    lesson.run(S)
    lesson.teacher.sharing = False
    lesson.run(S)
    lesson.teacher.sharing = True
    paused.resume()
    lesson.run(2 * S)
    lesson.teacher.sharing = False
    lesson.run(S)
    assert student.video.missing == 0
    positions = video_positions(student.video)
    jumps = [later for earlier, later in pairwise(positions) if later != earlier + 1]
    assert len(jumps) == 1
    assert jumps[0] in lesson.teacher.key_frames


def test_encoder_that_starts_anew_does_not_break_the_students_stream() -> None:
    lesson = Lesson(1)
    student = lesson.join()
    lesson.run(2 * S)
    lesson.teacher.restart_encoder()
    lesson.run(2 * S)
    lesson.teacher.sharing = False
    lesson.run(S)
    assert lesson.video.stream.restarts == 1
    positions = video_positions(student.video)
    assert positions == sorted(positions)
    assert student.video.missing == 0
    # Time goes on, by our clock, whatever the encoder's timestamps do.
    packets = [packet for _, packet in sorted(student.video.received.items())]
    elapsed = (packets[-1].timestamp - packets[0].timestamp) & 0xFFFFFFFF
    assert elapsed == pytest.approx(4 * 90_000, abs=45_000)


@pytest.mark.parametrize("seed", range(3))
def test_audio_and_video_stay_in_sync(seed: int) -> None:
    lesson = Lesson(100 * seed, BAD_SCHOOL_WIFI)
    student = lesson.join()
    lesson.run(6 * S)
    # When, by the teacher's clock, was the first packet of each stream captured?
    captured = {}
    for track, clock_rate in ((student.video, 90_000), (student.audio, 48_000)):
        first = track.received[min(track.received)]
        assert track.report is not None
        report, _ = track.report
        ticks = (report.rtp_timestamp - first.timestamp) & 0xFFFFFFFF
        captured[clock_rate] = report.ntp_timestamp - (ticks << 32) // clock_rate
    video_ns = int.from_bytes(student.video.payloads[0][2:6], "big") // 4 * FRAME_NS
    audio_ns = int.from_bytes(student.audio.payloads[0][1:5], "big") * 20 * MS
    skew = ntp_difference(captured[90_000], captured[48_000])
    assert abs(skew - ntp_interval(video_ns - audio_ns)) < ntp_interval(2 * MS)


def test_round_trip_is_measured_per_student() -> None:
    lesson = Lesson(1, Faults(delay_ns=30 * MS))
    student = lesson.join()
    lesson.run(5 * S)
    round_trip_ms = student.video.consumer.stats().round_trip_ms
    assert round_trip_ms == pytest.approx(60, abs=5)


def test_every_arrival_is_reported_to_the_teacher() -> None:
    lesson = Lesson(1)
    lesson.run(2 * S)
    sent = lesson.teacher.video_position + lesson.teacher.audio_position
    assert sent - 30 <= len(lesson.teacher.acknowledged) <= sent


def test_student_who_leaves_does_not_disturb_the_others() -> None:
    lesson = Lesson(1)
    staying, leaving = lesson.join(), lesson.join()
    lesson.run(2 * S)
    leaving.transport.link_closed("ice-timeout")
    lesson.run(S)
    before = len(leaving.video.received)
    lesson.run(S)
    assert len(leaving.video.received) == before
    assert leaving.video.ended
    assert leaving.audio.ended
    assert_unbroken(lesson, staying)


def test_teacher_who_stops_ends_the_students_streams() -> None:
    lesson = Lesson(1)
    student = lesson.join()
    lesson.run(S)
    lesson.teacher.sharing = False
    lesson.video.close()
    lesson.audio.close()
    lesson.run(S)
    assert student.video.ended
    assert student.audio.ended
    assert student.transport.consumers == {}


def test_nothing_is_left_of_a_class_that_has_gone_home() -> None:
    lesson = Lesson(1, BAD_SCHOOL_WIFI)
    students = [lesson.join() for _ in range(5)]
    lesson.run(2 * S)
    remains = [weakref.ref(student.video.consumer) for student in students]
    remains += [weakref.ref(student.audio.consumer) for student in students]
    for student in students:
        student.transport.close()
    lesson.teacher.sharing = False
    lesson.run(S)
    assert len(lesson.worker.transports) == 1
    students.clear()
    lesson.students.clear()
    del student
    gc.collect()
    assert [each() for each in remains] == [None] * 10


def test_payloads_are_what_the_teacher_sent() -> None:
    lesson = Lesson(1, EVERYTHING_AT_ONCE)
    student = lesson.join()
    lesson.run(2 * S)
    for position, data in zip(video_positions(student.video), student.video.payloads, strict=True):
        first = data[:1]
        assert first in (media.DELTA, media.KEY_START, media.KEY_REST)
        assert data == payload(b"v", first, position)
