"""RtpParameters as a browser's `mediasoup-client` hands them to `produce`.

Payload types and header extension ids differ from the router's on purpose, as they do in reality.
"""

from __future__ import annotations

from typing import Any

from sidecar.rtp import header_extensions as uris
from tests.support.rtp_sender import (
    ABS_SEND_TIME_ID,
    AUDIO_LEVEL_ID,
    MID_ID,
    TRANSPORT_CC_ID,
    StreamIds,
)

JsonObject = dict[str, Any]

VIDEO_PAYLOAD_TYPE = 108
VIDEO_RTX_PAYLOAD_TYPE = 109
AUDIO_PAYLOAD_TYPE = 111

_VIDEO_FEEDBACK = (
    ("goog-remb", ""),
    ("transport-cc", ""),
    ("ccm", "fir"),
    ("nack", ""),
    ("nack", "pli"),
)


def send_parameters(kind: str, ids: StreamIds, cname: str) -> JsonObject:
    """The parameters of a `video` (H.264) or `audio` (Opus) stream."""
    build = _video_parameters if kind == "video" else _audio_parameters
    return {
        "mid": ids.mid,
        "rtcp": {"cname": cname, "reducedSize": True},
        "msid": f"{cname}-stream {cname}-{kind}",
        **build(ids),
    }


def _video_parameters(ids: StreamIds) -> JsonObject:
    return {
        "codecs": [
            {
                "mimeType": "video/H264",
                "payloadType": ids.payload_type,
                "clockRate": ids.clock_rate,
                "parameters": {
                    "level-asymmetry-allowed": 1,
                    "packetization-mode": 1,
                    "profile-level-id": "42e01f",
                },
                "rtcpFeedback": [{"type": t, "parameter": p} for t, p in _VIDEO_FEEDBACK],
            },
            {
                "mimeType": "video/rtx",
                "payloadType": ids.rtx_payload_type,
                "clockRate": ids.clock_rate,
                "parameters": {"apt": ids.payload_type},
                "rtcpFeedback": [],
            },
        ],
        "headerExtensions": _header_extensions(),
        "encodings": [
            {
                "ssrc": ids.ssrc,
                "rtx": {"ssrc": ids.rtx_ssrc},
                "active": True,
                "maxBitrate": 5_000_000,
                "maxFramerate": 30,
                "dtx": False,
            }
        ],
    }


def _audio_parameters(ids: StreamIds) -> JsonObject:
    return {
        "codecs": [
            {
                "mimeType": "audio/opus",
                "payloadType": ids.payload_type,
                "clockRate": ids.clock_rate,
                "channels": 2,
                "parameters": {"minptime": 10, "useinbandfec": 1, "sprop-stereo": 1},
                "rtcpFeedback": [{"type": "transport-cc", "parameter": ""}],
            }
        ],
        "headerExtensions": [
            *_header_extensions(),
            _extension(uris.AUDIO_LEVEL_URI, AUDIO_LEVEL_ID),
        ],
        "encodings": [{"ssrc": ids.ssrc, "dtx": False}],
    }


def _header_extensions() -> list[JsonObject]:
    return [
        _extension(uris.MID_URI, MID_ID),
        _extension(uris.ABS_SEND_TIME_URI, ABS_SEND_TIME_ID),
        _extension(uris.TRANSPORT_CC_URI, TRANSPORT_CC_ID),
    ]


def _extension(uri: str, identifier: int) -> JsonObject:
    return {"uri": uri, "id": identifier, "encrypt": False, "parameters": {}}
