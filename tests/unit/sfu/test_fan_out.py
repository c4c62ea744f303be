"""From one producer to a whole class: together where everybody gets the same, else one by one."""

from __future__ import annotations

import random

from sidecar.rtp.rtcp import GenericNack
from tests.unit.sfu import media
from tests.unit.sfu.support import MS, Lesson, Peer


class Class(Lesson):
    """A lesson with more students.

    Attributes:
        students: All of them.
    """

    def __init__(self, students: int = 3) -> None:
        super().__init__()
        self.students = [self.student]
        for _ in range(students - 1):
            self.students.append(self.peer())
            self.students[-1].consumes(self.producer)

    def begin(self) -> None:
        """Starts with a key frame, which everybody has then got."""
        self.teacher_sends(100, payload=media.KEY_START)
        for student in self.students:
            (_first,) = student.gets()

    def sent_together(self) -> list[int]:
        """To how many each batch went that was sent since the last call."""
        sent = [len(each.links) for each in self.network.together for _ in range(each.sent)]
        for each in self.network.together:
            each.sent = 0
        return sent


def sent_to(peer: Peer) -> int:
    (consumer,) = peer.transport.consumers.values()
    return consumer.stream.sent.packets


def test_a_class_that_has_begun_gets_every_batch_together() -> None:
    lesson = Class(3)
    lesson.begin()
    lesson.teacher_sends(101, 102)
    assert lesson.sent_together() == [3, 3]
    got = [[packet.data for packet in student.gets()] for student in lesson.students]
    assert got[0] == got[1] == got[2]
    assert len(got[0]) == 2


def test_who_waits_for_a_key_frame_gets_nothing_and_joins_the_others_then() -> None:
    lesson = Class(2)
    lesson.begin()
    lesson.producer.stream.forget_key_frame()  # there is nothing to start with
    late = lesson.peer()
    late.consumes(lesson.producer)
    lesson.teacher_sends(101)
    assert lesson.sent_together() == [2]
    assert late.gets() == []
    lesson.teacher_sends(102, payload=media.KEY_START)
    assert [packet.payload for packet in late.gets()] == [media.KEY_START]
    lesson.sent_together()
    lesson.teacher_sends(103)
    assert lesson.sent_together() == [3]
    assert len(late.gets()) == 1


def test_who_has_numbers_of_his_own_gets_his_own_packets() -> None:
    lesson = Class(3)
    lesson.begin()
    (consumer,) = lesson.students[1].transport.consumers.values()
    consumer.pause()
    lesson.teacher_sends(101, 102)
    consumer.resume()
    lesson.teacher_sends(103, payload=media.KEY_START)
    for student in lesson.students:
        student.gets()
    lesson.sent_together()
    lesson.teacher_sends(104)
    assert sorted(lesson.sent_together()) == [1, 2]
    sequences = [student.gets()[0].sequence_number for student in lesson.students]
    assert sequences[0] == sequences[2] == sequences[1] + 2


def test_what_arrives_late_goes_only_to_those_who_were_there_before_it() -> None:
    lesson = Class(2)
    lesson.begin()
    lesson.producer.stream.forget_key_frame()
    late = lesson.peer()
    late.consumes(lesson.producer)
    lesson.teacher_sends(110, payload=media.KEY_START)
    lesson.teacher_sends(111)
    for student in (*lesson.students, late):
        student.gets()
    before = [sent_to(student) for student in (*lesson.students, late)]
    lesson.teacher_sends(109)
    assert [len(student.gets()) for student in (*lesson.students, late)] == [1, 1, 0]
    lesson.teacher_sends(112)
    assert [len(student.gets()) for student in (*lesson.students, late)] == [1, 1, 1]
    after = [sent_to(student) for student in (*lesson.students, late)]
    assert [new - old for new, old in zip(after, before, strict=True)] == [2, 2, 1]


