"""Whatever a peer sends is a value or this layer's error, never another."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.ortc import (
    DtlsParameters,
    IceCandidate,
    IceParameters,
    OrtcError,
    RtcpFeedback,
    RtcpParameters,
    RtpCapabilities,
    RtpCodecCapability,
    RtpCodecParameters,
    RtpEncodingParameters,
    RtpHeaderExtension,
    RtpHeaderExtensionParameters,
    RtpParameters,
    RtxParameters,
    can_consume,
    consumable_rtp_parameters,
    consumer_rtp_parameters,
    producer_rtp_mapping,
    router_rtp_capabilities,
)
from sidecar.ortc.h264 import parse_profile_level_id
from sidecar.ortc.parameters import ParameterValue
from tests.unit.ortc.builders import consumable, opus, rtx, sending

ROUTER = router_rtp_capabilities()
OFFERS = {"audio": consumable(sending(opus()), "audio"), "video": consumable(sending())}
WIRE_TYPES = (RtpParameters, RtpCapabilities, DtlsParameters, IceParameters, IceCandidate)


def optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


def tuples_of(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(strategy, max_size=4).map(tuple)


def mostly(valid: st.SearchStrategy[Any], wild: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Wild values once in a while: were all of them wild, no check but the first would be met."""
    return st.integers(0, 15).flatmap(lambda number: wild if number == 15 else valid)


wild_texts = st.text(max_size=6) | st.text(min_size=250, max_size=260)
wild_ints = st.integers(-1, 300) | st.integers()
wild_numbers = st.integers() | st.floats()
wild_values: st.SearchStrategy[ParameterValue] = optional(wild_texts | wild_numbers)

texts = mostly(st.sampled_from(["", "0", "stream track"]), wild_texts)
uris = mostly(st.sampled_from([each.uri for each in ROUTER.header_extensions]), wild_texts)
extension_ids = mostly(st.integers(1, 255), wild_ints)
payload_types = mostly(st.integers(0, 127), wild_ints)
ssrcs = mostly(st.integers(1, 2**32 - 1), wild_ints)
feedback = tuples_of(
    mostly(
        st.sampled_from(ROUTER.codecs[1].rtcp_feedback),
        st.builds(RtcpFeedback, type=wild_texts, parameter=wild_texts),
    )
)
profile_level_ids = st.sampled_from(["42e01f", "42c028", "4de01f", "42f00b", "64001f", 640029])
parameters = st.fixed_dictionaries(
    {"packetization-mode": mostly(st.sampled_from([1, "1"]), wild_values)},
    optional={
        "apt": mostly(st.integers(0, 127), wild_values),
        "profile-level-id": mostly(profile_level_ids, wild_values),
        "level-asymmetry-allowed": mostly(st.sampled_from([0, 1]), wild_values),
        "other": mostly(st.sampled_from([None, 1, 0.5, "x"]), wild_values),
    },
)
extension_parameters = st.builds(
    RtpHeaderExtensionParameters,
    uri=uris,
    id=extension_ids,
    encrypt=st.booleans(),
    parameters=parameters,
)
encodings = st.builds(
    RtpEncodingParameters,
    ssrc=mostly(ssrcs, st.none()),
    rid=optional(texts),
    rtx=optional(st.builds(RtxParameters, ssrc=ssrcs)),
    max_bitrate=optional(mostly(st.integers(0, 10**7), wild_numbers)),
    max_framerate=optional(mostly(st.floats(0, 60), wild_numbers)),
    scalability_mode=optional(texts),
)


def codecs_of(mime_types: list[str], clock_rate: int) -> st.SearchStrategy[RtpCodecParameters]:
    return st.builds(
        RtpCodecParameters,
        mime_type=mostly(st.sampled_from(mime_types), wild_texts),
        payload_type=payload_types,
        clock_rate=mostly(st.just(clock_rate), wild_ints),
        channels=mostly(st.just(2), optional(wild_ints)),
        parameters=parameters,
        rtcp_feedback=feedback,
    )


