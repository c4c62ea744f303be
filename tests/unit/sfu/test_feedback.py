"""RTCP in both directions, read back from the bytes that were sent."""

from __future__ import annotations

import pytest

from sidecar.engine.ntp import middle_32_bits, ntp_interval, ntp_interval_32
from sidecar.rtp.packet import parse_rtp
from sidecar.rtp.rtcp import (
    Bye,
    FirEntry,
    FullIntraRequest,
    GenericNack,
    PictureLossIndication,
    ReceiverEstimatedMaxBitrate,
    ReceiverReport,
    ReportBlock,
    SdesChunk,
    SenderReport,
    SourceDescription,
    TransportCcFeedback,
)
from sidecar.sfu.transport import REPORT_GRID_NS
from tests.unit.sfu import media
from tests.unit.sfu.support import MAX_BITRATE_BPS, MS, Lesson, Peer, S, Stage

NTP = 3_900_000_000 << 32


def report_block(ssrc: int, **fields: int) -> ReportBlock:
    known = dict.fromkeys(
        (
            "fraction_lost",
            "packets_lost",
            "highest_sequence",
            "jitter",
            "last_sr",
            "delay_since_last_sr",
        ),
        0,
    )
    return ReportBlock(ssrc, **(known | fields))


class TestTowardsSenders:
    def test_receiver_report_tells_loss_and_the_last_sender_report(self) -> None:
        lesson = Lesson()
        lesson.teacher_sends(65534, 65535, 1, 2, each_ms=1)
        lesson.teacher.reports(SenderReport(media.VIDEO_SSRC, NTP, 0, 4, 400))
        lesson.teacher.hears()
        lesson.advance(S)
        ((report, remb),) = (
            compound
            for compound in lesson.teacher.hears_compounds()
            if isinstance(compound[0], ReceiverReport)
        )
        assert isinstance(report, ReceiverReport)
        assert report.ssrc == lesson.teacher.transport.ssrc
        (block,) = report.reports
        assert block.ssrc == media.VIDEO_SSRC
        assert block.fraction_lost == 256 // 5
        assert block.packets_lost == 1
        assert block.highest_sequence == 65536 + 2
        assert block.last_sr == middle_32_bits(NTP)
        assert 0 < block.delay_since_last_sr <= ntp_interval_32(S)
        assert remb == ReceiverEstimatedMaxBitrate(
            lesson.teacher.transport.ssrc, MAX_BITRATE_BPS, (media.VIDEO_SSRC,)
        )

    def test_reports_come_every_second(self) -> None:
        lesson = Lesson()
        lesson.start()
        lesson.teacher.hears()
        lesson.advance(10 * S)
        reports = [each for each in lesson.teacher.hears() if isinstance(each, ReceiverReport)]
        assert 10 <= len(reports) <= 11

    def test_bitrate_limit_is_for_those_who_understand_it(self) -> None:
        stage = Stage()
        peer = stage.peer()
        peer.produces_audio()
        peer.sends(media.rtp(1, ssrc=media.AUDIO_SSRC, payload_type=media.OPUS))
        peer.hears()
        stage.advance(2 * S)
        heard = peer.hears()
        assert heard
        assert all(isinstance(each, ReceiverReport) for each in heard)

    def test_loss_is_asked_for_in_the_same_round(self) -> None:
        lesson = Lesson()
        lesson.start(65533)
        lesson.teacher.hears()
        lesson.teacher_sends(1)
        assert lesson.teacher.hears() == [
            GenericNack(lesson.teacher.transport.ssrc, media.VIDEO_SSRC, (65534, 65535, 0))
        ]

    def test_arrivals_of_all_streams_are_told_by_their_transport_wide_numbers(self) -> None:
        stage = Stage()
        teacher = stage.peer()
        teacher.produces_video()
        teacher.produces_audio()
        streams = ((media.VIDEO_SSRC, media.H264), (media.AUDIO_SSRC, media.OPUS))
        for transport_wide, (ssrc, payload_type) in zip((65535, 1), streams, strict=True):
            number = transport_wide.to_bytes(2, "big")
            teacher.sends(
                media.rtp(
                    1,
                    ssrc=ssrc,
                    payload_type=payload_type,
                    elements=((media.TRANSPORT_CC, number),),
                )
            )
            stage.advance(10 * MS)
        teacher.hears()
        stage.advance(100 * MS)
        (feedback,) = (each for each in teacher.hears() if isinstance(each, TransportCcFeedback))
        assert feedback.sender_ssrc == teacher.transport.ssrc
        assert feedback.media_ssrc == media.VIDEO_SSRC
        assert feedback.base_sequence == 65535
        assert feedback.feedback_count == 0
        first, missing, second = feedback.deltas
        assert missing is None
        assert second == 40
        assert first is not None

    def test_probes_are_told_too(self) -> None:
        lesson = Lesson()
        probe = media.rtp(
            1,
            b"",
            ssrc=media.VIDEO_RTX_SSRC,
            payload_type=media.H264_RTX,
            elements=((media.TRANSPORT_CC, b"\x00\x07"),),
            padding_bytes=200,
        )
        lesson.teacher.sends(probe)
        lesson.advance(100 * MS)
        (feedback,) = (
            each for each in lesson.teacher.hears() if isinstance(each, TransportCcFeedback)
        )
        assert feedback.base_sequence == 7


