from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sidecar.ortc import (
    DtlsFingerprint,
    DtlsParameters,
    IceCandidate,
    IceParameters,
    RtcpFeedback,
    RtcpParameters,
    RtpCapabilities,
    RtpCodecParameters,
    RtpEncodingParameters,
    RtpHeaderExtension,
    RtpHeaderExtensionParameters,
    RtpParameters,
)


def as_json(value: msgspec.Struct) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value))


def test_what_has_a_default_is_sent_and_what_is_optional_is_not() -> None:
    parameters = RtpParameters(
        codecs=(RtpCodecParameters(mime_type="video/VP8", payload_type=96, clock_rate=90_000),),
        header_extensions=(RtpHeaderExtensionParameters(uri="urn:x", id=1),),
        encodings=(RtpEncodingParameters(ssrc=1),),
    )

    assert as_json(parameters) == {
        "codecs": [
            {
                "mimeType": "video/VP8",
                "payloadType": 96,
                "clockRate": 90_000,
                "parameters": {},
                "rtcpFeedback": [],
            }
        ],
        "headerExtensions": [{"uri": "urn:x", "id": 1, "encrypt": False, "parameters": {}}],
        "encodings": [{"ssrc": 1}],
        "rtcp": {"reducedSize": True},
    }


def test_header_extension_capability_is_sent_with_its_defaults() -> None:
    assert as_json(RtpHeaderExtension(kind="audio", uri="urn:x", preferred_id=1)) == {
        "kind": "audio",
        "uri": "urn:x",
        "preferredId": 1,
        "preferredEncrypt": False,
        "direction": "sendrecv",
    }


def test_transport_parameters_are_sent_whole() -> None:
    candidate = IceCandidate(
        foundation="udp", priority=1, ip="192.0.2.1", address="192.0.2.1", port=40000
    )
    dtls = DtlsParameters(fingerprints=(DtlsFingerprint(algorithm="sha-256", value="AB:CD"),))

    assert as_json(IceParameters(username_fragment="u", password="p")) == {
        "usernameFragment": "u",
        "password": "p",
        "iceLite": True,
    }
    assert as_json(candidate) == {
        "foundation": "udp",
        "priority": 1,
        "ip": "192.0.2.1",
        "address": "192.0.2.1",
        "port": 40000,
        "protocol": "udp",
        "type": "host",
    }
    assert as_json(dtls) == {
        "role": "auto",
        "fingerprints": [{"algorithm": "sha-256", "value": "AB:CD"}],
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", RtpCapabilities()),
        ('{"codecs": null, "headerExtensions": null}', RtpCapabilities()),
        ('{"codecs": [], "fecMechanisms": [1]}', RtpCapabilities()),
    ],
)
def test_capabilities_may_be_missing_null_or_unknown(text: str, expected: RtpCapabilities) -> None:
    assert msgspec.json.decode(text, type=RtpCapabilities) == expected


def test_null_fields_of_parameters_mean_their_defaults() -> None:
    text = """{
        "mid": null, "msid": null, "rtcp": null, "encodings": null,
        "codecs": [{"mimeType": "audio/opus", "payloadType": 111, "clockRate": 48000,
                    "channels": null, "parameters": null, "rtcpFeedback": null}],
        "headerExtensions": [{"uri": "urn:x", "id": 1, "encrypt": null, "parameters": null}]
    }"""

    decoded = msgspec.json.decode(text, type=RtpParameters)

    assert decoded == RtpParameters(
        codecs=(RtpCodecParameters(mime_type="audio/opus", payload_type=111, clock_rate=48_000),),
        header_extensions=(RtpHeaderExtensionParameters(uri="urn:x", id=1),),
    )
    assert decoded.rtcp == RtcpParameters(cname=None, reduced_size=True)


def test_null_feedback_parameter_is_the_empty_one() -> None:
    decoded = msgspec.json.decode('{"type": "nack", "parameter": null}', type=RtcpFeedback)

    assert decoded == RtcpFeedback(type="nack", parameter="")


def test_default_parameters_are_not_shared() -> None:
    one = RtpHeaderExtensionParameters(uri="urn:x", id=1)
    other = RtpHeaderExtensionParameters(uri="urn:x", id=1)

    assert one.parameters is not other.parameters


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{}",
        '{"codecs": null}',
        '{"codecs": [{"mimeType": "audio/opus"}]}',
        '{"codecs": [{"mimeType": 1, "payloadType": 1, "clockRate": 1}]}',
        '{"codecs": [], "encodings": [{"ssrc": "1"}]}',
        '{"codecs": [], "encodings": [{"rtx": {}}]}',
    ],
)
def test_parameters_of_the_wrong_shape_are_refused(text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text, type=RtpParameters)


def test_unknown_dtls_role_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode('{"role": "both", "fingerprints": []}', type=DtlsParameters)
