"""What the router supports, in its order of preference."""

from __future__ import annotations

from functools import cache
from typing import Final

from sidecar.ortc.extensions import router_header_extensions
from sidecar.ortc.parameters import (
    ParameterValue,
    RtcpFeedback,
    RtpCapabilities,
    RtpCodecCapability,
)

_TRANSPORT_CC: Final = RtcpFeedback(type="transport-cc")
_NACK: Final = RtcpFeedback(type="nack")
_AUDIO_FEEDBACK: Final = (_NACK, _TRANSPORT_CC)
_VIDEO_FEEDBACK: Final = (
    _NACK,
    RtcpFeedback(type="nack", parameter="pli"),
    RtcpFeedback(type="ccm", parameter="fir"),
    RtcpFeedback(type="goog-remb"),
    _TRANSPORT_CC,
)


@cache
def router_rtp_capabilities() -> RtpCapabilities:
    """The codecs and header extensions that producers may send and consumers may receive.

    Opus, H.264 (constrained baseline 3.1, packetization mode 1) and VP8, each video codec with RTX.
    """
    opus = RtpCodecCapability(
        kind="audio",
        mime_type="audio/opus",
        clock_rate=48_000,
        channels=2,
        preferred_payload_type=100,
        parameters={"useinbandfec": 1, "minptime": 10},
        rtcp_feedback=_AUDIO_FEEDBACK,
    )
    h264 = _video(
        "video/H264",
        101,
        {
            "level-asymmetry-allowed": 1,
            "packetization-mode": 1,
            "profile-level-id": "42e01f",
            "x-google-start-bitrate": 3000,
            "x-google-max-bitrate": 5000,
        },
    )
    vp8 = _video("video/VP8", 103, {"x-google-start-bitrate": 2500, "x-google-max-bitrate": 4000})
    return RtpCapabilities(
        codecs=(opus, h264, _rtx_of(h264, 102), vp8, _rtx_of(vp8, 104)),
        header_extensions=router_header_extensions(),
    )


def _video(
    mime_type: str, payload_type: int, parameters: dict[str, ParameterValue]
) -> RtpCodecCapability:
    return RtpCodecCapability(
        kind="video",
        mime_type=mime_type,
        clock_rate=90_000,
        preferred_payload_type=payload_type,
        parameters=parameters,
        rtcp_feedback=_VIDEO_FEEDBACK,
    )


def _rtx_of(codec: RtpCodecCapability, payload_type: int) -> RtpCodecCapability:
    return RtpCodecCapability(
        kind=codec.kind,
        mime_type="video/rtx",
        clock_rate=codec.clock_rate,
        preferred_payload_type=payload_type,
        parameters={"apt": codec.preferred_payload_type},
    )
