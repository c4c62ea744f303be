from __future__ import annotations

import pytest
from msgspec.structs import replace

from sidecar.ortc import (
    OrtcError,
    RtcpParameters,
    RtpCapabilities,
    RtpEncodingParameters,
    RtpHeaderExtensionParameters,
    RtpParameters,
    consumable_rtp_parameters,
    producer_rtp_mapping,
    router_rtp_capabilities,
)
from sidecar.ortc.extensions import (
    ABS_CAPTURE_TIME_URI,
    ABS_SEND_TIME_URI,
    AUDIO_LEVEL_URI,
    MID_URI,
    PLAYOUT_DELAY_URI,
    TOFFSET_URI,
    TRANSPORT_CC_URI,
    VIDEO_ORIENTATION_URI,
)
from tests.unit.ortc.builders import consumable, h264, opus, rtx, sending, vp8

ROUTER = router_rtp_capabilities()
MID = RtpHeaderExtensionParameters(uri=MID_URI, id=9)


def mapped_codecs(parameters: RtpParameters) -> dict[int, int]:
    return producer_rtp_mapping(parameters, ROUTER).codecs


def refuse(parameters: RtpParameters, message: str) -> None:
    with pytest.raises(OrtcError, match=message):
        producer_rtp_mapping(parameters, ROUTER)


def test_payload_types_are_mapped_with_those_of_rtx() -> None:
    assert mapped_codecs(sending(h264(45), rtx(46, 45))) == {45: 101, 46: 102}
    assert mapped_codecs(sending(vp8(45), rtx(46, 45))) == {45: 103, 46: 104}
    assert mapped_codecs(sending(opus(9))) == {9: 100}


def test_rtx_may_come_first_and_name_its_codec_in_digits() -> None:
    assert mapped_codecs(sending(rtx(46, "45"), vp8(45))) == {45: 103, 46: 104}


def test_several_codecs_are_mapped() -> None:
    parameters = sending(vp8(96), rtx(97, 96), h264(98), rtx(99, 98))

    assert mapped_codecs(parameters) == {96: 103, 97: 104, 98: 101, 99: 102}


@pytest.mark.parametrize(
    "codec",
    [
        replace(vp8(), mime_type="video/VP9"),
        replace(vp8(), mime_type="video/AV1"),
        replace(vp8(), clock_rate=48_000),
        replace(opus(), mime_type="audio/PCMU"),
        opus(channels=1),
        h264(packetization_mode=0),
        h264(profile_level_id="64001f"),
    ],
)
def test_unsupported_codecs_are_named(codec: object) -> None:
    assert isinstance(codec, type(vp8()))
    refuse(sending(codec), f"unsupported codec {codec.mime_type} ")


@pytest.mark.parametrize("apt", [50, 97, None, "rubbish"])
def test_rtx_without_its_codec_is_refused(apt: int | str | None) -> None:
    refuse(sending(vp8(96), rtx(97, apt)), "no media codec for the RTX payload type 97")


def test_rtx_that_the_router_does_not_have_is_refused() -> None:
    audio_rtx = replace(rtx(112, 111), mime_type="audio/rtx", clock_rate=48_000)

    refuse(sending(opus(111), audio_rtx), "unsupported codec audio/rtx for audio/opus")
    refuse(sending(vp8(96), replace(rtx(97, 96), clock_rate=8000)), "unsupported codec video/rtx")


def test_a_media_codec_is_needed() -> None:
    refuse(replace(sending(), codecs=()), "no media codec")
    refuse(sending(rtx(97, 96)), "no media codec")


def test_kinds_are_not_mixed() -> None:
    refuse(sending(vp8(), opus()), "audio and video codecs can't be in one producer")


def test_invalid_parameters_are_refused() -> None:
    refuse(sending(encodings=()), "exactly one encoding")


def test_header_extensions_are_mapped_and_unknown_ones_left_out() -> None:
    uris = (MID_URI, "urn:unknown", TRANSPORT_CC_URI, AUDIO_LEVEL_URI, TOFFSET_URI)
    extensions = tuple(
        RtpHeaderExtensionParameters(uri=uri, id=number) for number, uri in enumerate(uris, 10)
    )

    video = producer_rtp_mapping(sending(vp8(), header_extensions=extensions), ROUTER)
    audio = producer_rtp_mapping(sending(opus(), header_extensions=extensions), ROUTER)

    assert video.header_extensions == {10: 1, 12: 5, 14: 9}
    assert audio.header_extensions == {10: 1, 12: 5, 13: 6}


def test_encrypted_header_extensions_are_ignored() -> None:
    extensions = (
        RtpHeaderExtensionParameters(uri=ABS_SEND_TIME_URI, id=1, encrypt=True),
        RtpHeaderExtensionParameters(uri=ABS_SEND_TIME_URI, id=2),
    )

    mapping = producer_rtp_mapping(sending(header_extensions=extensions), ROUTER)

    assert mapping.header_extensions == {2: 4}


