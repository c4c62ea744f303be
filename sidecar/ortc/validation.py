"""Checks of what a peer sent beyond its shape. All raise ``OrtcError``.

Most of what a producer sends reaches other peers, whose clients write it into session descriptions.
So there are bounds on lengths and numbers, and no control characters, with which one peer could add
lines to another's SDP.
"""

from __future__ import annotations

from collections.abc import Mapping, Sized
from typing import Final

from sidecar.ortc.errors import OrtcError
from sidecar.ortc.parameters import (
    ParameterValue,
    RtpCapabilities,
    RtpCodecCapability,
    RtpCodecParameters,
    RtpEncodingParameters,
    RtpHeaderExtensionParameters,
    RtpParameters,
)

MAX_ITEMS: Final = 64
"""The most codecs, header extensions, feedback messages or parameters that one list may have."""

_MAX_TEXT: Final = 255
_MAX_MID: Final = 32
# fmtp values may carry H.264 parameter sets in Base64.
_MAX_PARAMETER_VALUE: Final = 2048
# What a JavaScript number holds exactly.
_MAX_NUMBER: Final = 2**53 - 1


def validate_rtp_parameters(parameters: RtpParameters) -> None:
    """Checks what a producer is to send.

    Raises:
        OrtcError: for lists or texts that are too long, numbers out of range, payload types or
            header extension ids that are used twice, and anything but exactly one encoding.
    """
    if parameters.mid is not None:
        _check_text("mid", parameters.mid, _MAX_MID)
    if parameters.msid is not None:
        _check_text("msid", parameters.msid)
    if parameters.rtcp.cname is not None:
        _check_text("rtcp.cname", parameters.rtcp.cname)
    _check_items("codecs", parameters.codecs)
    for codec in parameters.codecs:
        _check_range("payloadType", codec.payload_type, 0, 127)
        _check_codec(codec)
    _check_unique("payloadType", [codec.payload_type for codec in parameters.codecs])
    _check_extensions(parameters.header_extensions)
    if len(parameters.encodings) != 1:
        raise OrtcError(
            f"exactly one encoding is supported, not {len(parameters.encodings)}"
            " (simulcast is not available)"
        )
    _check_encoding(parameters.encodings[0])


def validate_rtp_capabilities(capabilities: RtpCapabilities) -> None:
    """Checks what a receiver says it supports.

    Raises:
        OrtcError: for lists or texts that are too long and numbers out of range.
    """
    _check_items("codecs", capabilities.codecs)
    for codec in capabilities.codecs:
        if codec.preferred_payload_type is not None:
            _check_range("preferredPayloadType", codec.preferred_payload_type, 0, 127)
        _check_codec(codec)
    _check_items("headerExtensions", capabilities.header_extensions)
    for extension in capabilities.header_extensions:
        _check_text("header extension uri", extension.uri)
        _check_range("header extension preferredId", extension.preferred_id, 1, 255)


def _check_codec(codec: RtpCodecCapability | RtpCodecParameters) -> None:
    _check_text("mimeType", codec.mime_type)
    kind, _, name = codec.mime_type.partition("/")
    if kind.lower() not in ("audio", "video") or not name:
        raise OrtcError(f"mimeType {codec.mime_type!r} is neither audio/... nor video/...")
    _check_range("clockRate", codec.clock_rate, 1, 2**32 - 1)
    if codec.channels is not None:
        _check_range("channels", codec.channels, 1, 255)
    _check_parameters(codec.parameters)
    _check_items("rtcpFeedback", codec.rtcp_feedback)
    for feedback in codec.rtcp_feedback:
        _check_text("rtcpFeedback type", feedback.type)
        _check_text("rtcpFeedback parameter", feedback.parameter)


def _check_extensions(extensions: tuple[RtpHeaderExtensionParameters, ...]) -> None:
    _check_items("headerExtensions", extensions)
    for extension in extensions:
        _check_text("header extension uri", extension.uri)
        _check_range("header extension id", extension.id, 1, 255)
        _check_parameters(extension.parameters)
    _check_unique("header extension id", [extension.id for extension in extensions])


def _check_encoding(encoding: RtpEncodingParameters) -> None:
    ssrcs = [encoding.ssrc, encoding.rtx.ssrc if encoding.rtx else None]
    given = [ssrc for ssrc in ssrcs if ssrc is not None]
    for ssrc in given:
        _check_range("ssrc", ssrc, 1, 2**32 - 1)
    _check_unique("ssrc", given)
    if encoding.rid is not None:
        _check_text("rid", encoding.rid)
    if encoding.scalability_mode is not None:
        _check_text("scalabilityMode", encoding.scalability_mode)
    for name, value in (
        ("maxBitrate", encoding.max_bitrate),
        ("maxFramerate", encoding.max_framerate),
    ):
        if value is not None:
            _check_range(name, value, 0, _MAX_NUMBER)


def _check_parameters(parameters: Mapping[str, ParameterValue]) -> None:
    _check_items("parameters", parameters)
    for name, value in parameters.items():
        _check_text("parameter name", name)
        if isinstance(value, str):
            _check_text(f"parameter {name}", value, _MAX_PARAMETER_VALUE)
        elif value is not None:
            _check_range(f"parameter {name}", value, -_MAX_NUMBER, _MAX_NUMBER)


def _check_items(name: str, items: Sized) -> None:
    if len(items) > MAX_ITEMS:
        raise OrtcError(f"{name} has {len(items)} entries, {MAX_ITEMS} are allowed")


def _check_text(name: str, text: str, max_length: int = _MAX_TEXT) -> None:
    if not text.isprintable():
        raise OrtcError(f"{name} has characters that are not printable")
    length = len(text.encode())  # RTCP and RTP count texts in bytes, too
    if length > max_length:
        raise OrtcError(f"{name} has {length} bytes, {max_length} are allowed")


def _check_range(name: str, value: int | float, low: int, high: int) -> None:
    if not low <= value <= high:
        raise OrtcError(f"{name} is not in the range {low} to {high}")


def _check_unique(name: str, values: list[int]) -> None:
    if len(set(values)) != len(values):
        raise OrtcError(f"the same {name} is used twice")
