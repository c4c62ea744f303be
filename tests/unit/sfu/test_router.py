"""A room's media as a whole."""

from __future__ import annotations

import pytest

from sidecar.ortc import OrtcError, RtpCapabilities, router_rtp_capabilities
from tests.unit.sfu import media
from tests.unit.sfu.support import Lesson, Stage

NOTHING = RtpCapabilities()


def test_capabilities_are_the_routers() -> None:
    assert Stage().router.rtp_capabilities == router_rtp_capabilities()


def test_address_that_the_peer_knows_us_by_reaches_the_network() -> None:
    stage = Stage()
    transport = stage.router.create_transport("192.0.2.1")
    assert stage.network.links[transport.id].local_address == "192.0.2.1"


def test_can_consume_says_what_consume_does() -> None:
    lesson = Lesson()
    assert lesson.router.can_consume(lesson.producer, media.CAPABILITIES)
    assert not lesson.router.can_consume(lesson.producer, NOTHING)
    before = dict(lesson.student.transport.consumers)
    with pytest.raises(OrtcError):
        lesson.student.transport.consume(lesson.producer, NOTHING)
    assert lesson.student.transport.consumers == before


def test_everything_has_an_id_of_its_own() -> None:
    lesson = Lesson()
    ids = {
        lesson.router.id,
        lesson.worker.create_router().id,
        lesson.teacher.transport.id,
        lesson.student.transport.id,
        lesson.producer.id,
        lesson.consumer.id,
    }
    assert len(ids) == 6


def test_ssrcs_on_one_transport_never_collide() -> None:
    lesson = Lesson()
    consumers = [lesson.student.consumes(lesson.producer) for _ in range(50)]
    ssrcs = [
        ssrc
        for consumer in (lesson.consumer, *consumers)
        for ssrc in (consumer.stream.ssrc, consumer.stream.rtx_ssrc)
    ]
    assert len(set(ssrcs)) == 102


def test_close_ends_all_transports_and_leaves_nothing() -> None:
    lesson = Lesson()
    other = lesson.worker.create_router().create_transport(None)
    told: list[str] = []
    lesson.teacher.transport.on_closed = told.append
    lesson.router.close()
    assert lesson.producer.closed
    assert lesson.consumer.closed
    assert (lesson.router.transports, lesson.router.producers) == ({}, {})
    assert lesson.worker.transports == (other,)
    assert told == []


def test_rooms_do_not_hear_each_other() -> None:
    first, second = Stage(1), Stage(1)
    second.worker, second.network = first.worker, first.network
    second.router = first.worker.create_router()
    teacher, student = first.peer(), first.peer()
    other_teacher, other_student = second.peer(), second.peer()
    student.consumes(teacher.produces_video())
    other_student.consumes(other_teacher.produces_video())
    teacher.sends(media.rtp(1, media.KEY_START))
    assert len(student.gets()) == 1
    assert other_student.gets() == []
