"""What is the same for all consumers of a packet."""

from __future__ import annotations

import struct

import pytest

from sidecar.ortc import RtpParameters, producer_rtp_mapping, router_rtp_capabilities
from sidecar.rtp.header_extensions import encode_abs_send_time, parse_extensions
from sidecar.rtp.packet import RtpPacket, parse_rtp
from sidecar.sfu.extension_reader import ExtensionReader
from sidecar.sfu.forwarding import ForwardedPacket, PacketTranslator
from tests.unit.sfu import media
from tests.unit.sfu.support import MS, S

NOW_NS = 5 * S
HOP_BY_HOP = frozenset(
    {
        media.ROUTER_MID,
        media.ROUTER_RID,
        media.ROUTER_REPAIRED_RID,
        media.ROUTER_TRANSPORT_CC,
    }
)
FRESH_SEND_TIME = (media.ROUTER_ABS_SEND_TIME, encode_abs_send_time(NOW_NS))


def translate(data: bytes, parameters: RtpParameters | None = None) -> ForwardedPacket:
    mapping = producer_rtp_mapping(parameters or media.video(), router_rtp_capabilities())
    translator = PacketTranslator(
        mapping, abs_send_time_id=media.ROUTER_ABS_SEND_TIME, hop_by_hop_ids=HOP_BY_HOP
    )
    packet = parse_rtp(data)
    _number, elements = ExtensionReader(translator.extension_ids, -1).read(packet)
    return translator.translate(packet, elements, 70_000, True, NOW_NS)


def as_sent(forwarded: ForwardedPacket, tail: bytes | None = None) -> RtpPacket:
    header = struct.pack("!HHII", forwarded.first_word, 1, forwarded.timestamp, 7)
    return parse_rtp(header + (forwarded.tail if tail is None else tail))


@pytest.mark.parametrize(
    ("sent", "expected"), [(media.H264, media.ROUTER_H264), (media.VP8, media.ROUTER_VP8)]
)
@pytest.mark.parametrize("marker", [False, True])
def test_payload_type_becomes_the_routers_and_the_marker_stays(
    sent: int, expected: int, marker: bool
) -> None:
    parameters = media.video(codecs=media.video_codecs(sent))
    data = media.rtp(1, b"payload", payload_type=sent, marker=marker, timestamp=9)
    packet = as_sent(translate(data, parameters))
    assert (packet.payload_type, packet.marker, packet.timestamp) == (expected, marker, 9)
    assert packet.payload == b"payload"


def test_what_concerns_sender_and_router_only_stays_behind() -> None:
    elements = (
        (media.MID, b"0"),
        (media.RID, b"hi"),
        (media.REPAIRED_RID, b"hi"),
        (media.TRANSPORT_CC, b"\x00\x01"),
    )
    packet = as_sent(translate(media.rtp(1, elements=elements)))
    assert parse_extensions(packet) == [FRESH_SEND_TIME]


@pytest.mark.parametrize("elements", [(), ((media.ABS_SEND_TIME, b"\x01\x02\x03"),)])
def test_abs_send_time_is_that_of_forwarding(elements: tuple[tuple[int, bytes], ...]) -> None:
    packet = as_sent(translate(media.rtp(1, elements=elements)))
    assert parse_extensions(packet) == [FRESH_SEND_TIME]


def test_end_to_end_extensions_of_video_get_the_routers_ids() -> None:
    elements = (
        (media.ORIENTATION, b"\x01"),
        (media.PLAYOUT_DELAY, b"\x00\x10\x20"),
        (media.TOFFSET, b"\x00\x00\x05"),
        (media.CAPTURE_TIME, b"12345678"),
    )
    packet = as_sent(translate(media.rtp(1, elements=elements)))
    assert parse_extensions(packet) == [
        FRESH_SEND_TIME,
        (media.ROUTER_ORIENTATION, b"\x01"),
        (media.ROUTER_PLAYOUT_DELAY, b"\x00\x10\x20"),
        (media.ROUTER_TOFFSET, b"\x00\x00\x05"),
        (media.ROUTER_CAPTURE_TIME, b"12345678"),
    ]


def test_audio_level_gets_the_routers_id() -> None:
    data = media.rtp(1, payload_type=media.OPUS, elements=((media.AUDIO_LEVEL, b"\x9e"),))
    packet = as_sent(translate(data, media.audio()))
    assert parse_extensions(packet) == [FRESH_SEND_TIME, (media.ROUTER_AUDIO_LEVEL, b"\x9e")]


def test_extensions_that_were_not_negotiated_stay_behind() -> None:
    packet = as_sent(translate(media.rtp(1, elements=((13, b"secret"),))))
    assert parse_extensions(packet) == [FRESH_SEND_TIME]


def test_two_byte_form_is_understood_and_used_where_needed() -> None:
    capture_time = b"a value of twenty by"
    elements = ((media.MID, b"0"), (media.CAPTURE_TIME, capture_time))
    forwarded = translate(media.rtp(1, b"payload", elements=elements))
    packet = as_sent(forwarded)
    assert packet.extension_profile == 0x1000
    assert parse_extensions(packet) == [
        FRESH_SEND_TIME,
        (media.ROUTER_CAPTURE_TIME, capture_time),
    ]
    assert packet.payload == b"payload"


def test_two_byte_form_becomes_the_one_byte_form_where_that_is_enough() -> None:
    elements = ((media.MID, b"a name of over 16 bytes"), (media.ORIENTATION, b"\x01"))
    packet = as_sent(translate(media.rtp(1, elements=elements)))
    assert packet.extension_profile == 0xBEDE
    assert parse_extensions(packet) == [FRESH_SEND_TIME, (media.ROUTER_ORIENTATION, b"\x01")]


@pytest.mark.parametrize("capture_time", [b"12345678", b"a value of twenty by"])
def test_tail_for_sending_again_differs_in_abs_send_time_only(capture_time: bytes) -> None:
    elements = ((media.CAPTURE_TIME, capture_time),)
    forwarded = translate(media.rtp(1, b"payload", elements=elements))
    later_ns = NOW_NS + 30 * MS
    packet = as_sent(forwarded, forwarded.tail_sent_at(later_ns))
    assert parse_extensions(packet) == [
        (media.ROUTER_ABS_SEND_TIME, encode_abs_send_time(later_ns)),
        (media.ROUTER_CAPTURE_TIME, capture_time),
    ]
    assert packet.payload == b"payload"


def test_padding_is_stripped() -> None:
    packet = as_sent(translate(media.rtp(1, b"payload", padding_bytes=200)))
    assert packet.padding_bytes == 0
    assert packet.payload == b"payload"


def test_packet_of_padding_only_becomes_an_empty_one() -> None:
    packet = as_sent(translate(media.rtp(1, b"", padding_bytes=200)))
    assert packet.payload == b""
    assert not packet.is_padding_only


def test_contributing_sources_are_dropped() -> None:
    data = media.rtp(1, b"payload")
    with_sources = bytes((data[0] | 2,)) + data[1:12] + b"abcdefgh" + data[12:]
    packet = as_sent(translate(with_sources))
    assert packet.payload == b"payload"
    assert packet.data[0] & 0x0F == 0


def test_payload_offset_is_where_the_payload_starts() -> None:
    forwarded = translate(media.rtp(1, b"payload", elements=((media.ORIENTATION, b"\x01"),)))
    assert forwarded.tail[forwarded.payload_offset :] == b"payload"
