"""Whatever a client sends: a request or the error of this layer, and never a defect of ours."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.limits import Limits
from sidecar.signaling.decoding import InvalidMessage, decode_request
from sidecar.signaling.messages import Request
from sidecar.signaling.replies import encode_reply, error_reply
from tests.unit.signaling.fakes import Client, School

SAMPLES = Path(__file__).parents[1] / "fixtures" / "samples"
RECORDED: list[dict[str, Any]] = [
    each["message"]
    for name in ("teacher", "student1")
    for each in json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8"))
    if each["dir"] == "c2s"
]

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=10)
)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=10,
)

MANY = 100_000
UNLIMITED = Limits(
    max_messages_per_second=MANY,
    max_invalid_messages=MANY,
    max_chat_messages=MANY,
    max_changes=MANY,
    max_consume_requests=MANY,
)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container inside a JSON value with every key of it."""
    keys = range(len(value)) if isinstance(value, list) else value
    for key in keys:
        yield value, key
        if isinstance(value[key], dict | list):
            yield from places(value[key])


@st.composite
def spoiled(draw: st.DrawFn) -> dict[str, Any]:
    """Draws what a real client said, with one value in it replaced or left out."""
    message: dict[str, Any] = copy.deepcopy(draw(st.sampled_from(RECORDED)))
    container, key = draw(st.sampled_from(list(places(message))))
    if draw(st.booleans()):
        container[key] = draw(JSON)
    else:
        del container[key]
    return message


def decode(frame: str | bytes) -> Request | InvalidMessage:
    try:
        return decode_request(frame)
    except InvalidMessage as error:
        json.loads(encode_reply(error_reply(error, error.request_type), error.request_id))
        return error


@given(st.text() | st.text(st.characters()))
def test_any_text(frame: str) -> None:
    assert isinstance(decode(frame), InvalidMessage)


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes(frame: bytes) -> None:
    assert isinstance(decode(frame), InvalidMessage)


@given(JSON)
def test_any_json(value: Any) -> None:
    assert isinstance(decode(json.dumps(value)), InvalidMessage)


@given(spoiled(), st.sampled_from([None, 7, "seven"]))
def test_a_request_with_one_thing_wrong(message: dict[str, Any], request_id: object) -> None:
    decoded = decode(json.dumps({**message, "id": request_id}))
    if isinstance(decoded, Request):
        assert decoded.id == request_id
    else:
        assert decoded.request_id == request_id


@given(spoiled().map(json.dumps), st.integers(0, 10_000))
def test_a_request_cut_short(text: str, end: int) -> None:
    decode(text[: end % len(text)])


@pytest.mark.parametrize("opening", ["[", '{"a":', '{"type":'])
@pytest.mark.parametrize("depth", [10, 500, 1500, 40_000])
def test_any_depth(opening: str, depth: int) -> None:
    assert isinstance(decode(opening * depth), InvalidMessage)


DIRECTIONS = st.fixed_dictionaries({"direction": st.sampled_from(["send", "recv"])})
NUMBERS = st.integers(1, 5)
PRODUCERS = NUMBERS.map(lambda number: {"producerId": f"producer-{number}"})
CONSUMERS = NUMBERS.map(lambda number: {"consumerId": f"consumer-{number}"})
OPUS = {"mimeType": "audio/opus", "clockRate": 48000}
PLAUSIBLE: dict[str, st.SearchStrategy[Any]] = {
    "join": st.fixed_dictionaries(
        {
            "roomId": st.sampled_from(["room", "other"]),
            "peerId": st.sampled_from(["ann", "bob"]),
            "name": st.just("Name"),
            "isTeacher": st.booleans(),
        }
    ),
    "leave": st.none(),
    "getRouterRtpCapabilities": st.none(),
    "createTransport": DIRECTIONS,
    "restartIce": DIRECTIONS,
    "produce": st.sampled_from(["audio", "video"]).map(
        lambda kind: {"kind": kind, "rtpParameters": {"codecs": []}}
    ),
    "closeProducer": PRODUCERS,
    "pauseProducer": PRODUCERS,
    "resumeProducer": PRODUCERS,
    "getProducers": st.none(),
    "consume": PRODUCERS.map(lambda data: {**data, "rtpCapabilities": {"codecs": [OPUS]}}),
    "closeConsumer": CONSUMERS,
    "pauseConsumer": CONSUMERS,
    "resumeConsumer": CONSUMERS,
    "rubbish": JSON,
}
STEPS = st.sampled_from(sorted(PLAUSIBLE)).flatmap(
    lambda type_: st.tuples(st.integers(0, 1), st.just(type_), PLAUSIBLE[type_])
)
BEGINNING = [
    (client, type_, data)
    for client in (0, 1)
    for type_, data in [
        (
            "join",
            {
                "roomId": "room",
                "peerId": str(client),
                "name": "Name",
                "isTeacher": client == 0,
            },
        ),
        ("createTransport", {"direction": "send"}),
        ("createTransport", {"direction": "recv"}),
    ]
]


@pytest.mark.parametrize("policy", ["classroom", "open"])
@settings(max_examples=50)
@given(st.lists(STEPS, max_size=40))
def test_any_conversation(policy: str, steps: list[tuple[int, str, Any]]) -> None:
    asyncio.run(converse(policy, BEGINNING + steps))


async def converse(policy: str, steps: list[tuple[int, str, Any]]) -> None:
    """Two clients talk: each request has exactly one reply, and at the end nothing is left."""
    school = School(policy=policy, limits=UNLIMITED)
    clients = [school.client(), school.client()]
    for number, (speaker, type_, data) in enumerate(steps):
        clients[speaker].send(type_, data, id=number)
        assert await reply_to(clients[speaker], number) != "internal"
    await school.close()
    assert all(router.closed for router in school.worker.routers)
    for client in clients:
        unread = [await client.receive() for _ in range(client.connection.sent.qsize())]
        assert not any("id" in message for message in unread)


async def reply_to(client: Client, number: int) -> str | None:
    """The code of the error that answers a request; None if it went well. Skips events."""
    while (message := await client.receive()).get("id") != number:
        assert "id" not in message
    code: str | None = message["data"].get("code") if message["type"] == "error" else None
    return code
