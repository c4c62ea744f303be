from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest

from sidecar.signaling import messages
from sidecar.signaling.decoding import InvalidMessage, decode_request
from sidecar.signaling.messages import (
    AnyRequest,
    GetProducers,
    Join,
    request_type,
)

SAMPLES = Path(__file__).parents[2] / "fixtures" / "samples"
JOIN = {"roomId": "r", "peerId": "p", "name": "n", "isTeacher": False}


def sent_by_clients() -> list[dict[str, Any]]:
    exchanged = [
        each
        for name in ("teacher", "student1")
        for each in json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8"))
    ]
    return [each["message"] for each in exchanged if each["dir"] == "c2s"]


def nested(brackets: str) -> str:
    return '{"type":"getProducers","data":{"deep":' + brackets + "}}"


def refusal(frame: str | bytes) -> InvalidMessage:
    with pytest.raises(InvalidMessage, match=r"^Invalid message format$") as caught:
        decode_request(frame)
    return caught.value


@pytest.mark.parametrize("message", sent_by_clients(), ids=lambda each: each["type"])
def test_everything_that_existing_clients_say(message: dict[str, Any]) -> None:
    assert request_type(decode_request(json.dumps(message))) == message["type"]


def test_the_names_of_all_requests() -> None:
    assert {str(each.__struct_config__.tag) for each in get_args(AnyRequest)} == {
        "join",
        "leave",
        "getRouterRtpCapabilities",
        "createTransport",
        "connectTransport",
        "restartIce",
        "produce",
        "closeProducer",
        "pauseProducer",
        "resumeProducer",
        "getProducers",
        "consume",
        "closeConsumer",
        "pauseConsumer",
        "resumeConsumer",
        "chatMessage",
    }


def test_fields() -> None:
    request = decode_request(json.dumps({"type": "join", "data": JOIN}))
    assert request == Join(data=messages.JoinData("r", "p", "n", False))


@pytest.mark.parametrize("data", ["", ',"data":null', ',"data":{}', ',"data":{"more":[1]}'])
def test_requests_without_data(data: str) -> None:
    assert isinstance(decode_request('{"type":"getProducers"' + data + "}"), GetProducers)


def test_unknown_fields_are_ignored() -> None:
    frame = json.dumps({"seq": 1, "type": "join", "data": JOIN | {"avatar": {"x": []}}})
    assert isinstance(decode_request(frame), Join)


@pytest.mark.parametrize("request_id", ["a", "", 7, -1, 2**53 + 1, 2**70, 0.5])
def test_an_id(request_id: object) -> None:
    request = decode_request(json.dumps({"type": "getProducers", "id": request_id}))
    assert request.id == request_id
    assert type(request.id) is type(request_id)


def test_a_null_id_is_none() -> None:
    assert decode_request('{"type":"getProducers","id":null}').id is None


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "null",
        "5",
        "[]",
        '"join"',
        "{}",
        "{",
        '{"type":"getProducers"} trailing',
        '{"type":"getProducers","id":NaN}',
        '{"type":"getProducers","id":1e999}',
        '{"type":"getProducers","id":' + "1" * 5000 + "}",
        nested("[" * 100_000),
        nested("[" * 100_000 + "]" * 100_000),
        b'{"type":"getProducers"}',
        b"\xff\xfe",
    ],
    ids=lambda frame: repr(frame[:40]),
)
def test_rubbish(frame: str | bytes) -> None:
    error = refusal(frame)
    assert error.request_id is None


@pytest.mark.parametrize(
    ("type_", "data"),
    [
        ("join", None),
        ("join", {}),
        ("join", JOIN | {"isTeacher": 1}),
        ("join", JOIN | {"roomId": ""}),
        ("join", JOIN | {"peerId": "x" * 257}),
        ("join", JOIN | {"name": None}),
        ("createTransport", {"direction": "both"}),
        ("produce", {"kind": "data", "rtpParameters": {"codecs": []}}),
        ("produce", {"kind": "audio", "rtpParameters": []}),
        ("consume", {"producerId": 5, "rtpCapabilities": {}}),
        ("connectTransport", {"direction": "send", "dtlsParameters": {}}),
        ("chatMessage", {"content": "x" * 4001, "timestamp": "t"}),
        ("chatMessage", {"content": "x"}),
        ("getProducers", []),
        ("getProducers", "x"),
        ("noSuchThing", {}),
        ("Join", JOIN),
    ],
)
def test_wrong_data_is_refused_with_what_is_known_of_the_request(type_: str, data: object) -> None:
    error = refusal(json.dumps({"type": type_, "data": data, "id": 7}))
    assert error.request_type == type_
    assert error.request_id == 7


@pytest.mark.parametrize("request_id", [True, [], {}, "x" * 257])
def test_an_improper_id_is_refused_and_not_repeated(request_id: object) -> None:
    error = refusal(json.dumps({"type": "getProducers", "id": request_id}))
    assert error.request_type == "getProducers"
    assert error.request_id is None


@pytest.mark.parametrize("type_", [None, 5, ["join"], "x" * 257])
def test_an_improper_type_is_not_repeated(type_: object) -> None:
    assert refusal(json.dumps({"type": type_})).request_type is None


def test_lengths_are_counted_in_characters() -> None:
    content = "é" * messages.MAX_CHAT_CHARS
    frame = json.dumps({"type": "chatMessage", "data": {"content": content, "timestamp": "t"}})
    request = decode_request(frame)
    assert isinstance(request, messages.ChatMessage)
    assert request.data.content == content
