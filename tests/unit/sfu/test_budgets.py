"""Hard limits of what comes in: beyond them it costs nothing more, and nobody gets it."""

from __future__ import annotations

import pytest

from sidecar.limits import Limits
from sidecar.rtp.rtcp import GenericNack, PictureLossIndication, ReceiverReport
from sidecar.sfu import Producer
from tests.unit.sfu import media
from tests.unit.sfu.support import MAX_BITRATE_BPS, MS, Lesson, Peer, S, Stage

AUDIO_BPS = Limits().max_audio_bitrate


class Talk(Stage):
    """A student who talks to the teacher, and a class that hears somebody else meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.student, self.teacher, self.other = (self.peer() for _ in range(3))
        self.sound = self.student.produces_audio()
        self.honest = self.other.produces_audio(media.audio(ssrc=77))
        for each in (self.sound, self.honest):
            self.teacher.consumes(each)
        self.sent = 0

    def talks(self, peer: Peer, ssrc: int, payload_bytes: int, packets: int) -> None:
        """Sends packets at once."""
        for _ in range(packets):
            self.sent += 1
            data = media.rtp(
                self.sent,
                bytes(payload_bytes),
                timestamp=960 * self.sent,
                ssrc=ssrc,
                payload_type=media.OPUS,
            )
            peer.transport.receive_rtp(data, self.now_ns)
        self.process()


def forwarded_bytes(peer: Peer, producer: Producer) -> int:
    return sum(len(packet.data) for packet in peer.gets() if packet.ssrc == producer.outgoing_ssrc)


@pytest.mark.parametrize("payload_bytes", [10, 160, 1200])
def test_sound_has_the_bitrate_of_sound(payload_bytes: int) -> None:
    talk = Talk()
    seconds, sent = 10, 0
    for _ in range(seconds * 50):  # 38 Mbit/s, or as many packets
        talk.talks(talk.student, media.AUDIO_SSRC, payload_bytes, 80)
        talk.advance(20 * MS)
    sent = forwarded_bytes(talk.teacher, talk.sound)
    # One second's worth at once, and then so much a second.
    assert sent * 8 <= AUDIO_BPS * 5 // 4 * (seconds + 1)
    stats = talk.student.transport.stats()
    assert stats.packets_discarded > seconds * 50 * 80 // 2
    assert stats.bytes_received == talk.sent * (payload_bytes + 12)


@pytest.mark.parametrize(("payload_bytes", "each_ms"), [(1275, 20), (638, 10), (80, 20), (20, 10)])
def test_sound_as_opus_can_be_at_most_passes_whole(payload_bytes: int, each_ms: int) -> None:
    talk = Talk()
    for _ in range(20_000 // each_ms):
        talk.talks(talk.student, media.AUDIO_SSRC, payload_bytes, 1)
        talk.advance(each_ms * MS)
    assert talk.student.transport.stats().packets_discarded == 0
    assert len(talk.teacher.gets()) == talk.sent


def test_a_flood_of_one_leaves_the_sound_of_another_alone() -> None:
    talk = Talk()
    for number in range(500):
        talk.talks(talk.student, media.AUDIO_SSRC, 1200, 80)
        data = media.rtp(number, b"hello", ssrc=77, payload_type=media.OPUS)
        talk.other.sends(data)
        talk.advance(20 * MS)
    got = [packet for packet in talk.teacher.gets() if packet.ssrc == talk.honest.outgoing_ssrc]
    assert len(got) == 500


class TestTransport:
    def flood(self, lesson: Lesson, seconds: int, bps: int, payload_bytes: int = 1200) -> int:
        """Sends video at a rate, in frames of 20 ms; returns how many packets."""
        number = 1000
        per_frame = bps // 50 // 8 // (payload_bytes + 12)
        for _ in range(seconds * 50):
            packets = [
                media.rtp(number + each, media.DELTA + bytes(payload_bytes - 1))
                for each in range(per_frame)
            ]
            number += per_frame
            lesson.teacher.sends(*packets)
            lesson.advance(20 * MS)
        return number - 1000

    def test_what_a_transport_sends_is_capped(self) -> None:
        lesson = Lesson()
        lesson.start(999)
        sent = self.flood(lesson, 10, 40_000_000)
        got = sum(len(packet.data) for packet in lesson.student.gets())
        assert got * 8 <= MAX_BITRATE_BPS * 3 // 2 * 11
        stats = lesson.teacher.transport.stats()
        assert stats.packets_discarded > sent // 2

    def test_tiny_packets_are_capped_by_their_number(self) -> None:
        lesson = Lesson()
        lesson.start(999)
        self.flood(lesson, 3, 40_000_000, payload_bytes=2)
        assert len(lesson.student.gets()) <= 4 * MAX_BITRATE_BPS * 3 // 16 // 128

    def test_what_the_sender_is_told_to_keep_to_passes_whole(self) -> None:
        lesson = Lesson()
        lesson.start(999)
        sent = self.flood(lesson, 20, MAX_BITRATE_BPS)
        assert len(lesson.student.gets()) == sent
        assert lesson.teacher.transport.stats().packets_discarded == 0

    def test_what_was_refused_is_not_asked_for_but_a_key_frame_is(self) -> None:
        lesson = Lesson()
        lesson.start(999)
        lesson.advance(S)
        lesson.teacher.hears()
        self.flood(lesson, 5, 40_000_000)
        heard = lesson.teacher.hears()
        assert not any(isinstance(each, GenericNack) for each in heard)
        assert any(isinstance(each, PictureLossIndication) for each in heard)

    def test_after_a_flood_things_are_as_before(self) -> None:
        lesson = Lesson()
        lesson.start(999)
        sent = self.flood(lesson, 2, 40_000_000)
        lesson.advance(2 * S)
        lesson.student.gets()
        lesson.teacher_sends(1000 + sent, payload=media.KEY_START)
        lesson.teacher_sends(1001 + sent, 1003 + sent)
        assert len(lesson.student.gets()) == 3
        (nack,) = (each for each in lesson.teacher.hears() if isinstance(each, GenericNack))
        assert nack.lost == ((1002 + sent) & 0xFFFF,)


class TestFeedback:
    def test_rtcp_is_capped(self) -> None:
        lesson = Lesson()
        lesson.start()
        transport = lesson.student.transport
        report = ReceiverReport(1).to_bytes()
        for _ in range(10):
            for _ in range(20_000):
                transport.receive_rtcp(report, lesson.now_ns)
            lesson.advance(S)
        rate = Limits().max_rtcp_bitrate // 8
        taken = 10 * 20_000 - transport.stats().packets_discarded
        assert taken <= 12 * rate // (100 + len(report))

    def test_feedback_of_a_receiver_that_loses_a_fifth_is_all_taken(self) -> None:
        lesson = Lesson()
        lesson.start()
        transport = lesson.student.transport
        for number in range(300 * 20):
            nack = GenericNack(1, lesson.consumer.stream.ssrc, (number,)).to_bytes()
            transport.receive_rtcp(nack, lesson.now_ns)
            lesson.process()
            lesson.advance(S // 300)
        assert transport.stats().packets_discarded == 0
        assert lesson.consumer.stats().nacked_packets == 300 * 20

    def test_numbers_that_are_asked_for_have_a_budget(self) -> None:
        lesson = Lesson()
        lesson.start()
        for _ in range(100):
            lost = tuple(range(1000))
            lesson.student.reports(GenericNack(1, lesson.consumer.stream.ssrc, lost))
            lesson.advance(100 * MS)
        most = Limits().max_nacked_packets_per_second
        assert lesson.consumer.stats().nacked_packets <= 12 * most

    def test_who_has_lost_a_second_of_five_megabits_gets_everything(self) -> None:
        lesson = Lesson()
        lesson.start(999)
        for number in range(1000, 1520):
            lesson.teacher_sends(number, payload=media.DELTA + bytes(1199))
            lesson.advance(S // 520)
        lost = [packet.sequence_number for packet in lesson.student.gets()]
        assert len(lost) == 520
        recovered: set[int] = set()
        for _ in range(20):  # once per round trip, as long as something is missing
            missing = [each for each in lost if each not in recovered]
            for start in range(0, len(missing), 250):
                some = tuple(missing[start : start + 250])
                lesson.student.reports(GenericNack(1, lesson.consumer.stream.ssrc, some))
            recovered |= {int.from_bytes(each.payload[:2], "big") for each in lesson.student.gets()}
            lesson.advance(50 * MS)
        assert recovered == set(lost)
