"""The network hears of SSRCs that are nobody's, or nobody's any more."""

from __future__ import annotations

from tests.unit.sfu import media
from tests.unit.sfu.support import Lesson, Stage

STRANGE_SSRC = 4711


def test_packets_of_an_unknown_ssrc_are_told() -> None:
    lesson = Lesson()
    lesson.teacher.sends(media.rtp(1, ssrc=STRANGE_SSRC))
    assert lesson.teacher.link.forgotten == [STRANGE_SSRC]


def test_malformed_and_too_long_packets_of_an_unknown_ssrc_are_told() -> None:
    """libsrtp has let them pass, and keeps a stream for them."""
    lesson = Lesson()
    broken = media.rtp(1, ssrc=STRANGE_SSRC, elements=((1, b"x"),))[:-4]
    long = media.rtp(1, bytes(1400), ssrc=STRANGE_SSRC)
    lesson.teacher.sends(bytes([broken[0] | 0x20]) + broken[1:], long)
    assert set(lesson.teacher.link.forgotten) == {STRANGE_SSRC}
    assert len(lesson.teacher.link.forgotten) == 2


def test_discarded_packets_of_a_producer_are_not_told() -> None:
    lesson = Lesson()
    lesson.teacher.sends(media.rtp(1, bytes(1400)))
    assert lesson.teacher.link.forgotten == []


def test_the_ssrcs_of_a_closed_producer_are_told() -> None:
    lesson = Lesson()
    lesson.producer.close()
    assert lesson.teacher.link.forgotten == [media.VIDEO_SSRC, media.VIDEO_RTX_SSRC]


def test_both_ssrcs_of_a_closed_consumer_are_told() -> None:
    stage = Stage()
    teacher, student = stage.peer(), stage.peer()
    consumer = student.consumes(teacher.produces_video())
    ssrcs = [consumer.stream.ssrc, consumer.stream.rtx_ssrc]
    assert student.link.ended == []
    consumer.close()
    assert student.link.ended == ssrcs
    again = student.consumes(next(iter(teacher.transport.producers.values())))
    assert not {again.stream.ssrc, again.stream.rtx_ssrc} & set(ssrcs)