def test_a_header_extension_is_mapped_once() -> None:
    extensions = tuple(
        RtpHeaderExtensionParameters(uri=ABS_SEND_TIME_URI, id=number) for number in (1, 2)
    )

    mapping = producer_rtp_mapping(sending(header_extensions=extensions), ROUTER)

    assert mapping.header_extensions == {1: 4}


def test_without_ssrc_the_mid_tells_the_stream() -> None:
    encodings = (RtpEncodingParameters(),)

    assert mapped_codecs(sending(vp8(), encodings=encodings, header_extensions=(MID,)))
    for mid, extensions in (
        (None, (MID,)),
        ("", (MID,)),
        ("0", ()),
        ("0", (replace(MID, encrypt=True),)),
    ):
        refuse(
            sending(vp8(), encodings=encodings, header_extensions=extensions, mid=mid),
            "an encoding without ssrc needs a mid",
        )


def test_ssrc_needs_no_mid() -> None:
    assert mapped_codecs(sending(vp8(), header_extensions=(), mid=None))


def test_consumable_codecs_are_in_the_routers_numbers() -> None:
    first, second = consumable(sending(vp8(45), rtx(46, 45))).codecs

    assert (first.mime_type, first.payload_type) == ("video/VP8", 103)
    assert first.rtcp_feedback == ROUTER.codecs[3].rtcp_feedback
    assert (second.mime_type, second.payload_type) == ("video/rtx", 104)
    assert second.parameters == {"apt": 103}


def test_consumers_are_offered_rtx_that_the_producer_does_not_have() -> None:
    assert [codec.payload_type for codec in consumable(sending(vp8(45))).codecs] == [103, 104]


def test_consumable_codec_keeps_the_producers_parameters() -> None:
    codec = replace(opus(), parameters={"sprop-stereo": 1, "usedtx": 1})

    (offered,) = consumable(sending(codec), "audio").codecs

    assert offered.parameters == {"sprop-stereo": 1, "usedtx": 1}
    assert (offered.payload_type, offered.channels) == (100, 2)


def test_consumable_h264_has_the_canonical_profile_level_id() -> None:
    offered, _ = consumable(sending(h264(profile_level_id="4de028"))).codecs

    assert offered.parameters["profile-level-id"] == "42e028"


def test_codecs_that_are_one_to_the_router_are_offered_once() -> None:
    parameters = sending(h264(96), h264(98, profile_level_id="42c028"))

    offered = consumable(parameters).codecs

    assert [codec.payload_type for codec in offered] == [101, 102]
    assert offered[0].parameters["profile-level-id"] == "42e01f"


def test_consumable_header_extensions_are_those_that_are_forwarded() -> None:
    video = consumable(sending(vp8(), header_extensions=(MID,)))
    audio = consumable(sending(opus(), header_extensions=(MID,)), "audio")

    assert [(each.id, each.uri) for each in video.header_extensions] == [
        (4, ABS_SEND_TIME_URI),
        (8, VIDEO_ORIENTATION_URI),
        (9, TOFFSET_URI),
        (10, ABS_CAPTURE_TIME_URI),
        (11, PLAYOUT_DELAY_URI),
    ]
    assert [(each.id, each.uri) for each in audio.header_extensions] == [
        (4, ABS_SEND_TIME_URI),
        (6, AUDIO_LEVEL_URI),
        (10, ABS_CAPTURE_TIME_URI),
        (11, PLAYOUT_DELAY_URI),
    ]


def test_consumable_encoding_has_no_ssrc_of_the_producer() -> None:
    (encoding,) = consumable(sending()).encodings

    assert encoding == RtpEncodingParameters(max_bitrate=5_000_000)


@pytest.mark.parametrize(
    ("cname", "expected"), [("given", "given"), (None, "fallback"), ("", "fallback")]
)
def test_consumable_always_has_a_cname(cname: str | None, expected: str) -> None:
    assert consumable(sending(cname=cname)).rtcp == RtcpParameters(
        cname=expected, reduced_size=True
    )


@pytest.mark.parametrize("msid", ["stream track", None])
def test_msid_is_passed_on(msid: str | None) -> None:
    assert consumable(sending(msid=msid)).msid == msid


def test_codecs_must_be_of_the_announced_kind() -> None:
    with pytest.raises(OrtcError, match="the codecs are not of the kind video"):
        consumable(sending(opus()), "video")


def test_router_without_payload_types_is_an_error() -> None:
    capabilities = RtpCapabilities(
        codecs=tuple(replace(codec, preferred_payload_type=None) for codec in ROUTER.codecs)
    )

    with pytest.raises(OrtcError, match="the router has no payload type for video/VP8"):
        producer_rtp_mapping(sending(vp8()), capabilities)


def test_a_producer_is_left_as_it_was() -> None:
    parameters = sending(h264(profile_level_id="42c01f"), rtx(109, 108))

    mapping = producer_rtp_mapping(parameters, ROUTER)
    consumable_rtp_parameters("video", parameters, ROUTER, mapping, fallback_cname="x")

    assert parameters == sending(h264(profile_level_id="42c01f"), rtx(109, 108))
