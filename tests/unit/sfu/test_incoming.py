"""A producer's stream on its way in: repair, feedback, inspection."""

from __future__ import annotations

from itertools import pairwise

import pytest

from sidecar.ortc import RtpParameters, producer_rtp_mapping, router_rtp_capabilities
from sidecar.rtp.errors import RtpError
from sidecar.rtp.packet import parse_rtp
from sidecar.rtp.rtcp import (
    FirEntry,
    FullIntraRequest,
    GenericNack,
    PictureLossIndication,
    RtcpPacket,
)
from sidecar.sfu.forwarding import MAX_LATE_PACKETS, ForwardedPacket, PacketTranslator
from sidecar.sfu.incoming import IncomingStream
from tests.unit.sfu import media
from tests.unit.sfu.support import MS, S

STARTS = [0, 1, 32767, 65534, 65535]
OUR_SSRC = 5


class Incoming:
    """A stream under test and its clock."""

    def __init__(self, parameters: RtpParameters | None = None) -> None:
        parameters = parameters or media.video()
        mapping = producer_rtp_mapping(parameters, router_rtp_capabilities())
        translator = PacketTranslator(mapping, abs_send_time_id=4, hop_by_hop_ids=frozenset())
        self.now_ns = S
        self.stream = IncomingStream(parameters, mapping, translator, self.now_ns)

    def receive(self, data: bytes) -> ForwardedPacket | None:
        packet = parse_rtp(data)
        return self.stream.receive(packet, (), self.now_ns)

    def receive_all(self, *sequence_numbers: int) -> list[int | None]:
        """The low 16 bits of what is forwarded for each number."""
        outcomes = [self.receive(media.rtp(number)) for number in sequence_numbers]
        return [each.ext_seq & 0xFFFF if each is not None else None for each in outcomes]

    def poll(self) -> list[RtcpPacket]:
        return self.stream.poll(self.now_ns, OUR_SSRC)

    def asked_for(self) -> list[int]:
        """The packets asked for now."""
        return [
            number for each in self.poll() if isinstance(each, GenericNack) for number in each.lost
        ]


@pytest.fixture
def incoming() -> Incoming:
    return Incoming()


@pytest.mark.parametrize("start", STARTS)
def test_packets_in_order_go_on_numbered_without_a_break(incoming: Incoming, start: int) -> None:
    forwarded = [incoming.receive(media.rtp(start + count)) for count in range(10)]
    numbers = [each.ext_seq for each in forwarded if each is not None]
    assert numbers == list(range(65536 + start, 65536 + start + 10))


@pytest.mark.parametrize("start", STARTS)
def test_out_of_order_packets_go_on_once_and_duplicates_never(
    incoming: Incoming, start: int
) -> None:
    first, second, third, fourth = ((start + count) & 0xFFFF for count in range(4))
    assert incoming.receive_all(first, third, second, third, second, fourth) == [
        first,
        third,
        second,
        None,
        None,
        fourth,
    ]


@pytest.mark.parametrize("start", STARTS)
def test_retransmission_restores_the_original_and_goes_on_once(
    incoming: Incoming, start: int
) -> None:
    lost = parse_rtp(media.rtp(start + 1, b"\x67lost", timestamp=77, marker=True))
    incoming.receive_all(start, start + 2)
    elements = ((media.ORIENTATION, b"\x01"),)
    restored = incoming.receive(media.rtx(900, lost, elements=elements))
    assert restored is not None
    assert restored.ext_seq == 65536 + start + 1
    assert restored.timestamp == 77
    assert restored.first_word == 0x9000 | 0x80 | media.ROUTER_H264
    assert restored.tail[restored.payload_offset :] == b"\x67lost"
    assert restored.is_key_frame
    assert incoming.receive(media.rtx(901, lost)) is None
    assert incoming.receive(lost.data) is None


