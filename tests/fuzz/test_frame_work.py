"""What a WebSocket frame may cost: work in proportion to its size, whatever it says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from sidecar.signaling.decoding import InvalidMessage, decode_request
from sidecar.signaling.server import MAX_FRAME_BYTES
from tests.support.work import work_of
from tests.unit.signaling.fakes import Client, School

FREE_WORK = 20_000
"""For what does not depend on the size, such as the loop's rounds."""

WORK_PER_CHAR = 6

BODIES: dict[str, tuple[str, str, str]] = {
    "feedback": (
        '{"type":"consume","data":{"producerId":"p","rtpCapabilities":{"codecs":'
        '[{"mimeType":"audio/opus","clockRate":48000,"rtcpFeedback":[',
        '{"type":"a"}',
        "]}]}}}",
    ),
    "codecs": (
        '{"type":"consume","data":{"producerId":"p","rtpCapabilities":{"codecs":[',
        '{"mimeType":"video/H264","clockRate":90000}',
        "]}}}",
    ),
    "profiles": (
        '{"type":"consume","data":{"producerId":"p","rtpCapabilities":{"codecs":[',
        '{"mimeType":"video/H264","clockRate":90000,"parameters":{"profile-level-id":"42e01f"}}',
        "]}}}",
    ),
    "extensions": (
        '{"type":"produce","data":{"kind":"audio","rtpParameters":{"codecs":[],'
        '"headerExtensions":[',
        '{"uri":"a","id":1}',
        "]}}}",
    ),
    "encodings": (
        '{"type":"produce","data":{"kind":"audio","rtpParameters":{"codecs":[],"encodings":[',
        '{"rtx":{"ssrc":1}}',
        "]}}}",
    ),
    "fingerprints": (
        '{"type":"connectTransport","data":{"direction":"send","dtlsParameters":{"fingerprints":[',
        '{"algorithm":"sha-256","value":"AB:CD"}',
        "]}}}",
    ),
    "parameters": (
        '{"type":"produce","data":{"kind":"audio","rtpParameters":{"codecs":'
        '[{"mimeType":"audio/opus","payloadType":1,"clockRate":48000,"parameters":{"a":[',
        "1",
        "]}}]}}}",
    ),
    "depth": ("", "[", ""),
    "objects": ('{"a":[', "{}", "]}"),
    "unknown": ('{"type":"getProducers","data":{"x":[', '{"y":null}', "]}}"),
    "surrogates": ('{"type":"chatMessage","data":{"timestamp":"t","content":"', "\\ud83d", '"}}'),
    "escapes": ('{"type":"chatMessage","data":{"timestamp":"t","content":"', "\\\\", '"}}'),
    "names": (
        '{"type":"join","data":{"roomId":"r","peerId":"p","isTeacher":false,"name":"',
        "a\\u0301",
        '"}}',
    ),
}


def frame(body: str, size_chars: int) -> str:
    """A frame of about that size that has as many of one thing as there is room for."""
    start, item, end = BODIES[body]
    separator = "," if "[" in start else ""
    count = (size_chars - len(start) - len(end)) // (len(item) + len(separator))
    return start + separator.join([item] * count) + end


def decode(text: str) -> None:
    with suppress(InvalidMessage):
        decode_request(text)


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("size_chars", [1_000, 16_000, MAX_FRAME_BYTES])
def test_decoding_costs_no_more_than_the_size_says(body: str, size_chars: int) -> None:
    text = frame(body, size_chars)
    decode(text)
    assert work_of(lambda: decode(text)).total <= FREE_WORK + WORK_PER_CHAR * len(text)


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("size_chars", [1_000, 16_000, MAX_FRAME_BYTES])
def test_dealing_with_a_frame_costs_no_more_than_the_size_says(body: str, size_chars: int) -> None:
    text = frame(body, size_chars)
    with asyncio.Runner() as runner:
        school, client = runner.run(a_class())

        def deal_with(frame: str) -> Callable[[], Any]:
            return lambda: runner.run(say(client, frame))

        deal_with("{}")()  # what the first frame of all costs is not this one's
        assert work_of(deal_with(text)).total <= FREE_WORK + WORK_PER_CHAR * len(text)
        runner.run(school.close())


async def a_class() -> tuple[School, Client]:
    """A class, and a student in it who is about to say something."""
    school = School()
    teacher, student = school.client(), school.client()
    await teacher.join("teacher", is_teacher=True)
    await student.join("student")
    for client in (teacher, student):
        for direction in ("send", "recv"):
            await client.request("createTransport", {"direction": direction})
    return school, student


async def say(client: Client, frame: str) -> None:
    """Send a frame, and one behind it whose answer shows that the first was dealt with."""
    client.connection.frames.put_nowait(frame)
    client.send("getProducers", id="last")
    while (await client.receive()).get("id") != "last":
        pass


def test_every_body_is_json_where_it_means_to_be() -> None:
    for body in set(BODIES) - {"depth", "surrogates"}:
        assert json.loads(frame(body, 1_000))
