"""A transport: what its owner asks, what the network tells, what becomes of both."""

from __future__ import annotations

import pytest

from sidecar.ortc import RtcpParameters
from sidecar.rtp.header_extensions import parse_extensions
from sidecar.rtp.packet import parse_rtp
from sidecar.rtp.rtcp import (
    Bye,
    GenericNack,
    PictureLossIndication,
    ReceiverReport,
    TransportCcFeedback,
    parse_rtcp,
)
from sidecar.sfu import SfuError
from sidecar.sfu import transport as transport_module
from sidecar.sfu.transport import MAX_COMPOUND_BYTES, MAX_RTP_BYTES
from tests.unit.sfu import media
from tests.unit.sfu.support import DTLS, MS, Lesson, Peer, S, Stage


def registered(stage: Stage) -> list[object]:
    """Everything that the router and the worker still know."""
    return [*stage.router.transports, *stage.router.producers, *stage.worker.transports]


class TestConnect:
    def test_hands_the_parameters_to_the_network(self) -> None:
        peer = Stage().peer(connected=False)
        peer.transport.connect(DTLS)
        assert peer.link.connected_with == [DTLS]

    def test_is_refused_the_second_time(self) -> None:
        peer = Stage().peer(connected=False)
        peer.transport.connect(DTLS)
        with pytest.raises(SfuError) as caught:
            peer.transport.connect(DTLS)
        assert caught.value.code == "transport-connected"
        assert peer.link.connected_with == [DTLS]

    def test_may_be_tried_again_after_parameters_that_the_network_refused(self) -> None:
        peer = Stage().peer(connected=False)
        peer.link.refused = SfuError("No usable DTLS fingerprint", "invalid-dtls-parameters")
        with pytest.raises(SfuError):
            peer.transport.connect(DTLS)
        peer.link.refused = None
        peer.transport.connect(DTLS)
        assert peer.link.connected_with == [DTLS]

    def test_local_parameters_are_the_networks(self) -> None:
        peer = Stage().peer(connected=False)
        transport, link = peer.transport, peer.link
        assert transport.ice_parameters == link.ice_parameters
        assert transport.ice_candidates == link.ice_candidates
        assert transport.dtls_parameters == link.dtls_parameters
        before = transport.ice_parameters
        assert transport.restart_ice() == transport.ice_parameters != before


