"""Replays a class that was recorded against mediasoup: what it answered is what clients expect."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sidecar.ortc import (
    DtlsParameters,
    IceCandidate,
    IceParameters,
    RtpCapabilities,
    RtpParameters,
    can_consume,
    consumable_rtp_parameters,
    consumer_rtp_parameters,
    producer_rtp_mapping,
    router_rtp_capabilities,
)
from sidecar.ortc.extensions import MID_URI, TRANSPORT_CC_URI

SAMPLES = Path(__file__).parents[2] / "fixtures" / "samples"
TEACHER, STUDENT = (
    [entry["message"] for entry in json.loads((SAMPLES / name).read_text(encoding="utf-8"))]
    for name in ("teacher.json", "student1.json")
)
ROUTER = router_rtp_capabilities()

NOT_SERVED_URIS = {
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension",
    "urn:mediasoup:params:rtp-hdrext:packet-id",
}
NOT_FOR_CONSUMERS_URIS = {MID_URI, TRANSPORT_CC_URI}


def data_of(messages: list[dict[str, Any]], message_type: str) -> list[Any]:
    return [each["data"] for each in messages if each.get("type") == message_type]


def as_json(value: object) -> Any:
    return json.loads(msgspec.json.encode(value))


# producerId -> what its client sent. Requests of one kind are answered in their order.
PRODUCED = {
    answer["producerId"]: request
    for messages in (TEACHER, STUDENT)
    for request, answer in zip(
        data_of(messages, "produce"), data_of(messages, "produced"), strict=True
    )
}
CONSUMPTIONS = [
    pytest.param(request, answer, id=f"{name}-{answer['kind']}")
    for name, messages in (("teacher", TEACHER), ("student", STUDENT))
    for request, answer in zip(
        data_of(messages, "consume"), data_of(messages, "consumed"), strict=True
    )
]


def test_the_recording_has_what_the_other_tests_need() -> None:
    assert sorted(request["kind"] for request in PRODUCED.values()) == ["audio", "audio", "video"]
    assert len(CONSUMPTIONS) == 3


def test_router_capabilities_are_the_recorded_ones_but_for_what_is_not_served() -> None:
    (joined,) = data_of(TEACHER, "joined")
    expected = joined["rtpCapabilities"]
    expected["headerExtensions"] = [
        extension
        for extension in expected["headerExtensions"]
        if extension["uri"] not in NOT_SERVED_URIS
    ]

    assert as_json(ROUTER) == expected


@pytest.mark.parametrize(("request_data", "answer"), CONSUMPTIONS)
def test_consumer_parameters_are_the_recorded_ones_but_for_the_bandwidth_estimation(
    request_data: dict[str, Any], answer: dict[str, Any]
) -> None:
    produced = PRODUCED[request_data["producerId"]]
    sent = msgspec.convert(produced["rtpParameters"], RtpParameters)
    capabilities = msgspec.convert(request_data["rtpCapabilities"], RtpCapabilities)
    expected = answer["rtpParameters"]
    encoding = expected["encodings"][0]

    mapping = producer_rtp_mapping(sent, ROUTER)
    offer = consumable_rtp_parameters(
        produced["kind"], sent, ROUTER, mapping, fallback_cname="unused"
    )
    assert can_consume(offer, capabilities)
    consumer = consumer_rtp_parameters(
        offer,
        capabilities,
        ssrc=encoding["ssrc"],
        rtx_ssrc=encoding.get("rtx", {"ssrc": 1})["ssrc"],
        mid=expected["mid"],
    )

    assert as_json(consumer) == with_receiver_side_estimation(expected)


def with_receiver_side_estimation(expected: dict[str, Any]) -> dict[str, Any]:
    """The documented difference: goog-remb where mediasoup chose transport-cc, and no MID."""
    for codec in expected["codecs"]:
        codec["rtcpFeedback"] = [
            {"type": "goog-remb", "parameter": ""} if each["type"] == "transport-cc" else each
            for each in codec["rtcpFeedback"]
        ]
    expected["headerExtensions"] = [
        extension
        for extension in expected["headerExtensions"]
        if extension["uri"] not in NOT_FOR_CONSUMERS_URIS
    ]
    return expected


def test_recorded_producers_are_mapped() -> None:
    mappings = {
        produced["rtpParameters"]["msid"]: producer_rtp_mapping(
            msgspec.convert(produced["rtpParameters"], RtpParameters), ROUTER
        )
        for produced in PRODUCED.values()
    }
    video, audio, microphone = mappings.values()

    assert video.codecs == {108: 101, 109: 102}
    assert video.header_extensions == {9: 1, 10: 2, 11: 3, 2: 4, 4: 5, 3: 8, 1: 9, 12: 10, 5: 11}
    assert audio.codecs == {111: 100}
    assert audio.header_extensions == {9: 1, 2: 4, 4: 5, 14: 6, 6: 10}
    assert microphone.header_extensions == {4: 1, 2: 4, 3: 5, 1: 6, 5: 10}


def test_recorded_messages_are_sent_back_as_they_were() -> None:
    (_, created) = data_of(STUDENT, "transportCreated")

    for value, wire_type in (
        (created["iceParameters"], IceParameters),
        (created["iceCandidates"], list[IceCandidate]),
        (created["dtlsParameters"], DtlsParameters),
        (data_of(STUDENT, "consume")[0]["rtpCapabilities"], RtpCapabilities),
        (data_of(TEACHER, "produce")[0]["rtpParameters"], RtpParameters),
        (data_of(STUDENT, "connectTransport")[0]["dtlsParameters"], DtlsParameters),
    ):
        assert as_json(msgspec.convert(value, wire_type)) == value
