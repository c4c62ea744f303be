"""From what a producer offers and what a receiver supports to what a consumer gets."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from sidecar.ortc.codecs import codecs_match, find_rtx, is_rtx, media_kind
from sidecar.ortc.errors import OrtcError
from sidecar.ortc.extensions import ABS_SEND_TIME_URI
from sidecar.ortc.parameters import (
    RtcpFeedback,
    RtpCapabilities,
    RtpCodecCapability,
    RtpCodecParameters,
    RtpEncodingParameters,
    RtpHeaderExtensionParameters,
    RtpParameters,
    RtxParameters,
)
from sidecar.ortc.validation import validate_rtp_capabilities

_PLAIN_NACK: Final = RtcpFeedback(type="nack")


def can_consume(consumable: RtpParameters, remote_capabilities: RtpCapabilities) -> bool:
    """Whether a receiver supports a codec of the producer; if its capabilities are invalid, not."""
    try:
        validate_rtp_capabilities(remote_capabilities)
    except OrtcError:
        return False
    return any(
        _remote_codec(codec, remote_capabilities) is not None
        for codec in consumable.codecs
        if not is_rtx(codec)
    )


def consumer_rtp_parameters(
    consumable: RtpParameters,
    remote_capabilities: RtpCapabilities,
    *,
    ssrc: int,
    rtx_ssrc: int,
    mid: str,
) -> RtpParameters:
    """What one receiver gets of a producer.

    Codecs, their feedback and header extensions are those that both sides have. Bandwidth is always
    estimated by the receiver (goog-remb), never by transport-cc, which would cost work for each
    packet and each receiver.

    Args:
        consumable: what the producer offers, from ``consumable_rtp_parameters``.
        remote_capabilities: the receiver's.
        ssrc: for the consumer's stream.
        rtx_ssrc: for its retransmissions; not used if the receiver doesn't support RTX.
        mid: for the consumer's media section.

    Raises:
        OrtcError: ``Cannot consume`` if no codec matches, or what is wrong with the capabilities.
    """
    validate_rtp_capabilities(remote_capabilities)
    header_extensions = _common_extensions(consumable, remote_capabilities)
    has_abs_send_time = any(each.uri == ABS_SEND_TIME_URI for each in header_extensions)
    codecs = _common_codecs(consumable, remote_capabilities, use_remb=has_abs_send_time)
    if not codecs:
        raise OrtcError("Cannot consume")
    encoding = consumable.encodings[0]
    return RtpParameters(
        codecs=codecs,
        header_extensions=header_extensions,
        encodings=(
            RtpEncodingParameters(
                ssrc=ssrc,
                rtx=RtxParameters(ssrc=rtx_ssrc) if any(map(is_rtx, codecs)) else None,
                max_bitrate=encoding.max_bitrate or None,
                scalability_mode=encoding.scalability_mode,
            ),
        ),
        rtcp=consumable.rtcp,
        msid=consumable.msid,
        mid=mid,
    )


def _common_codecs(
    consumable: RtpParameters, remote_capabilities: RtpCapabilities, *, use_remb: bool
) -> tuple[RtpCodecParameters, ...]:
    common: list[RtpCodecParameters] = []
    for codec in consumable.codecs:
        remote = None if is_rtx(codec) else _remote_codec(codec, remote_capabilities)
        if remote is None:
            continue
        feedback = _common_feedback(codec, remote, use_remb=use_remb)
        common.append(replace(codec, rtcp_feedback=feedback))
        rtx = find_rtx(consumable.codecs, codec.payload_type)
        remote_rtx = find_rtx(remote_capabilities.codecs, remote.preferred_payload_type)
        if rtx is not None and remote_rtx is not None:
            common.append(rtx)
    return tuple(common)


def _remote_codec(
    codec: RtpCodecParameters, remote_capabilities: RtpCapabilities
) -> RtpCodecCapability | None:
    for capability in remote_capabilities.codecs:
        if codecs_match(codec, capability):
            return capability
    return None


def _common_feedback(
    codec: RtpCodecParameters, remote: RtpCodecCapability, *, use_remb: bool
) -> tuple[RtcpFeedback, ...]:
    unused_types = {"transport-cc"} if use_remb else {"transport-cc", "goog-remb"}
    return tuple(
        feedback
        for feedback in dict.fromkeys(remote.rtcp_feedback)
        if feedback in codec.rtcp_feedback
        and feedback.type not in unused_types
        # Audio isn't retransmitted: it would come too late to be played.
        and not (feedback == _PLAIN_NACK and media_kind(codec) == "audio")
    )


def _common_extensions(
    consumable: RtpParameters, remote_capabilities: RtpCapabilities
) -> tuple[RtpHeaderExtensionParameters, ...]:
    # Kinds are not compared: clients list an extension under one kind for both.
    remote = {
        (extension.uri, extension.preferred_id)
        for extension in remote_capabilities.header_extensions
        if not extension.preferred_encrypt
    }
    return tuple(
        extension
        for extension in consumable.header_extensions
        if (extension.uri, extension.id) in remote
    )
