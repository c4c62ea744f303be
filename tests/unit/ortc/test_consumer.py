from __future__ import annotations

import pytest
from msgspec.structs import replace

from sidecar.ortc import (
    OrtcError,
    RtcpFeedback,
    RtpCapabilities,
    RtpCodecCapability,
    RtpEncodingParameters,
    RtpHeaderExtension,
    RtpParameters,
    RtxParameters,
    can_consume,
    consumer_rtp_parameters,
    router_rtp_capabilities,
)
from sidecar.ortc.extensions import ABS_SEND_TIME_URI, TOFFSET_URI, TRANSPORT_CC_URI
from tests.unit.ortc.builders import (
    ENCODING,
    NACK,
    PLI,
    REMB,
    TRANSPORT_CC,
    consumable,
    h264,
    opus,
    receiving,
    sending,
    vp8,
)

VIDEO = consumable(sending())
AUDIO = consumable(sending(opus()), "audio")
ABS_SEND_TIME = RtpHeaderExtension(uri=ABS_SEND_TIME_URI, preferred_id=4)
ROUTER_OPUS, ROUTER_H264, _, ROUTER_VP8, ROUTER_VP8_RTX = router_rtp_capabilities().codecs


def consume(offer: RtpParameters, capabilities: RtpCapabilities) -> RtpParameters:
    return consumer_rtp_parameters(offer, capabilities, ssrc=10, rtx_ssrc=11, mid="3")


def vp8_feedback(capabilities: RtpCapabilities) -> tuple[RtcpFeedback, ...]:
    return consume(VIDEO, capabilities).codecs[0].rtcp_feedback


def test_a_consumer_has_its_own_ssrcs_and_mid() -> None:
    parameters = consume(VIDEO, receiving())

    assert parameters.mid == "3"
    assert parameters.encodings == (
        RtpEncodingParameters(ssrc=10, rtx=RtxParameters(ssrc=11), max_bitrate=5_000_000),
    )
    assert parameters.rtcp == VIDEO.rtcp
    assert parameters.msid == "stream track"


@pytest.mark.parametrize("max_bitrate", [None, 0])
def test_no_bitrate_bound_is_left_out(max_bitrate: int | None) -> None:
    offer = consumable(sending(encodings=(replace(ENCODING, max_bitrate=max_bitrate),)))

    assert consume(offer, receiving()).encodings[0].max_bitrate is None


def test_scalability_mode_is_passed_on() -> None:
    offer = consumable(sending(encodings=(replace(ENCODING, scalability_mode="L1T3"),)))

    assert consume(offer, receiving()).encodings[0].scalability_mode == "L1T3"


def test_rtx_is_used_if_the_receiver_has_it_for_this_codec() -> None:
    other_rtx = replace(ROUTER_VP8_RTX, parameters={"apt": 50})

    with_rtx = consume(VIDEO, receiving(ROUTER_VP8, ROUTER_VP8_RTX))
    assert [codec.payload_type for codec in with_rtx.codecs] == [103, 104]
    for capabilities in (receiving(ROUTER_VP8), receiving(ROUTER_VP8, other_rtx)):
        without_rtx = consume(VIDEO, capabilities)
        assert [codec.payload_type for codec in without_rtx.codecs] == [103]
        assert without_rtx.encodings[0].rtx is None


def test_rtx_is_found_by_the_receivers_own_payload_types() -> None:
    capabilities = receiving(
        replace(ROUTER_VP8, preferred_payload_type=50),
        replace(ROUTER_VP8_RTX, preferred_payload_type=51, parameters={"apt": 50}),
    )

    codecs = consume(VIDEO, capabilities).codecs

    assert [codec.payload_type for codec in codecs] == [103, 104]
    assert codecs[1].parameters == {"apt": 103}


def test_rtx_is_not_used_if_the_receivers_codec_has_no_payload_type() -> None:
    capabilities = receiving(replace(ROUTER_VP8, preferred_payload_type=None), ROUTER_VP8_RTX)

    assert consume(VIDEO, capabilities).encodings[0].rtx is None


