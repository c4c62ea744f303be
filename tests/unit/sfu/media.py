"""Parameters and packets as a browser sends them."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from sidecar.ortc import (
    RtcpFeedback,
    RtcpParameters,
    RtpCapabilities,
    RtpCodecParameters,
    RtpEncodingParameters,
    RtpHeaderExtensionParameters,
    RtpParameters,
    RtxParameters,
    router_rtp_capabilities,
)
from sidecar.ortc.parameters import ParameterValue
from sidecar.rtp import header_extensions as uris
from sidecar.rtp.header_extensions import build_extension_block
from sidecar.rtp.packet import RtpPacket, build_rtp

VIDEO_SSRC: Final = 1111
VIDEO_RTX_SSRC: Final = 2222
AUDIO_SSRC: Final = 3333

H264: Final = 108
H264_RTX: Final = 109
VP8: Final = 96
VP8_RTX: Final = 97
OPUS: Final = 111
"""The sender's payload types."""

ROUTER_OPUS: Final = 100
ROUTER_H264: Final = 101
ROUTER_H264_RTX: Final = 102
ROUTER_VP8: Final = 103
ROUTER_VP8_RTX: Final = 104

TOFFSET, ABS_SEND_TIME, ORIENTATION, TRANSPORT_CC, PLAYOUT_DELAY = 1, 2, 3, 4, 5
MID, RID, REPAIRED_RID, CAPTURE_TIME, AUDIO_LEVEL = 9, 10, 11, 12, 14
"""The sender's header extension ids."""

ROUTER_MID, ROUTER_RID, ROUTER_REPAIRED_RID, ROUTER_ABS_SEND_TIME, ROUTER_TRANSPORT_CC = range(1, 6)
ROUTER_AUDIO_LEVEL, ROUTER_ORIENTATION, ROUTER_TOFFSET = 6, 8, 9
ROUTER_CAPTURE_TIME, ROUTER_PLAYOUT_DELAY = 10, 11

NACK: Final = RtcpFeedback(type="nack")
PLI: Final = RtcpFeedback(type="nack", parameter="pli")
FIR: Final = RtcpFeedback(type="ccm", parameter="fir")
REMB: Final = RtcpFeedback(type="goog-remb")
VIDEO_FEEDBACK: Final = (REMB, RtcpFeedback(type="transport-cc"), FIR, NACK, PLI)

KEY_START: Final = b"\x67"
"""A sequence parameter set (H.264)."""
KEY_REST: Final = b"\x65"
DELTA: Final = b"\x61"

VP8_KEY: Final = b"\x10\x00"
VP8_DELTA: Final = b"\x10\x01"

CAPABILITIES: Final = router_rtp_capabilities()
"""A receiver that understands all that the router does."""

_VIDEO_EXTENSIONS: Final = (
    (uris.MID_URI, MID),
    (uris.RTP_STREAM_ID_URI, RID),
    (uris.REPAIRED_RTP_STREAM_ID_URI, REPAIRED_RID),
    (uris.ABS_SEND_TIME_URI, ABS_SEND_TIME),
    (uris.TRANSPORT_CC_URI, TRANSPORT_CC),
    (uris.VIDEO_ORIENTATION_URI, ORIENTATION),
    (uris.TOFFSET_URI, TOFFSET),
    (uris.ABS_CAPTURE_TIME_URI, CAPTURE_TIME),
    (uris.PLAYOUT_DELAY_URI, PLAYOUT_DELAY),
)
_AUDIO_EXTENSIONS: Final = (
    (uris.MID_URI, MID),
    (uris.ABS_SEND_TIME_URI, ABS_SEND_TIME),
    (uris.TRANSPORT_CC_URI, TRANSPORT_CC),
    (uris.AUDIO_LEVEL_URI, AUDIO_LEVEL),
)


def without_rtx(capabilities: RtpCapabilities = CAPABILITIES) -> RtpCapabilities:
    """A receiver that gets retransmissions under their own number."""
    codecs = tuple(each for each in capabilities.codecs if not each.mime_type.endswith("/rtx"))
    return replace(capabilities, codecs=codecs)