class TestConsumers:
    def test_there_is_an_end_to_them(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(transport_module, "MAX_CONSUMERS_EVER", 3)
        stage = Stage()
        video, student = stage.peer().produces_video(), stage.peer()
        for _ in range(3):
            student.consumes(video).close()
        with pytest.raises(SfuError) as refused:
            student.consumes(video)
        assert refused.value.code == "transport-used-up"


class TestClose:
    def test_ends_everything_on_it_and_leaves_nothing_registered(self) -> None:
        stage = Stage()
        teacher, student = stage.peer(), stage.peer()
        video, audio = teacher.produces_video(), teacher.produces_audio()
        microphone = student.produces_audio()
        watching, listening = student.consumes(video), student.consumes(audio)
        hearing = teacher.consumes(microphone)
        told: list[str] = []
        watching.on_closed = lambda: told.append("watching")
        listening.on_closed = lambda: told.append("listening")
        hearing.on_closed = lambda: told.append("hearing")

        teacher.transport.close()

        # Its own consumer ends by its owner's wish, the students' because their source is gone.
        assert told == ["watching", "listening"]
        assert all(each.closed for each in (video, audio, watching, listening, hearing))
        assert not microphone.closed
        assert registered(stage) == [
            student.transport.id,
            microphone.id,
            student.transport,
        ]
        assert teacher.link.closed == 1

        student.transport.close()
        assert registered(stage) == []
        for peer in (teacher, student):
            transport = peer.transport
            assert (transport.producers, transport.consumers) == ({}, {})
            assert transport.streams.any_source_ssrc() == 0
            for consumer in (watching, listening, hearing):
                assert not transport.streams.is_sent(consumer.stream.ssrc)

    def test_says_goodbye_before_the_link_closes(self) -> None:
        lesson = Lesson()
        lesson.start()
        lesson.student.hears()
        lesson.student.transport.close()
        assert Bye((lesson.consumer.stream.ssrc,)) in lesson.student.hears()

    def test_by_its_owner_is_not_told_to_its_owner_and_can_be_repeated(self) -> None:
        peer = Stage().peer()
        told: list[str] = []
        peer.transport.on_closed = told.append
        peer.transport.close()
        peer.transport.close()
        peer.transport.link_closed("ice-timeout")
        assert told == []
        assert peer.link.closed == 1

    def test_by_the_network_is_told_once_with_the_reason(self) -> None:
        lesson = Lesson()
        told: list[str] = []
        lesson.student.transport.on_closed = told.append
        lesson.student.transport.link_closed("ice-timeout")
        lesson.student.transport.link_closed("dtls-closed")
        assert told == ["ice-timeout"]
        assert lesson.consumer.closed
        assert lesson.student.link.closed == 1

    def test_while_sending_is_survived_by_the_worker_and_the_others(self) -> None:
        lesson = Lesson()
        lesson.start()
        other = lesson.peer()
        other.consumes(lesson.producer)
        other.gets()
        told: list[str] = []
        lesson.student.transport.on_closed = told.append
        lesson.student.link.breaks = True
        lesson.teacher_sends(101, payload=media.KEY_START)
        assert told == ["srtp-failed"]
        assert len(other.gets()) == 1
        lesson.teacher_sends(102)
        assert len(other.gets()) == 1
        assert lesson.student.transport not in lesson.worker.transports

    def test_from_within_what_is_told_of_it_does_no_harm(self) -> None:
        lesson = Lesson()
        lesson.consumer.on_closed = lesson.student.transport.close
        lesson.teacher.transport.on_closed = lambda _reason: lesson.teacher.transport.close()
        lesson.teacher.transport.link_closed("ice-timeout")
        assert registered(lesson) == []

    def test_afterwards_nothing_is_sent_and_what_arrives_is_ignored(self) -> None:
        lesson = Lesson()
        lesson.start()
        lesson.teacher.transport.close()
        lesson.teacher.hears()
        lesson.teacher.sends(media.rtp(101))
        lesson.teacher.reports(PictureLossIndication(1, 2))
        lesson.advance(3 * S)
        assert lesson.teacher.hears() == []
        assert lesson.student.gets() == []
        assert lesson.teacher.transport.silence_ns is None

    def test_closed_producer_cannot_be_consumed(self) -> None:
        lesson = Lesson()
        lesson.producer.close()
        with pytest.raises(SfuError) as caught:
            lesson.student.transport.consume(lesson.producer, media.CAPABILITIES)
        assert caught.value.code == "producer-not-found"


class TestConsume:
    def test_every_consumer_has_a_media_section_of_its_own(self) -> None:
        lesson = Lesson()
        second = lesson.student.consumes(lesson.producer)
        assert (lesson.consumer.rtp_parameters.mid, second.rtp_parameters.mid) == ("0", "1")
        lesson.consumer.close()
        assert lesson.student.consumes(lesson.producer).rtp_parameters.mid == "2"

    def test_retransmissions_have_the_next_ssrc(self) -> None:
        encoding = Lesson().consumer.rtp_parameters.encodings[0]
        assert encoding.ssrc is not None
        assert encoding.rtx is not None
        assert encoding.rtx.ssrc == encoding.ssrc + 1

    def test_streams_of_a_sender_without_a_cname_share_one(self) -> None:
        stage = Stage()
        teacher, other, student = stage.peer(), stage.peer(), stage.peer()
        producers = (
            teacher.produces_video(media.video(cname=None)),
            teacher.produces_audio(media.audio(cname=None)),
            other.produces_audio(media.audio(cname=None)),
        )
        video, audio, stranger = (
            student.consumes(producer).rtp_parameters.rtcp for producer in producers
        )
        assert video == audio == RtcpParameters(cname=teacher.transport.cname)
        assert stranger.cname not in (None, video.cname)


class TestBadInput:
    def discarded(self, peer: Peer, data: bytes) -> int:
        before = peer.transport.stats().packets_discarded
        peer.sends(data)
        return peer.transport.stats().packets_discarded - before

    def test_unknown_ssrc_is_discarded(self) -> None:
        lesson = Lesson()
        assert self.discarded(lesson.teacher, media.rtp(1, media.KEY_START, ssrc=42)) == 1
        assert lesson.student.gets() == []

    def test_malformed_packets_are_discarded(self) -> None:
        lesson = Lesson()
        assert self.discarded(lesson.teacher, b"\x80") == 1
        short_transport_cc = media.rtp(1, elements=((media.TRANSPORT_CC, b"\x01"),))
        assert self.discarded(lesson.teacher, short_transport_cc) == 1
        lesson.teacher.transport.receive_rtcp(b"\x80\xc9\x00\x09", lesson.now_ns)
        assert lesson.teacher.transport.stats().packets_discarded == 3

    def test_packets_too_long_to_be_forwarded_are_discarded(self) -> None:
        lesson = Lesson()
        lesson.start()
        header_bytes = len(media.rtp(1, b""))
        longest = media.rtp(101, bytes(MAX_RTP_BYTES - header_bytes))
        assert self.discarded(lesson.teacher, longest) == 0
        (packet,) = lesson.student.gets()
        nack = GenericNack(1, lesson.consumer.stream.ssrc, (packet.sequence_number,))
        lesson.student.reports(nack)
        (again,) = lesson.student.gets()
        # What libsrtp's binding can protect: 1500 bytes, of which it keeps 144 for itself.
        assert len(packet.data) < len(again.data) <= 1500 - 144
        assert self.discarded(lesson.teacher, longest + b"x") == 1
        assert lesson.student.gets() == []


class TestFeedbackSize:
    def test_compounds_that_would_be_too_long_are_cut(self) -> None:
        lesson = Lesson()
        lesson.start(0)
        # Losses so far apart that each takes an entry, and many arrivals to tell of.
        for number in range(1, 4000):
            if number % 18 == 0:
                continue
            elements = ((media.TRANSPORT_CC, number.to_bytes(2, "big")),)
            data = media.rtp(number, elements=elements)
            lesson.teacher.transport.receive_rtp(data, lesson.now_ns)
            lesson.now_ns += 90 * MS // 4000
        lesson.now_ns += 20 * MS
        lesson.process()
        compounds = lesson.teacher.link.rtcp
        assert len(compounds) > 1
        assert max(map(len, compounds)) <= MAX_COMPOUND_BYTES
        feedback = [packet for each in compounds for packet in parse_rtcp(each)]
        lost = [seq for each in feedback if isinstance(each, GenericNack) for seq in each.lost]
        assert lost == list(range(18, 4000, 18))

    def test_more_producers_than_a_packet_can_name_are_reported_in_several(self) -> None:
        stage = Stage()
        peer = stage.peer()
        for number in range(300):
            ssrc = 1000 + number
            feedback = (media.REMB,)
            peer.produces_audio(media.audio(ssrc=ssrc, mid=None, feedback=feedback))
            peer.sends(media.rtp(1, ssrc=ssrc, payload_type=media.OPUS))
        peer.hears()
        stage.advance(S)
        reported = [
            block.ssrc
            for each in peer.hears()
            if isinstance(each, ReceiverReport)
            for block in each.reports
        ]
        assert sorted(reported) == list(range(1000, 1300))


def test_nothing_is_sent_before_the_connection() -> None:
    stage = Stage()
    teacher, student = stage.peer(), stage.peer(connected=False)
    student.consumes(teacher.produces_video())
    teacher.sends(media.rtp(1, media.KEY_START))
    stage.advance(3 * S)
    assert (student.link.rtp, student.link.rtcp) == ([], [])


def test_rtp_goes_out_in_the_order_of_arrival() -> None:
    lesson = Lesson()
    lesson.start()
    payloads = [b"\x61%d" % number for number in range(20)]
    lesson.teacher.sends(*(media.rtp(101 + n, payload) for n, payload in enumerate(payloads)))
    assert [parse_rtp(data).payload for data in lesson.student.link.rtp] == payloads


def test_header_extensions_that_are_for_the_receiver_arrive() -> None:
    lesson = Lesson()
    lesson.start()
    elements = ((media.TRANSPORT_CC, b"\x00\x07"), (media.ORIENTATION, b"\x01"))
    lesson.teacher.sends(media.rtp(101, elements=elements))
    (packet,) = lesson.student.gets()
    assert (media.ROUTER_ORIENTATION, b"\x01") in parse_extensions(packet)


def test_transport_wide_numbers_are_reported_to_the_sender() -> None:
    lesson = Lesson()
    for number in range(3):
        elements = ((media.TRANSPORT_CC, bytes((0, 7 + number))),)
        lesson.teacher.sends(media.rtp(100 + number, elements=elements))
    lesson.advance(200 * MS)
    (feedback,) = [each for each in lesson.teacher.hears() if isinstance(each, TransportCcFeedback)]
    assert (feedback.base_sequence, len(feedback.deltas)) == (7, 3)