def test_probes_in_the_retransmission_stream_are_ignored(incoming: Incoming) -> None:
    incoming.receive_all(10, 11)
    probe = media.rtp(
        1, b"", ssrc=media.VIDEO_RTX_SSRC, payload_type=media.H264_RTX, padding_bytes=200
    )
    assert incoming.receive(probe) is None
    assert incoming.receive_all(12) == [12]
    assert incoming.asked_for() == []
    assert incoming.stream.statistics.packets == 3


@pytest.mark.parametrize("payload", [b"", b"\x00"])
def test_retransmission_without_content_is_an_error(incoming: Incoming, payload: bytes) -> None:
    data = media.rtp(1, payload, ssrc=media.VIDEO_RTX_SSRC, payload_type=media.H264_RTX)
    with pytest.raises(RtpError):
        incoming.receive(data)


def test_padding_in_the_stream_itself_goes_on_so_that_there_is_no_hole(incoming: Incoming) -> None:
    incoming.receive_all(10)
    forwarded = incoming.receive(media.rtp(11, b"", padding_bytes=200))
    assert forwarded is not None
    assert forwarded.tail[forwarded.payload_offset :] == b""
    incoming.receive_all(12)
    assert incoming.asked_for() == []


def test_payload_types_that_were_not_negotiated_are_ignored(incoming: Incoming) -> None:
    assert incoming.receive(media.rtp(1, payload_type=35)) is None
    assert incoming.stream.statistics.packets == 0


def test_what_comes_too_late_to_be_protected_is_kept_for_those_who_ask(
    incoming: Incoming,
) -> None:
    newest = 100 + MAX_LATE_PACKETS + 1
    incoming.receive_all(100, newest)
    late = [parse_rtp(media.rtp(number)) for number in (101, 102)]
    assert [incoming.receive(media.rtx(number, late[number])) is not None for number in (0, 1)] == [
        False,
        True,
    ]
    newest_seq = incoming.stream.newest_seq
    assert all(incoming.stream.buffer.peek(newest_seq - newest + each) for each in (101, 102))


class TestNack:
    @pytest.mark.parametrize("start", STARTS)
    def test_loss_is_asked_for_at_once(self, incoming: Incoming, start: int) -> None:
        incoming.receive_all(start, start + 3)
        lost = tuple((start + count) & 0xFFFF for count in (1, 2))
        assert incoming.stream.next_timeout_ns == incoming.now_ns
        assert incoming.poll() == [GenericNack(OUR_SSRC, media.VIDEO_SSRC, lost)]
        assert incoming.stream.nacked_packets == 2

    def test_requests_are_spaced_and_bounded_and_then_a_key_frame_is_wanted(
        self, incoming: Incoming
    ) -> None:
        incoming.receive_all(10, 12)
        times: list[int] = []
        while incoming.stream.next_timeout_ns is not None and len(times) < 100:
            incoming.now_ns = max(incoming.now_ns, incoming.stream.next_timeout_ns)
            feedback = incoming.poll()
            if PictureLossIndication(OUR_SSRC, media.VIDEO_SSRC) in feedback:
                break
            times.append(incoming.now_ns)
        assert len(times) == 10
        gaps = [later - earlier for earlier, later in pairwise(times)]
        assert min(gaps) >= 20 * MS

    def test_nothing_is_asked_for_without_the_feedback_negotiated(self) -> None:
        incoming = Incoming(media.audio())
        for number in (10, 12):
            data = media.rtp(number, ssrc=media.AUDIO_SSRC, payload_type=media.OPUS)
            assert incoming.receive(data) is not None
        assert incoming.poll() == []
        assert incoming.stream.next_timeout_ns is None

    def test_key_frame_makes_what_was_lost_before_it_irrelevant(self, incoming: Incoming) -> None:
        incoming.receive_all(10)
        incoming.receive(media.rtp(13, media.KEY_START))
        assert incoming.asked_for() == []