audio_codecs = codecs_of(["audio/opus", "AUDIO/Opus"], 48_000)
video_codecs = codecs_of(["video/H264", "VIDEO/vp8"], 90_000)
codec_lists = mostly(
    # A codec and, most often, its RTX.
    st.tuples(audio_codecs)
    | st.tuples(video_codecs)
    | st.tuples(video_codecs, payload_types).map(
        lambda pair: (pair[0], rtx(pair[1], pair[0].payload_type))
    ),
    tuples_of(audio_codecs | video_codecs | st.builds(rtx, payload_types, wild_values)),
)
rtp_parameters = st.builds(
    RtpParameters,
    codecs=codec_lists,
    header_extensions=tuples_of(extension_parameters),
    encodings=mostly(st.tuples(encodings), tuples_of(encodings)),
    rtcp=st.builds(RtcpParameters, cname=optional(texts), reduced_size=st.booleans()),
    msid=optional(texts),
    mid=optional(texts),
)
rtp_capabilities = st.builds(
    RtpCapabilities,
    codecs=tuples_of(
        mostly(
            st.sampled_from(ROUTER.codecs),
            st.builds(
                RtpCodecCapability,
                mime_type=mostly(st.just("video/rtx"), wild_texts),
                clock_rate=mostly(st.just(90_000), wild_ints),
                channels=optional(wild_ints),
                preferred_payload_type=optional(payload_types),
                parameters=parameters,
                rtcp_feedback=feedback,
            ),
        )
    ),
    header_extensions=tuples_of(
        mostly(
            st.sampled_from(ROUTER.header_extensions),
            st.builds(
                RtpHeaderExtension,
                uri=uris,
                preferred_id=extension_ids,
                preferred_encrypt=st.booleans(),
            ),
        )
    ),
)
json_values = st.recursive(
    optional(st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(
                [
                    "codecs",
                    "headerExtensions",
                    "encodings",
                    "rtcp",
                    "mimeType",
                    "ssrc",
                    "rtx",
                    "uri",
                ]
            )
            | st.text(),
            inner,
        )
    ),
    max_leaves=12,
)


@given(text=st.binary() | json_values.map(msgspec.json.encode))
@pytest.mark.parametrize("wire_type", WIRE_TYPES)
def test_any_json_is_a_value_or_a_decoding_error(
    wire_type: type[msgspec.Struct], text: bytes
) -> None:
    try:
        value = msgspec.json.decode(text, type=wire_type)
    except (msgspec.DecodeError, UnicodeDecodeError):  # msgspec.ValidationError is a DecodeError.
        return
    assert msgspec.json.decode(msgspec.json.encode(value), type=wire_type) == value


@given(sent=rtp_parameters, kind=st.sampled_from(["audio", "video"]))
def test_any_producer_is_mapped_or_refused(
    sent: RtpParameters, kind: Literal["audio", "video"]
) -> None:
    try:
        mapping = producer_rtp_mapping(sent, ROUTER)
        offer = consumable_rtp_parameters(kind, sent, ROUTER, mapping, fallback_cname="fallback")
    except OrtcError as error:
        assert str(error).isprintable()
        return
    assert set(mapping.codecs) == {codec.payload_type for codec in sent.codecs}
    assert set(mapping.codecs.values()) <= {each.preferred_payload_type for each in ROUTER.codecs}
    assert can_consume(offer, ROUTER)
    consumer = consumer_rtp_parameters(offer, ROUTER, ssrc=1, rtx_ssrc=2, mid="0")
    assert_is_sound(consumer)


@given(capabilities=rtp_capabilities)
@pytest.mark.parametrize("kind", ["audio", "video"])
def test_any_receiver_gets_a_consumer_or_is_refused(
    kind: Literal["audio", "video"], capabilities: RtpCapabilities
) -> None:
    offer = OFFERS[kind]
    possible = can_consume(offer, capabilities)
    try:
        consumer = consumer_rtp_parameters(offer, capabilities, ssrc=1, rtx_ssrc=2, mid="0")
    except OrtcError as error:
        assert not possible
        assert str(error).isprintable()
        return
    assert possible
    assert_is_sound(consumer)


@given(text=st.text(max_size=8) | st.integers(0, 0xFFFFFF).map("{:06x}".format))
def test_any_profile_level_id_is_understood_or_not(text: str) -> None:
    parsed = parse_profile_level_id(text)
    if parsed is not None:
        assert parse_profile_level_id(str(parsed)) == parsed


def assert_is_sound(consumer: RtpParameters) -> None:
    """A client can use it, and it is the same after a trip over the wire."""
    assert msgspec.json.decode(msgspec.json.encode(consumer), type=RtpParameters) == consumer
    payload_types = [codec.payload_type for codec in consumer.codecs]
    assert len(set(payload_types)) == len(payload_types)
    has_rtx = any(codec.mime_type == "video/rtx" for codec in consumer.codecs)
    assert (consumer.encodings[0].rtx is not None) == has_rtx
    for codec in consumer.codecs:
        assert RtcpFeedback(type="transport-cc") not in codec.rtcp_feedback
        if codec.mime_type == "video/rtx":
            assert codec.parameters["apt"] in payload_types