class TestTowardsReceivers:
    def sync(self, peer: Peer) -> dict[int, tuple[SenderReport, SdesChunk]]:
        """The newest report and description of each stream, which come in one compound."""
        heard: dict[int, tuple[SenderReport, SdesChunk]] = {}
        for *reports, description in peer.hears_compounds():
            if isinstance(description, SourceDescription):
                for report, chunk in zip(reports, description.chunks, strict=True):
                    assert isinstance(report, SenderReport)
                    heard[report.ssrc] = (report, chunk)
        return heard

    def test_audio_and_video_of_one_sender_share_ntp_time_and_cname(self) -> None:
        stage = Stage()
        teacher, student = stage.peer(), stage.peer()
        video = student.consumes(teacher.produces_video()).stream
        audio = student.consumes(teacher.produces_audio()).stream
        opus = media.rtp(1, ssrc=media.AUDIO_SSRC, payload_type=media.OPUS, timestamp=480_000)
        teacher.sends(media.rtp(1, media.KEY_START, timestamp=900_000), opus)
        sent = {packet.ssrc: packet for packet in student.gets()}
        # The video was captured 20 ms before the audio, and its report is slower by 30 ms.
        teacher.reports(SenderReport(media.AUDIO_SSRC, NTP, 480_000, 1, 1))
        stage.advance(30 * MS)
        teacher.reports(SenderReport(media.VIDEO_SSRC, NTP, 900_000 + 1800, 1, 1))
        student.hears()
        stage.advance(S)
        heard = self.sync(student)
        assert set(heard) == {video.ssrc, audio.ssrc}
        captured = {}
        for ssrc, clock_rate in ((video.ssrc, 90_000), (audio.ssrc, 48_000)):
            report, description = heard[ssrc]
            assert description == SdesChunk(ssrc, "teacher")
            assert (report.packet_count, report.octet_count) == (1, len(sent[ssrc].payload))
            ticks = (report.rtp_timestamp - sent[ssrc].timestamp) & 0xFFFFFFFF
            captured[ssrc] = report.ntp_timestamp - (ticks << 32) // clock_rate
        assert heard[video.ssrc][0].ntp_timestamp == heard[audio.ssrc][0].ntp_timestamp
        skew = captured[audio.ssrc] - captured[video.ssrc]
        assert skew == pytest.approx(ntp_interval(20 * MS), abs=ntp_interval(MS // 10))

    def test_report_follows_the_timestamps_over_a_pause(self) -> None:
        lesson = Lesson()
        lesson.teacher.reports(SenderReport(media.VIDEO_SSRC, NTP, 100 * 90, 1, 1))
        lesson.start(100)
        lesson.consumer.pause()
        lesson.advance(5 * S)
        lesson.student.hears()
        lesson.advance(2 * S)
        assert self.sync(lesson.student) == {}
        lesson.consumer.resume()
        # 7 s later by the sender's clock as well: 630 000 ticks after the report.
        data = media.rtp(200, media.KEY_START, timestamp=100 * 90 + 630_000)
        lesson.teacher.sends(data)
        (packet,) = lesson.student.gets()
        ((report, _),) = self.sync(lesson.student).values()
        assert report.ntp_timestamp == NTP + ntp_interval(7 * S)
        assert (packet.timestamp - report.rtp_timestamp) & 0xFFFFFFFF == 0

    def test_first_report_comes_with_the_first_packets(self) -> None:
        lesson = Lesson()
        lesson.teacher.reports(SenderReport(media.VIDEO_SSRC, NTP, 100 * 90, 1, 1))
        lesson.student.hears()
        lesson.start(100)
        assert set(self.sync(lesson.student)) == {lesson.consumer.stream.ssrc}

    def test_there_is_no_report_before_the_senders_first(self) -> None:
        lesson = Lesson()
        lesson.start()
        lesson.advance(3 * S)
        assert lesson.student.hears() == []


class TestFromReceivers:
    def test_round_trip_follows_from_our_report_and_theirs(self) -> None:
        lesson = Lesson()
        lesson.teacher.reports(SenderReport(media.VIDEO_SSRC, NTP, 0, 1, 1))
        lesson.start()
        (ours,) = (each for each in lesson.student.hears() if isinstance(each, SenderReport))
        lesson.advance(240 * MS)
        block = report_block(
            lesson.consumer.stream.ssrc,
            fraction_lost=64,
            packets_lost=5,
            jitter=450,
            last_sr=middle_32_bits(ours.ntp_timestamp),
            delay_since_last_sr=ntp_interval_32(200 * MS),
        )
        lesson.student.reports(ReceiverReport(1, (block,)))
        stats = lesson.consumer.stats()
        assert stats.round_trip_ms == pytest.approx(40, abs=0.1)
        assert (stats.packets_lost, stats.fraction_lost, stats.jitter_ms) == (5, 0.25, 5.0)

    def test_reports_within_a_sender_report_count_as_well(self) -> None:
        lesson = Lesson()
        block = report_block(lesson.consumer.stream.ssrc, packets_lost=7)
        lesson.student.reports(SenderReport(1, 0, 0, 0, 0, (block,)))
        assert lesson.consumer.stats().packets_lost == 7

    @pytest.mark.parametrize("offset", [1, 2])
    def test_reports_on_other_streams_do_not_count(self, offset: int) -> None:
        lesson = Lesson()
        block = report_block(lesson.consumer.stream.ssrc + offset, packets_lost=7)
        lesson.student.reports(ReceiverReport(1, (block,)))
        assert lesson.consumer.stats().packets_lost is None

    def test_nack_is_answered_at_once_by_rtx(self) -> None:
        lesson = Lesson()
        first = lesson.start()
        nack = GenericNack(1, lesson.consumer.stream.ssrc, (first.sequence_number,))
        lesson.student.reports(nack)
        (again,) = lesson.student.gets()
        assert again.ssrc == lesson.consumer.stream.rtx_ssrc
        assert again.payload_type == media.ROUTER_H264_RTX
        assert again.payload == first.sequence_number.to_bytes(2, "big") + first.payload
        lesson.student.reports(nack)
        assert lesson.student.gets() == []
        assert lesson.consumer.stats().nacked_packets == 2
        assert lesson.consumer.stats().retransmitted_packets == 1

    def test_nack_is_answered_plainly_without_rtx(self) -> None:
        lesson = Lesson(capabilities=media.without_rtx())
        first = lesson.start()
        lesson.student.reports(
            GenericNack(1, lesson.consumer.stream.ssrc, (first.sequence_number,))
        )
        assert [packet.data for packet in lesson.student.gets()] == [first.data]

    @pytest.mark.parametrize("kind", ["pli", "fir"])
    def test_key_frame_requests_of_several_receivers_become_one(self, kind: str) -> None:
        lesson = Lesson()
        lesson.start()
        peers = [lesson.student, *(lesson.peer() for _ in range(5))]
        consumers = [lesson.consumer, *(peer.consumes(lesson.producer) for peer in peers[1:])]
        lesson.start(101)
        lesson.advance(2 * S)
        lesson.teacher.hears()
        for peer, consumer in zip(peers, consumers, strict=True):
            ssrc = consumer.stream.ssrc
            request = (
                PictureLossIndication(1, ssrc)
                if kind == "pli"
                else FullIntraRequest(1, (FirEntry(ssrc, 0),))
            )
            data = request.to_bytes()
            peer.transport.receive_rtcp(data, lesson.now_ns)
        lesson.process()
        assert lesson.teacher.hears() == [
            PictureLossIndication(lesson.teacher.transport.ssrc, media.VIDEO_SSRC)
        ]

    def test_requests_for_other_streams_go_nowhere(self) -> None:
        lesson = Lesson()
        lesson.start()
        lesson.advance(2 * S)
        lesson.teacher.hears()
        lesson.student.reports(
            PictureLossIndication(1, 42),
            FullIntraRequest(1, (FirEntry(42, 0),)),
            GenericNack(1, 42, (1,)),
            Bye((42,)),
        )
        assert lesson.teacher.hears() == []
        assert lesson.student.gets() == []

    def test_reports_of_many_streams_come_in_few_compounds(self) -> None:
        stage = Stage()
        teacher = stage.peer()
        students = [stage.peer() for _ in range(6)]
        heard = []
        for number, student in enumerate(students):
            ssrc = 100 + number
            parameters = media.audio(ssrc=ssrc)
            heard.append(teacher.consumes(student.produces_audio(parameters)).stream.ssrc)
            student.sends(media.rtp(1, ssrc=ssrc, payload_type=media.OPUS))
            student.reports(SenderReport(ssrc, NTP, 0, 1, 1))
        teacher.hears()
        stage.advance(S)
        compounds = [each for each in teacher.hears_compounds() if type(each[0]) is SenderReport]
        assert [len(each) for each in compounds] == [5, 3]
        reports = [packet for each in compounds for packet in each]
        assert [each.ssrc for each in reports if isinstance(each, SenderReport)] == heard

    def test_reports_of_a_whole_class_go_out_together(self) -> None:
        stage = Stage()
        teacher = stage.peer()
        producer = teacher.produces_audio()
        for _ in range(49):
            student = stage.peer()
            student.consumes(producer)
            stage.advance(20 * MS)
        stage.advance(2 * S)
        times = set()
        for _ in range(1000):
            stage.advance(1 * MS)
            times.add(stage.worker.next_timeout_ns)
        assert len(times) <= 1 + S // REPORT_GRID_NS

    def test_bitrate_estimate_is_kept(self) -> None:
        lesson = Lesson()
        ours, other = lesson.consumer.stream.ssrc, 42
        lesson.student.reports(ReceiverEstimatedMaxBitrate(1, 1_000_000, (other,)))
        assert lesson.student.transport.stats().available_outgoing_bps is None
        lesson.student.reports(ReceiverEstimatedMaxBitrate(1, 2_000_000, (ours,)))
        assert lesson.student.transport.stats().available_outgoing_bps == 2_000_000


class TestFromSenders:
    def test_goodbye_ends_the_reports_on_its_clock(self) -> None:
        lesson = Lesson()
        lesson.teacher.reports(SenderReport(media.VIDEO_SSRC, NTP, 0, 1, 1))
        lesson.start()
        lesson.advance(S)
        assert lesson.student.hears()
        lesson.teacher.reports(Bye((media.VIDEO_SSRC,)))
        lesson.advance(2 * S)
        assert lesson.student.hears() == []

    @pytest.mark.parametrize("stood_s", [2, 8, 60])
    def test_clock_of_a_stream_that_stood_still_is_told_as_its_packets_say(
        self, stood_s: int
    ) -> None:
        stage = Stage()
        teacher, student = stage.peer(), stage.peer()
        consumer = student.consumes(teacher.produces_audio())
        start_ns = stage.now_ns

        def send(number: int) -> None:
            timestamp = number * 960
            teacher.sends(
                media.rtp(
                    number, timestamp=timestamp, ssrc=media.AUDIO_SSRC, payload_type=media.OPUS
                )
            )
            stage.advance(20 * MS)

        def report() -> None:
            elapsed_ns = stage.now_ns - start_ns
            ntp = NTP + ntp_interval(elapsed_ns)
            teacher.reports(SenderReport(media.AUDIO_SSRC, ntp, elapsed_ns * 48 // MS, 1, 1))

        for number in range(100):
            send(number)
        report()
        stage.advance(stood_s * S)
        for number in range(100, 200):
            send(number)
        offset = consumer.stream.numbers.timestamp_offset
        *_, ours = [each for each in student.hears() if isinstance(each, SenderReport)]
        newest = 199 * 960 + offset
        assert abs(((newest - ours.rtp_timestamp + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)) < 48_000

    def test_goodbye_of_somebody_elses_stream_does_nothing(self) -> None:
        lesson = Lesson()
        lesson.teacher.reports(SenderReport(media.VIDEO_SSRC, NTP, 0, 1, 1))
        lesson.start()
        lesson.student.reports(Bye((media.VIDEO_SSRC,)))
        lesson.student.hears()
        lesson.advance(2 * S)
        assert lesson.student.hears()

    def test_report_on_a_stream_that_is_not_theirs_is_ignored(self) -> None:
        lesson = Lesson()
        lesson.start()
        lesson.student.reports(SenderReport(media.VIDEO_SSRC, NTP, 0, 1, 1))
        lesson.teacher.reports(SenderReport(media.VIDEO_RTX_SSRC, NTP, 0, 1, 1))
        lesson.student.hears()
        lesson.advance(2 * S)
        assert lesson.student.hears() == []


def test_malformed_compound_is_not_acted_on_in_part() -> None:
    lesson = Lesson()
    first = parse_rtp(lesson.start().data)
    nack = GenericNack(1, lesson.consumer.stream.ssrc, (first.sequence_number,)).to_bytes()
    lesson.student.transport.receive_rtcp(nack + b"\x80\xc9", lesson.now_ns)
    lesson.process()
    assert lesson.student.gets() == []
    assert lesson.student.transport.stats().packets_discarded == 1
