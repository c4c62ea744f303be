from __future__ import annotations

import pytest
from msgspec.structs import replace

from sidecar.ortc import (
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
)
from sidecar.ortc.parameters import ParameterValue
from sidecar.ortc.validation import (
    MAX_ITEMS,
    validate_rtp_capabilities,
    validate_rtp_parameters,
)
from tests.unit.ortc.builders import ENCODING, receiving, rtx, sending, vp8

MANY = MAX_ITEMS + 1


def refuse(parameters: RtpParameters, message: str) -> None:
    with pytest.raises(OrtcError, match=message):
        validate_rtp_parameters(parameters)


def test_what_browsers_send_is_valid() -> None:
    validate_rtp_parameters(sending())
    validate_rtp_capabilities(receiving())


@pytest.mark.parametrize("count", [0, 2, 3])
def test_exactly_one_encoding_is_supported(count: int) -> None:
    encodings = tuple(RtpEncodingParameters(ssrc=ssrc) for ssrc in range(1, count + 1))

    refuse(sending(encodings=encodings), f"exactly one encoding is supported, not {count}")


@pytest.mark.parametrize("ssrc", [0, -1, 2**32, 10**100])
def test_ssrc_out_of_range(ssrc: int) -> None:
    refuse(sending(encodings=(RtpEncodingParameters(ssrc=ssrc),)), "ssrc is not in the range")
    encoding = RtpEncodingParameters(ssrc=1, rtx=RtxParameters(ssrc=ssrc))
    refuse(sending(encodings=(encoding,)), "ssrc is not in the range")


@pytest.mark.parametrize("ssrc", [1, 2**32 - 1])
def test_ssrc_in_range(ssrc: int) -> None:
    validate_rtp_parameters(sending(encodings=(RtpEncodingParameters(ssrc=ssrc),)))


def test_rtx_needs_an_ssrc_of_its_own() -> None:
    encoding = RtpEncodingParameters(ssrc=5, rtx=RtxParameters(ssrc=5))

    refuse(sending(encodings=(encoding,)), "the same ssrc is used twice")


@pytest.mark.parametrize(
    "encoding",
    [
        replace(ENCODING, max_bitrate=-1),
        replace(ENCODING, max_bitrate=2**53),
        replace(ENCODING, max_framerate=-0.5),
        replace(ENCODING, max_framerate=float("nan")),
        replace(ENCODING, rid="r\n"),
        replace(ENCODING, scalability_mode="L" * 256),
    ],
)
def test_absurd_encodings(encoding: RtpEncodingParameters) -> None:
    with pytest.raises(OrtcError):
        validate_rtp_parameters(sending(encodings=(encoding,)))


def test_payload_types_are_unique() -> None:
    refuse(sending(vp8(96), rtx(96, 96)), "the same payloadType is used twice")


@pytest.mark.parametrize("payload_type", [-1, 128])
def test_payload_type_out_of_range(payload_type: int) -> None:
    refuse(sending(vp8(payload_type)), "payloadType is not in the range 0 to 127")


@pytest.mark.parametrize("extension_id", [0, 256, -1])
def test_header_extension_id_out_of_range(extension_id: int) -> None:
    extension = RtpHeaderExtensionParameters(uri="urn:x", id=extension_id)

    refuse(sending(header_extensions=(extension,)), "header extension id is not in the range")


def test_header_extension_ids_are_unique() -> None:
    extensions = tuple(RtpHeaderExtensionParameters(uri=uri, id=1) for uri in ("urn:x", "urn:y"))

    refuse(sending(header_extensions=extensions), "the same header extension id is used twice")


@pytest.mark.parametrize(
    "codec",
    [
        replace(vp8(), mime_type="VP8"),
        replace(vp8(), mime_type="video/"),
        replace(vp8(), mime_type="text/plain"),
        replace(vp8(), mime_type="video/" + "x" * 255),
        replace(vp8(), clock_rate=0),
        replace(vp8(), clock_rate=2**32),
        replace(vp8(), channels=0),
        replace(vp8(), channels=256),
        replace(vp8(), parameters={"x" * 256: 1}),
        replace(vp8(), rtcp_feedback=(RtcpFeedback(type="x" * 256),)),
        replace(vp8(), rtcp_feedback=(RtcpFeedback(type="nack", parameter="a\rb"),)),
        replace(vp8(), rtcp_feedback=tuple(RtcpFeedback(type=str(n)) for n in range(MANY))),
    ],
)
def test_absurd_codecs(codec: RtpCodecParameters) -> None:
    with pytest.raises(OrtcError):
        validate_rtp_parameters(sending(codec))


@pytest.mark.parametrize("value", ["x" * 2049, "a\r\nb", 2**53, -(2**53), 1e300, float("nan")])
def test_absurd_codec_parameters(value: ParameterValue) -> None:
    refuse(sending(replace(vp8(), parameters={"key": value})), "parameter key")


@pytest.mark.parametrize(
    "parameters",
    [
        sending(mid="m" * 33),
        sending(mid="a\r\nb"),
        sending(msid="m" * 256),
        sending(msid="stream track\r\na=candidate:x"),
        sending(cname="c" * 256),
        sending(cname="é" * 128),
        sending(cname="c\x00"),
        replace(sending(), rtcp=RtcpParameters(cname="\u2028")),
    ],
)
def test_absurd_texts(parameters: RtpParameters) -> None:
    with pytest.raises(OrtcError):
        validate_rtp_parameters(parameters)


def test_longest_texts() -> None:
    validate_rtp_parameters(sending(mid="m" * 32, msid="m" * 255, cname="c" * 255))


def test_lists_are_bounded() -> None:
    codecs = tuple(vp8(payload_type) for payload_type in range(MANY))
    extensions = tuple(
        RtpHeaderExtensionParameters(uri="urn:x", id=number) for number in range(1, MANY + 1)
    )
    parameters: dict[str, ParameterValue] = {str(number): number for number in range(MANY)}

    refuse(sending(*codecs), "codecs has 65 entries, 64 are allowed")
    refuse(sending(header_extensions=extensions), "headerExtensions has 65 entries")
    refuse(sending(replace(vp8(), parameters=parameters)), "parameters has 65 entries")
    validate_rtp_parameters(sending(*codecs[:-1], header_extensions=extensions[:-1]))


@pytest.mark.parametrize(
    "capabilities",
    [
        receiving(RtpCodecCapability(mime_type="opus", clock_rate=48_000)),
        receiving(
            RtpCodecCapability(mime_type="video/VP8", clock_rate=1, preferred_payload_type=128)
        ),
        receiving(header_extensions=(RtpHeaderExtension(uri="urn:x", preferred_id=0),)),
        receiving(header_extensions=(RtpHeaderExtension(uri="u" * 256, preferred_id=1),)),
        receiving(header_extensions=(RtpHeaderExtension(uri="urn:x", preferred_id=1),) * MANY),
        receiving(*(RtpCodecCapability(mime_type="video/VP8", clock_rate=90_000),) * MANY),
    ],
)
def test_absurd_capabilities(capabilities: RtpCapabilities) -> None:
    with pytest.raises(OrtcError):
        validate_rtp_capabilities(capabilities)
