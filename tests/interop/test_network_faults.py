"""A class over a bad network: loss, delay and jitter on the way up, down, or both."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.classroom import Classroom
from tests.support.relay import CLASSROOM_WIFI, Faults, LossyRelay, lossy_relay
from tests.support.sfu_process import SfuProcess
from tests.support.synthetic import (
    PeerOptions,
    SyntheticStudent,
    SyntheticTeacher,
    eventually,
)

STUDENTS = 3
FRAMES = 150
LONGEST_HOLE_NS = 1_000_000_000
PERFECT = Faults()


async def hold_class(
    teacher: SyntheticTeacher, students: list[SyntheticStudent], relay: LossyRelay
) -> None:
    """Go on for some frames, checking that no hole stays open, then let the end arrive safely."""
    goal = teacher.outgoing.source.frames + FRAMES
    oldest_ns = 0

    def over() -> bool:
        nonlocal oldest_ns
        oldest_ns = max(oldest_ns, *(student.video.oldest_hole_ns() for student in students))
        return teacher.outgoing.source.frames >= goal

    await eventually(over, "the class goes on", timeout_s=30)
    # Nobody can know that the very last packet is missing: it travels over a good network.
    relay.set_faults(replace(CLASSROOM_WIFI, loss=0))
    ended = teacher.packets_sent("video")
    await eventually(lambda: teacher.packets_sent("video") > ended, "a last frame")
    await teacher.outgoing.stop()
    await eventually(
        lambda: all(student.saw_everything(teacher) for student in students),
        lambda: "\n".join(student.describe() for student in students),
    )
    assert relay.dropped > 0
    assert max(oldest_ns, *(s.video.longest_hole_ns for s in students)) < LONGEST_HOLE_NS


@pytest.mark.parametrize("seed", [1, 2])
async def test_students_on_a_lossy_network_get_everything_by_retransmission(
    sfu: SfuProcess, classroom: Classroom, seed: int
) -> None:
    async with lossy_relay(sfu.media_address, CLASSROOM_WIFI, seed=seed) as relay:
        teacher = await classroom.teach()
        students = await classroom.attend(STUDENTS, PeerOptions(rewrite=relay.rewrite))
        await hold_class(teacher, students, relay)
        for student in students:
            assert student.incoming.nacks_sent > 0
            assert student.incoming.retransmitted_packets > 0
            assert student.video.recovered > 0
        # What is lost downstream is none of the teacher's business.
        assert not teacher.outgoing.nacked


@pytest.mark.parametrize("seed", [3, 4])
async def test_what_is_lost_on_the_teachers_network_is_fetched_again(
    sfu: SfuProcess, classroom: Classroom, seed: int
) -> None:
    async with lossy_relay(sfu.media_address, CLASSROOM_WIFI, seed=seed) as relay:
        lossy = PeerOptions(rewrite=relay.rewrite)
        teacher = await classroom.teach(options=lossy)
        students = await classroom.attend(STUDENTS)
        await hold_class(teacher, students, relay)
        video = teacher.outgoing.senders["video"]
        assert teacher.outgoing.nacked[video.ids.ssrc] > 0
        assert video.retransmissions > 0


async def test_loss_on_both_sides_is_repaired(sfu: SfuProcess, classroom: Classroom) -> None:
    async with lossy_relay(sfu.media_address, CLASSROOM_WIFI, seed=5) as relay:
        lossy = PeerOptions(rewrite=relay.rewrite)
        teacher = await classroom.teach(options=lossy)
        students = await classroom.attend(STUDENTS, lossy)
        await hold_class(teacher, students, relay)


async def test_packets_that_overtake_each_other_are_not_lost(
    sfu: SfuProcess, classroom: Classroom
) -> None:
    disorder = Faults(delay_ms=20, jitter_ms=10, reorder=True)
    async with lossy_relay(sfu.media_address, disorder, seed=6) as relay:
        options = PeerOptions(rewrite=relay.rewrite)
        teacher = await classroom.teach(options=options)
        (student,) = await classroom.attend(1, options)
        goal = teacher.outgoing.source.frames + FRAMES
        await eventually(lambda: teacher.outgoing.source.frames >= goal, "the class goes on")
        await teacher.outgoing.stop()
        await eventually(lambda: student.saw_everything(teacher), student.describe)
        assert student.video.late > 0
        assert not student.incoming.peer.srtp_errors


async def test_a_network_that_was_away_for_a_while_comes_back(
    sfu: SfuProcess, classroom: Classroom
) -> None:
    async with lossy_relay(sfu.media_address, PERFECT, seed=7) as relay:
        teacher = await classroom.teach()
        (student,) = await classroom.attend(1, PeerOptions(rewrite=relay.rewrite, nack=False))
        await eventually(lambda: student.video.packets > 50, student.describe)
        relay.set_faults(Faults(loss=1.0))
        away = teacher.outgoing.source.frames + 60
        await eventually(lambda: teacher.outgoing.source.frames >= away, "two seconds of nothing")
        before = student.video.packets
        relay.set_faults(PERFECT)
        await eventually(lambda: student.video.packets > before + 50, student.describe)
