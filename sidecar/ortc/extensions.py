"""The RTP header extensions that are served (RFC 8285), their ids and directions."""

from __future__ import annotations

from typing import Final, NamedTuple

from sidecar.ortc.parameters import ExtensionDirection, MediaKind, RtpHeaderExtension

MID_URI: Final = "urn:ietf:params:rtp-hdrext:sdes:mid"
RTP_STREAM_ID_URI: Final = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
REPAIRED_RTP_STREAM_ID_URI: Final = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
ABS_SEND_TIME_URI: Final = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
TRANSPORT_CC_URI: Final = (
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
)
AUDIO_LEVEL_URI: Final = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
VIDEO_ORIENTATION_URI: Final = "urn:3gpp:video-orientation"
TOFFSET_URI: Final = "urn:ietf:params:rtp-hdrext:toffset"
ABS_CAPTURE_TIME_URI: Final = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"
PLAYOUT_DELAY_URI: Final = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"


class _Extension(NamedTuple):
    uri: str
    id: int
    audio: ExtensionDirection | None
    video: ExtensionDirection | None


# The ids are those of mediasoup 3.19, gaps included: clients that remember them find them again.
_EXTENSIONS: Final = (
    _Extension(MID_URI, 1, audio="sendrecv", video="sendrecv"),
    _Extension(RTP_STREAM_ID_URI, 2, audio=None, video="recvonly"),
    _Extension(REPAIRED_RTP_STREAM_ID_URI, 3, audio=None, video="recvonly"),
    _Extension(ABS_SEND_TIME_URI, 4, audio="sendrecv", video="sendrecv"),
    _Extension(TRANSPORT_CC_URI, 5, audio="recvonly", video="sendrecv"),
    _Extension(AUDIO_LEVEL_URI, 6, audio="sendrecv", video=None),
    _Extension(VIDEO_ORIENTATION_URI, 8, audio=None, video="sendrecv"),
    _Extension(TOFFSET_URI, 9, audio=None, video="sendrecv"),
    _Extension(ABS_CAPTURE_TIME_URI, 10, audio="sendrecv", video="sendrecv"),
    _Extension(PLAYOUT_DELAY_URI, 11, audio="sendrecv", video="sendrecv"),
)

FORWARDED_URIS: Final = frozenset(
    {
        ABS_SEND_TIME_URI,
        AUDIO_LEVEL_URI,
        VIDEO_ORIENTATION_URI,
        TOFFSET_URI,
        ABS_CAPTURE_TIME_URI,
        PLAYOUT_DELAY_URI,
    }
)
"""What consumers may get. The rest belongs to the producer's own transport: to receivers, streams
are known by SSRC instead of MID or RID, and bandwidth by abs-send-time instead of transport-cc."""


def router_header_extensions() -> tuple[RtpHeaderExtension, ...]:
    """The header extensions of the router's capabilities, in the order of their ids."""
    supported: list[RtpHeaderExtension] = []
    for uri, preferred_id, audio, video in _EXTENSIONS:
        directions: tuple[tuple[MediaKind, ExtensionDirection | None], ...] = (
            ("audio", audio),
            ("video", video),
        )
        supported.extend(
            RtpHeaderExtension(uri=uri, preferred_id=preferred_id, kind=kind, direction=direction)
            for kind, direction in directions
            if direction is not None
        )
    return tuple(supported)
