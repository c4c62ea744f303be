"""What the statistics say after a known lesson."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sidecar.rtp.packet import parse_rtp
from sidecar.rtp.rtcp import GenericNack
from sidecar.sfu import ConsumerStats, ProducerStats, TransportStats
from tests.unit.sfu import media
from tests.unit.sfu.support import MS, Lesson, S, Stage


@pytest.fixture
def lesson() -> Lesson:
    """20 ms a packet, 50 of them, of which one is lost, one repaired and one asked for twice."""
    lesson = Lesson()
    lesson.start(100)
    numbers = [number for number in range(101, 150) if number not in (110, 120)]
    lesson.teacher_sends(*numbers, payload=b"\x61" + bytes(99), each_ms=1)
    lesson.teacher.sends(media.rtx(1, parse_rtp(media.rtp(110, b"\x61repaired"))))
    sent = lesson.student.gets()
    nack = GenericNack(1, lesson.consumer.stream.ssrc, (sent[0].sequence_number,))
    lesson.student.reports(nack)
    lesson.student.reports(nack)
    return lesson


def test_of_a_producer(lesson: Lesson) -> None:
    stats = lesson.producer.stats()
    header_bytes = len(media.rtp(1, b""))
    received_bytes = header_bytes + 1 + 47 * (header_bytes + 100)
    repaired_bytes = header_bytes + 2 + len(b"\x61repaired")
    assert stats == ProducerStats(
        producer_id=lesson.producer.id,
        kind="video",
        bitrate_bps=stats.bitrate_bps,
        packets=49,
        bytes=received_bytes + repaired_bytes,
        packets_lost=1,
        fraction_lost=stats.fraction_lost,
        jitter_ms=stats.jitter_ms,
        nacked_packets=stats.nacked_packets,
        key_frame_requests=1,
        key_frames=1,
        paused=False,
    )
    assert stats.nacked_packets >= 2
    assert stats.jitter_ms < 2
    lesson.advance(2 * S)
    later = lesson.producer.stats()
    assert later.bitrate_bps == 0
    lesson.producer.pause()
    assert lesson.producer.stats() == replace(later, paused=True)


def test_bitrate_is_that_of_the_last_second() -> None:
    lesson = Lesson()
    lesson.start(100)
    payload = b"\x61" + bytes(987)
    lesson.teacher_sends(*range(101, 301), payload=payload, each_ms=10)
    stats = lesson.producer.stats()
    assert stats.bitrate_bps == pytest.approx(1000 * 8 * 100, rel=0.06)
    assert lesson.consumer.stats().bitrate_bps == pytest.approx(1008 * 8 * 100, rel=0.06)


def test_of_a_consumer(lesson: Lesson) -> None:
    stats = lesson.consumer.stats()
    abs_send_time_bytes = 8
    header_bytes = len(media.rtp(1, b"")) + abs_send_time_bytes
    assert stats == ConsumerStats(
        consumer_id=lesson.consumer.id,
        producer_id=lesson.producer.id,
        kind="video",
        bitrate_bps=stats.bitrate_bps,
        packets=49,
        bytes=49 * header_bytes + 1 + 47 * 100 + len(b"\x61repaired"),
        packets_lost=None,
        fraction_lost=0.0,
        jitter_ms=0.0,
        round_trip_ms=None,
        nacked_packets=2,
        retransmitted_packets=1,
        key_frame_requests=0,
        key_frames=1,
        paused=False,
    )
    lesson.consumer.pause()
    assert lesson.consumer.stats().paused


def test_of_a_transport(lesson: Lesson) -> None:
    lesson.teacher.sends(b"rubbish")
    sender = lesson.teacher.transport.stats()
    sent_rtcp_bytes = sender.bytes_sent
    assert sent_rtcp_bytes > 0
    assert sender == TransportStats(
        transport_id=lesson.teacher.transport.id,
        connected=True,
        bytes_received=lesson.producer.stats().bytes + len(b"rubbish"),
        bytes_sent=sent_rtcp_bytes,
        packets_discarded=1,
        available_outgoing_bps=None,
        producers=(lesson.producer.stats(),),
        consumers=(),
    )
    receiver = lesson.student.transport.stats()
    assert receiver.producers == ()
    assert receiver.consumers == (lesson.consumer.stats(),)
    assert receiver.bytes_sent > lesson.consumer.stats().bytes


def test_audio_has_no_key_frames() -> None:
    stage = Stage()
    teacher, student = stage.peer(), stage.peer()
    consumer = student.consumes(teacher.produces_audio())
    for number in range(5):
        teacher.sends(media.rtp(number, ssrc=media.AUDIO_SSRC, payload_type=media.OPUS))
        stage.advance(20 * MS)
    assert consumer.stats().packets == 5
    assert consumer.stats().key_frames == 0
    assert consumer.producer.stats().key_frames == 0


def test_before_the_connection_there_is_nothing_to_tell() -> None:
    stats = Stage().peer(connected=False).transport.stats()
    assert not stats.connected
    assert (stats.bytes_received, stats.bytes_sent, stats.packets_discarded) == (0, 0, 0)
