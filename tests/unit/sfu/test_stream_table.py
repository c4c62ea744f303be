"""Whose packet it is."""

from __future__ import annotations

import pytest

from sidecar.ortc import RtpParameters
from sidecar.rtp.packet import parse_rtp
from sidecar.sfu import Producer, SfuError
from sidecar.sfu.stream_table import StreamTable
from tests.unit.sfu import media
from tests.unit.sfu.support import Lesson, Stage


def find(table: StreamTable, data: bytes) -> Producer | None:
    packet = parse_rtp(data)
    source = table.known_source(packet.ssrc) or table.learn(packet)
    return source.producer if source is not None else None


def produced(*parameters: RtpParameters) -> tuple[StreamTable, list[Producer]]:
    peer = Stage().peer()
    producers = [
        peer.transport.produce("audio" if each.codecs[0].channels else "video", each)
        for each in parameters
    ]
    return peer.transport.streams, producers


def test_signalled_ssrcs_belong_to_their_producer() -> None:
    table, (video, audio) = produced(media.video(), media.audio())
    assert find(table, media.rtp(1)) is video
    assert find(table, media.rtp(1, ssrc=media.VIDEO_RTX_SSRC)) is video
    assert find(table, media.rtp(1, ssrc=media.AUDIO_SSRC)) is audio
    assert table.find_producer(media.AUDIO_SSRC) is audio


def test_unknown_ssrc_is_nobodys_even_if_there_is_one_producer_only() -> None:
    table, _ = produced(media.video())
    assert find(table, media.rtp(1, ssrc=42)) is None
    assert table.find_producer(42) is None


def test_unknown_ssrc_is_learnt_from_the_mid_and_remembered() -> None:
    unsignalled = media.video(ssrc=None, rtx_ssrc=None)
    table, (video, _) = produced(unsignalled, media.audio())
    mid = ((media.MID, b"0"),)
    assert find(table, media.rtp(1, ssrc=42)) is None
    assert find(table, media.rtp(1, ssrc=42, elements=mid)) is video
    assert find(table, media.rtp(2, ssrc=42)) is video
    rtx = media.rtp(1, ssrc=43, payload_type=media.H264_RTX, elements=mid)
    assert find(table, rtx) is video
    assert (video.stream.ssrc, video.stream.rtx_ssrc) == (42, 43)


def test_learnt_ssrc_that_has_ended_makes_room_for_another() -> None:
    table, (video,) = produced(media.video(ssrc=None, rtx_ssrc=None))
    mid = ((media.MID, b"0"),)
    rtx_packets = [
        media.rtp(1, ssrc=ssrc, payload_type=media.H264_RTX, elements=mid) for ssrc in (43, 45)
    ]
    find(table, media.rtp(1, ssrc=42, elements=mid))
    find(table, rtx_packets[0])
    table.forget_learnt(42)
    table.forget_learnt(43)
    assert find(table, media.rtp(1, ssrc=44, elements=mid)) is video
    assert find(table, rtx_packets[1]) is video
    assert (video.stream.ssrc, video.stream.rtx_ssrc) == (44, 45)
    assert find(table, media.rtp(2, ssrc=42)) is None


def test_signalled_ssrcs_are_not_forgotten() -> None:
    table, (video,) = produced(media.video())
    for ssrc in (media.VIDEO_SSRC, media.VIDEO_RTX_SSRC, 42):
        table.forget_learnt(ssrc)
    assert find(table, media.rtp(1)) is video
    assert find(table, media.rtp(1, ssrc=media.VIDEO_RTX_SSRC)) is video


@pytest.mark.parametrize(
    "elements", [((media.MID, b"1"),), ((media.MID, b"00"),), ((media.RID, b"0"),)]
)
def test_other_mid_teaches_nothing(elements: tuple[tuple[int, bytes], ...]) -> None:
    table, _ = produced(media.video(ssrc=None, rtx_ssrc=None))
    assert find(table, media.rtp(1, ssrc=42, elements=elements)) is None


def test_mid_teaches_nothing_with_a_payload_type_of_another_stream() -> None:
    table, _ = produced(media.video(ssrc=None, rtx_ssrc=None))
    data = media.rtp(1, ssrc=42, payload_type=media.OPUS, elements=((media.MID, b"0"),))
    assert find(table, data) is None


def test_mid_does_not_add_a_second_ssrc_to_a_stream_that_has_one() -> None:
    table, _ = produced(media.video())
    mid = ((media.MID, b"0"),)
    assert find(table, media.rtp(1, ssrc=42, elements=mid)) is None
    assert find(table, media.rtp(1, ssrc=43, payload_type=media.H264_RTX, elements=mid)) is None


@pytest.mark.parametrize(
    ("second", "code"),
    [
        (media.video(mid="9"), "ssrc-in-use"),
        (media.video(mid="9", ssrc=media.VIDEO_RTX_SSRC, rtx_ssrc=8), "ssrc-in-use"),
        (media.video(mid="9", ssrc=8, rtx_ssrc=media.VIDEO_SSRC), "ssrc-in-use"),
        (media.video(ssrc=8, rtx_ssrc=9), "mid-in-use"),
    ],
)
def test_second_producer_with_the_ssrc_or_mid_of_the_first_is_refused(
    second: RtpParameters, code: str
) -> None:
    stage = Stage()
    peer = stage.peer()
    first = peer.produces_video()
    with pytest.raises(SfuError) as caught:
        peer.produces_video(second)
    assert caught.value.code == code
    assert list(peer.transport.producers.values()) == [first]
    assert list(stage.router.producers.values()) == [first]
    assert find(peer.transport.streams, media.rtp(1)) is first


def test_ssrc_that_was_learnt_is_taken() -> None:
    table, (video,) = produced(media.video(ssrc=None, rtx_ssrc=None))
    find(table, media.rtp(1, ssrc=42, elements=((media.MID, b"0"),)))
    with pytest.raises(SfuError):
        video.transport.produce("video", media.video(ssrc=42, mid="9"))


def test_producers_without_mid_do_not_collide() -> None:
    _, producers = produced(media.video(mid=None), media.audio(mid=None))
    assert len(producers) == 2


def test_closed_producer_frees_its_ssrcs_and_mid_also_those_learnt() -> None:
    table, (video, _) = produced(media.video(ssrc=None, rtx_ssrc=None), media.audio())
    mid = ((media.MID, b"0"),)
    find(table, media.rtp(1, ssrc=42, elements=mid))
    video.close()
    assert find(table, media.rtp(2, ssrc=42, elements=mid)) is None
    again = video.transport.produce("video", media.video(ssrc=42))
    assert find(table, media.rtp(3, ssrc=42)) is again


def test_other_peers_may_use_the_same_ssrcs_and_mids() -> None:
    stage = Stage()
    first, second = stage.peer(), stage.peer()
    assert first.produces_video() is not second.produces_video()


def test_feedback_names_any_source_and_0_without_one() -> None:
    table, (video,) = produced(media.video())
    assert table.any_source_ssrc() == media.VIDEO_SSRC
    video.close()
    assert table.any_source_ssrc() == 0


def test_consumer_is_found_by_its_ssrc_and_that_of_its_retransmissions() -> None:
    lesson = Lesson()
    table = lesson.student.transport.streams
    stream = lesson.consumer.stream
    assert stream.rtx_ssrc is not None
    for ssrc in (stream.ssrc, stream.rtx_ssrc):
        assert table.find_consumer(ssrc) is lesson.consumer
        assert table.is_sent(ssrc)
    lesson.consumer.close()
    assert table.find_consumer(stream.ssrc) is None
    assert not table.is_sent(stream.rtx_ssrc)