def video_codecs(
    payload_type: int = H264, feedback: tuple[RtcpFeedback, ...] = VIDEO_FEEDBACK
) -> tuple[RtpCodecParameters, ...]:
    """H.264 or VP8, by its payload type, and its RTX."""
    parameters: dict[str, ParameterValue] = (
        {"packetization-mode": 1, "profile-level-id": "42e01f"} if payload_type == H264 else {}
    )
    media = RtpCodecParameters(
        mime_type="video/H264" if payload_type == H264 else "video/VP8",
        payload_type=payload_type,
        clock_rate=90_000,
        parameters=parameters,
        rtcp_feedback=feedback,
    )
    rtx = RtpCodecParameters(
        mime_type="video/rtx",
        payload_type=payload_type + 1,
        clock_rate=90_000,
        parameters={"apt": payload_type},
    )
    return (media, rtx)


def video(
    *,
    codecs: tuple[RtpCodecParameters, ...] = video_codecs(),
    ssrc: int | None = VIDEO_SSRC,
    rtx_ssrc: int | None = VIDEO_RTX_SSRC,
    mid: str | None = "0",
    cname: str | None = "teacher",
) -> RtpParameters:
    """What a browser that shares its screen says it sends."""
    return RtpParameters(
        codecs=codecs,
        header_extensions=_extensions(_VIDEO_EXTENSIONS),
        encodings=(
            RtpEncodingParameters(
                ssrc=ssrc, rtx=RtxParameters(ssrc=rtx_ssrc) if rtx_ssrc is not None else None
            ),
        ),
        rtcp=RtcpParameters(cname=cname),
        mid=mid,
    )


def audio(
    *,
    ssrc: int | None = AUDIO_SSRC,
    mid: str | None = "1",
    cname: str | None = "teacher",
    feedback: tuple[RtcpFeedback, ...] = (),
) -> RtpParameters:
    """What a browser with a microphone says it sends."""
    opus = RtpCodecParameters(
        mime_type="audio/opus",
        payload_type=OPUS,
        clock_rate=48_000,
        channels=2,
        rtcp_feedback=feedback,
    )
    return RtpParameters(
        codecs=(opus,),
        header_extensions=_extensions(_AUDIO_EXTENSIONS),
        encodings=(RtpEncodingParameters(ssrc=ssrc),),
        rtcp=RtcpParameters(cname=cname),
        mid=mid,
    )


def rtp(
    sequence_number: int,
    payload: bytes = DELTA,
    *,
    timestamp: int = 0,
    ssrc: int = VIDEO_SSRC,
    payload_type: int = H264,
    marker: bool = False,
    elements: tuple[tuple[int, bytes], ...] = (),
    padding_bytes: int = 0,
) -> bytes:
    """One packet; of the video unless it is said otherwise."""
    return build_rtp(
        payload_type=payload_type,
        sequence_number=sequence_number & 0xFFFF,
        timestamp=timestamp & 0xFFFFFFFF,
        ssrc=ssrc,
        payload=payload,
        marker=marker,
        extensions=build_extension_block(list(elements)),
        padding_bytes=padding_bytes,
    )


def rtx(
    sequence_number: int,
    original: RtpPacket,
    *,
    payload_type: int = H264_RTX,
    elements: tuple[tuple[int, bytes], ...] = (),
) -> bytes:
    """The sender's retransmission of a packet of the video (RFC 4588)."""
    return rtp(
        sequence_number,
        original.sequence_number.to_bytes(2, "big") + original.payload,
        timestamp=original.timestamp,
        ssrc=VIDEO_RTX_SSRC,
        payload_type=payload_type,
        marker=original.marker,
        elements=elements,
    )


def _extensions(pairs: tuple[tuple[str, int], ...]) -> tuple[RtpHeaderExtensionParameters, ...]:
    return tuple(RtpHeaderExtensionParameters(uri=uri, id=identifier) for uri, identifier in pairs)