class TestKeyFrames:
    @pytest.mark.parametrize(
        ("payload_type", "key", "delta"),
        [
            (media.H264, media.KEY_START, media.DELTA),
            (media.VP8, media.VP8_KEY, media.VP8_DELTA),
        ],
    )
    def test_are_recognised_and_counted(self, payload_type: int, key: bytes, delta: bytes) -> None:
        incoming = Incoming(media.video(codecs=media.video_codecs(payload_type)))
        outcomes = [
            incoming.receive(media.rtp(number, payload, payload_type=payload_type))
            for number, payload in enumerate((key, delta, key))
        ]
        assert [each.is_key_frame for each in outcomes if each is not None] == [True, False, True]
        assert incoming.stream.key_frames == 2

    def test_audio_starts_anywhere_and_has_no_key_frames(self) -> None:
        incoming = Incoming(media.audio())
        forwarded = incoming.receive(media.rtp(1, payload_type=media.OPUS, ssrc=media.AUDIO_SSRC))
        assert forwarded is not None
        assert forwarded.is_key_frame
        assert incoming.stream.key_frames == 0
        incoming.stream.request_key_frame(incoming.now_ns)
        assert incoming.poll() == []

    def test_request_goes_out_at_once_and_is_repeated_until_one_arrives(
        self, incoming: Incoming
    ) -> None:
        pli = PictureLossIndication(OUR_SSRC, media.VIDEO_SSRC)
        incoming.stream.request_key_frame(incoming.now_ns)
        assert incoming.poll() == [pli]
        assert incoming.poll() == []
        for count in range(2, 6):
            timeout_ns = incoming.stream.next_timeout_ns
            assert timeout_ns is not None
            incoming.now_ns = timeout_ns
            assert incoming.poll() == [pli]
            assert incoming.stream.key_frame_requests == count
        incoming.receive(media.rtp(1, media.KEY_START))
        assert incoming.stream.next_timeout_ns is None

    def test_are_asked_for_with_fir_by_those_who_know_nothing_else(self) -> None:
        codecs = media.video_codecs(feedback=(media.FIR,))
        incoming = Incoming(media.video(codecs=codecs))
        for sequence_number in (1, 2):
            incoming.stream.request_key_frame(incoming.now_ns)
            entry = FirEntry(media.VIDEO_SSRC, sequence_number)
            assert incoming.poll() == [FullIntraRequest(OUR_SSRC, (entry,))]
            incoming.now_ns += S

    def test_are_not_asked_for_before_the_ssrc_is_known(self) -> None:
        incoming = Incoming(media.video(ssrc=None, rtx_ssrc=None))
        incoming.stream.request_key_frame(incoming.now_ns)
        assert incoming.poll() == []
        assert incoming.stream.next_timeout_ns is None
        incoming.stream.ssrc = 99
        assert incoming.stream.next_timeout_ns == incoming.now_ns
        assert incoming.poll() == [PictureLossIndication(OUR_SSRC, 99)]


def test_new_sequence_under_the_same_ssrc_is_a_restart_not_a_loss(incoming: Incoming) -> None:
    incoming.receive_all(10, 11)
    assert incoming.receive_all(40_000, 40_001, 40_002) == [None, 40_001, 40_002]
    assert incoming.stream.restarts == 1
    assert incoming.asked_for() == []
    assert incoming.stream.statistics.packets_lost == 0


def test_single_stray_packet_is_no_restart(incoming: Incoming) -> None:
    assert incoming.receive_all(10, 40_000, 11, 12) == [10, None, 11, 12]
    assert incoming.stream.restarts == 0


def test_rate_counts_retransmissions_too(incoming: Incoming) -> None:
    original = parse_rtp(media.rtp(11, bytes(988)))
    incoming.receive_all(10)
    incoming.receive(media.rtx(1, original))
    received_bytes = len(media.rtp(10)) + len(media.rtx(1, original))
    assert incoming.stream.bytes_received == received_bytes
    incoming.now_ns += S
    assert incoming.stream.bits_per_second(incoming.now_ns) == 8 * received_bytes


def test_rate_is_that_of_the_last_seconds(incoming: Incoming) -> None:
    incoming.receive_all(10)
    for _ in range(2):
        incoming.now_ns += S
        incoming.stream.sample_rate(incoming.now_ns)
    incoming.receive_all(11)
    assert incoming.stream.bits_per_second(incoming.now_ns) == 8 * len(media.rtp(11))