def test_feedback_is_what_both_have_but_for_transport_cc() -> None:
    codec = replace(ROUTER_VP8, rtcp_feedback=(REMB, TRANSPORT_CC, NACK, PLI, NACK))

    assert vp8_feedback(receiving(codec)) == (REMB, NACK, PLI)


def test_feedback_that_the_router_does_not_have_is_not_promised() -> None:
    tmmbr = RtcpFeedback(type="ccm", parameter="tmmbr")

    assert vp8_feedback(receiving(replace(ROUTER_VP8, rtcp_feedback=(tmmbr, PLI)))) == (PLI,)


def test_remb_needs_abs_send_time() -> None:
    toffset = RtpHeaderExtension(uri=TOFFSET_URI, preferred_id=9)

    assert REMB in vp8_feedback(receiving(header_extensions=(ABS_SEND_TIME,)))
    assert REMB not in vp8_feedback(receiving(header_extensions=(toffset,)))


def test_audio_is_not_retransmitted() -> None:
    parameters = consume(AUDIO, receiving())

    assert [codec.rtcp_feedback for codec in parameters.codecs] == [()]
    assert parameters.encodings[0].rtx is None


@pytest.mark.parametrize(
    ("extension", "kept"),
    [
        (ABS_SEND_TIME, True),
        (replace(ABS_SEND_TIME, kind="audio"), True),
        (replace(ABS_SEND_TIME, preferred_id=5), False),
        (replace(ABS_SEND_TIME, preferred_encrypt=True), False),
        (RtpHeaderExtension(uri=TRANSPORT_CC_URI, preferred_id=5), False),
        (RtpHeaderExtension(uri="urn:unknown", preferred_id=4), False),
    ],
)
def test_header_extensions_are_those_that_both_have(
    extension: RtpHeaderExtension, kept: bool
) -> None:
    parameters = consume(VIDEO, receiving(header_extensions=(extension,)))

    assert [each.uri for each in parameters.header_extensions] == [ABS_SEND_TIME_URI] * kept


def test_receivers_match_h264_by_profile_and_get_the_producers_level() -> None:
    offer = consumable(sending(h264(profile_level_id="42c028")))
    receiver = replace(
        ROUTER_H264, parameters={"packetization-mode": 1, "profile-level-id": "4de01f"}
    )

    assert can_consume(offer, receiving(receiver))
    codec = consume(offer, receiving(receiver)).codecs[0]
    assert codec.parameters["profile-level-id"] == "42e028"


@pytest.mark.parametrize(
    "capabilities",
    [
        RtpCapabilities(),
        receiving(ROUTER_OPUS),
        receiving(ROUTER_H264),
        receiving(ROUTER_VP8_RTX),
        receiving(replace(ROUTER_VP8, clock_rate=8000)),
    ],
)
def test_without_a_common_codec_nothing_can_be_consumed(capabilities: RtpCapabilities) -> None:
    assert not can_consume(VIDEO, capabilities)
    with pytest.raises(OrtcError, match=r"^Cannot consume$"):
        consume(VIDEO, capabilities)


def test_with_invalid_capabilities_nothing_can_be_consumed() -> None:
    capabilities = receiving(ROUTER_VP8, RtpCodecCapability(mime_type="rubbish", clock_rate=1))

    assert not can_consume(VIDEO, capabilities)
    with pytest.raises(OrtcError, match="mimeType 'rubbish'"):
        consume(VIDEO, capabilities)


def test_one_of_several_codecs_is_enough() -> None:
    offer = consumable(sending(h264(96), vp8(98)))

    assert can_consume(offer, receiving(ROUTER_VP8))
    assert [codec.payload_type for codec in consume(offer, receiving(ROUTER_VP8)).codecs] == [103]


def test_an_offer_is_left_as_it_was() -> None:
    offer = consumable(sending())

    consume(offer, receiving(ROUTER_VP8, header_extensions=()))

    assert offer == consumable(sending())
