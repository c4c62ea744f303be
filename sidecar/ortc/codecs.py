"""When two descriptions of a codec mean the same codec."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias, TypeVar

from sidecar.ortc.h264 import ProfileLevel, answered_level, profile_level_of
from sidecar.ortc.parameters import ParameterValue, RtpCodecCapability, RtpCodecParameters

Codec: TypeAlias = RtpCodecCapability | RtpCodecParameters
_C = TypeVar("_C", RtpCodecCapability, RtpCodecParameters)

# Longer than any number that a codec parameter needs; int() of more digits costs quadratic time.
_MAX_DIGITS: Final = 10


def media_kind(codec: Codec) -> str:
    """The part of the MIME type before the slash, in lower case."""
    return codec.mime_type.partition("/")[0].lower()


def is_rtx(codec: Codec) -> bool:
    """Whether this is a retransmission format (RFC 4588) instead of a codec."""
    return codec.mime_type.lower() in ("audio/rtx", "video/rtx")


def integer_parameter(parameters: Mapping[str, ParameterValue], name: str) -> int | None:
    """An integer parameter, written as a number or in decimal digits; None if it is neither."""
    value = parameters.get(name)
    if isinstance(value, int):
        return value
    if (
        isinstance(value, str)
        and len(value) <= _MAX_DIGITS
        and value.isascii()
        and value.isdecimal()
    ):
        return int(value)
    return None


def codecs_match(one: Codec, other: Codec) -> bool:
    """Whether streams of one codec can be taken for streams of the other.

    MIME types, clock rates and, for audio, channels are equal; for H.264 the packetization mode and
    the profile too, while levels may differ.
    """
    return (
        one.mime_type.lower() == other.mime_type.lower()
        and one.clock_rate == other.clock_rate
        and _channels(one) == _channels(other)
        and (not _is_h264(one) or _h264_match(one.parameters, other.parameters))
    )


def answered_parameters(codec: Codec, supported: Codec) -> dict[str, ParameterValue]:
    """The parameters of ``codec`` after it was matched with ``supported``.

    They stay as they are, but for H.264's ``profile-level-id``, which is brought into its canonical
    form with the level that RFC 6184, section 8.2.2 allows.
    """
    parameters: dict[str, ParameterValue] = {
        name: "" if value is None else value for name, value in codec.parameters.items()
    }
    if not _is_h264(codec):
        return parameters
    ours, theirs = profile_level_of(codec.parameters), profile_level_of(supported.parameters)
    if ours is None or theirs is None:
        return parameters
    level = answered_level(
        ours.level,
        theirs.level,
        asymmetry_allowed=_allows_asymmetry(codec) and _allows_asymmetry(supported),
    )
    return {**parameters, "profile-level-id": str(ProfileLevel(ours.profile, level))}


def find_rtx(codecs: Iterable[_C], payload_type: int | None) -> _C | None:
    """The RTX format for the codec of that payload type (``apt``, RFC 4588, section 8.6)."""
    if payload_type is None:
        return None
    for codec in codecs:
        if is_rtx(codec) and integer_parameter(codec.parameters, "apt") == payload_type:
            return codec
    return None


def _channels(codec: Codec) -> int | None:
    return (codec.channels or 1) if media_kind(codec) == "audio" else None


def _is_h264(codec: Codec) -> bool:
    return codec.mime_type.lower() == "video/h264"


def _allows_asymmetry(codec: Codec) -> bool:
    return integer_parameter(codec.parameters, "level-asymmetry-allowed") == 1


def _h264_match(one: Mapping[str, ParameterValue], other: Mapping[str, ParameterValue]) -> bool:
    modes = [integer_parameter(each, "packetization-mode") or 0 for each in (one, other)]
    profiles = [profile_level_of(each) for each in (one, other)]
    return (
        modes[0] == modes[1]
        and profiles[0] is not None
        and profiles[1] is not None
        and profiles[0].profile is profiles[1].profile
    )
