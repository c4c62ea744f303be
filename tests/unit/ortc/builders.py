"""Parameters as browsers send them, each part replaceable."""

from __future__ import annotations

from sidecar.ortc import (
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
    consumable_rtp_parameters,
    producer_rtp_mapping,
    router_rtp_capabilities,
)
from sidecar.ortc.extensions import ABS_SEND_TIME_URI, MID_URI
from sidecar.ortc.parameters import MediaKind, ParameterValue

REMB = RtcpFeedback(type="goog-remb")
NACK = RtcpFeedback(type="nack")
PLI = RtcpFeedback(type="nack", parameter="pli")
TRANSPORT_CC = RtcpFeedback(type="transport-cc")

ENCODING = RtpEncodingParameters(
    ssrc=1111, rtx=RtxParameters(ssrc=2222), max_bitrate=5_000_000, max_framerate=30
)


def h264(
    payload_type: int = 108, *, profile_level_id: str = "42e01f", packetization_mode: int = 1
) -> RtpCodecParameters:
    return RtpCodecParameters(
        mime_type="video/H264",
        payload_type=payload_type,
        clock_rate=90_000,
        parameters={
            "level-asymmetry-allowed": 1,
            "packetization-mode": packetization_mode,
            "profile-level-id": profile_level_id,
        },
    )


def vp8(payload_type: int = 96) -> RtpCodecParameters:
    return RtpCodecParameters(mime_type="video/VP8", payload_type=payload_type, clock_rate=90_000)


def opus(payload_type: int = 111, *, channels: int | None = 2) -> RtpCodecParameters:
    return RtpCodecParameters(
        mime_type="audio/opus", payload_type=payload_type, clock_rate=48_000, channels=channels
    )


def rtx(payload_type: int, apt: ParameterValue) -> RtpCodecParameters:
    return RtpCodecParameters(
        mime_type="video/rtx",
        payload_type=payload_type,
        clock_rate=90_000,
        parameters={"apt": apt},
    )


def sending(
    *codecs: RtpCodecParameters,
    encodings: tuple[RtpEncodingParameters, ...] = (ENCODING,),
    header_extensions: tuple[RtpHeaderExtensionParameters, ...] = (
        RtpHeaderExtensionParameters(uri=MID_URI, id=9),
        RtpHeaderExtensionParameters(uri=ABS_SEND_TIME_URI, id=2),
    ),
    mid: str | None = "0",
    cname: str | None = "cname",
    msid: str | None = "stream track",
) -> RtpParameters:
    """What a producer sends; VP8 with RTX unless codecs are given."""
    return RtpParameters(
        codecs=codecs or (vp8(96), rtx(97, 96)),
        header_extensions=header_extensions,
        encodings=encodings,
        rtcp=RtcpParameters(cname=cname),
        msid=msid,
        mid=mid,
    )


def consumable(parameters: RtpParameters, kind: MediaKind = "video") -> RtpParameters:
    """What consumers can be offered of it."""
    router = router_rtp_capabilities()
    mapping = producer_rtp_mapping(parameters, router)
    return consumable_rtp_parameters(kind, parameters, router, mapping, fallback_cname="fallback")


def receiving(
    *codecs: RtpCodecCapability, header_extensions: tuple[RtpHeaderExtension, ...] | None = None
) -> RtpCapabilities:
    """What a receiver supports; all that the router does unless something is given."""
    router = router_rtp_capabilities()
    return RtpCapabilities(
        codecs=codecs or router.codecs,
        header_extensions=(
            router.header_extensions if header_extensions is None else header_extensions
        ),
    )