def test_who_is_paused_closed_or_disconnected_leaves_and_the_others_go_on() -> None:
    lesson = Class(5)
    lesson.begin()
    (paused,) = lesson.students[1].transport.consumers.values()
    (closed,) = lesson.students[2].transport.consumers.values()
    paused.pause()
    closed.close()
    lesson.students[3].transport.link_closed("ice-timeout")
    lesson.sent_together()
    lesson.teacher_sends(101)
    assert lesson.sent_together() == [2]
    assert [len(student.gets()) for student in lesson.students] == [1, 0, 0, 0, 1]


def test_who_is_lost_while_a_batch_is_sent_does_not_take_the_others_with_him() -> None:
    lesson = Class(3)
    lesson.begin()
    lesson.students[0].link.breaks = True
    lesson.teacher_sends(101)
    lesson.teacher_sends(102)
    assert lesson.students[0].transport.closed
    assert [len(student.gets()) for student in lesson.students[1:]] == [2, 2]
    # Also in what is answered later on: nobody has forgotten the batch in between.
    lesson.advance(100 * MS)
    for student in lesson.students[1:]:
        assert sent_to(student) == 3


def test_who_is_closed_because_another_is_lost_gets_nothing_after_its_goodbye() -> None:
    lesson = Class(4)
    lesson.begin()
    first, second, third, fourth = lesson.students
    for student in (second, third):  # they get numbers of their own
        (consumer,) = student.transport.consumers.values()
        consumer.pause()
        lesson.teacher_sends(lesson.producer.stream.newest_seq + 1)
        consumer.resume()
        lesson.teacher_sends(lesson.producer.stream.newest_seq + 1, payload=media.KEY_START)
    lesson.teacher_sends(lesson.producer.stream.newest_seq + 1)
    (consumer,) = second.transport.consumers.values()
    first.transport.on_closed = lambda _reason: consumer.close()
    first.link.breaks = True
    for student in lesson.students:
        student.gets()
    lesson.teacher_sends(lesson.producer.stream.newest_seq + 1)
    lesson.teacher_sends(lesson.producer.stream.newest_seq + 1)
    assert [len(each.gets()) for each in (second, third, fourth)] == [0, 2, 2]
    assert sent_to(third) + 1 == sent_to(fourth)


def test_nobody_is_arranged_anew_without_need() -> None:
    lesson = Class(3)
    lesson.begin()
    lesson.teacher_sends(101)
    known = len(lesson.network.together)
    lesson.producer.refresh_live()
    lesson.teacher_sends(102)
    assert len(lesson.network.together) == known


def test_what_is_counted_and_sent_again_is_what_was_sent() -> None:
    """Whatever comes in between: late packets, holes, pauses, newcomers and leavers."""
    rng = random.Random(5)
    lesson = Class(4)
    lesson.begin()
    got = {student: 1 for student in lesson.students}
    number, held_back = 100, 0
    for step in range(400):
        number += 1
        key = rng.random() < 0.02
        if held_back and rng.random() < 0.5:
            lesson.teacher_sends(held_back)
            held_back = 0
        elif not held_back and rng.random() < 0.05 and not key:
            held_back = number
            continue
        payload = media.KEY_START if key else media.DELTA
        lesson.teacher_sends(number, payload=payload, each_ms=rng.randrange(8))
        student = rng.choice(lesson.students)
        (consumer,) = student.transport.consumers.values()
        if rng.random() < 0.03:
            (consumer.resume if consumer.paused else consumer.pause)()
        if step % 100 == 50:
            lesson.students.append(lesson.peer())
            lesson.students[-1].consumes(lesson.producer)
            got[lesson.students[-1]] = 0
        for each in lesson.students:
            packets = each.gets()
            got[each] += len(packets)
            (own,) = each.transport.consumers.values()
            assert own.stream.sent.packets == got[each]
            assert each.transport.stats().bytes_sent >= own.stream.sent.bytes
            if packets and not own.paused and rng.random() < 0.1:
                lost = packets[-1]
                each.reports(GenericNack(1, own.stream.ssrc, (lost.sequence_number,)))
                (again,) = each.gets()
                assert again.payload[2:] == lost.payload
    assert min(got.values()) > 50
