"""Halves of characters in JSON, and what becomes of them."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.signaling.decoding import InvalidMessage, decode_request, peek
from sidecar.signaling.lone_surrogates import MAX_MENDED_CHARS, mended, without_surrogates
from sidecar.signaling.messages import ChatMessage, Join

HIGH, LOW, LOST = "\\ud83d", "\\uDE00", "\\ufffd"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (HIGH, LOST),
        (LOW, LOST),
        (HIGH + LOW, HIGH + LOW),
        (LOW + HIGH, LOST + LOST),
        (HIGH + HIGH + LOW, LOST + HIGH + LOW),
        (HIGH + LOW + LOW, HIGH + LOW + LOST),
        (HIGH + "x" + LOW, LOST + "x" + LOST),
        (HIGH + "\\n" + LOW, LOST + "\\n" + LOST),
        ("\\" + HIGH, "\\" + HIGH),
        ("\\\\" + HIGH, "\\\\" + LOST),
        ("\\\\\\" + HIGH, "\\\\\\" + HIGH),
        (HIGH + "\\\\" + LOW, LOST + "\\\\" + LOST),
        ("\\" + HIGH + LOW, "\\" + HIGH + LOST),
        ("\\uD83D\\ude00", "\\uD83D\\ude00"),
        ("\\u00e9\\ud7ff\\ue000", "\\u00e9\\ud7ff\\ue000"),
        ("\ud83d", "\ufffd"),
        ("\ud83d" + LOW, "\ufffd" + LOST),
        ("\x00" + HIGH, "\x00" + HIGH),
    ],
)
def test_lone_halves_become_replacement_characters(written: str, expected: str) -> None:
    assert mended(written) == expected


@given(st.lists(st.sampled_from([HIGH, LOW, "\\\\", "\\n", '\\"', "x", "\\u0041", "\\ud7ff"])))
def test_json_is_mended_as_python_reads_it(parts: list[str]) -> None:
    text = '"' + "".join(parts) + '"'
    expected = re.sub("[\ud800-\udfff]", "\ufffd", json.loads(text))
    assert json.loads(mended(text)) == expected


def test_what_is_too_long_is_left_alone() -> None:
    text = HIGH * (MAX_MENDED_CHARS // len(HIGH) + 1)
    assert mended(text) == text


def test_text_that_is_no_text() -> None:
    assert without_surrogates("a\udcffb\ud83d") == "a\ufffdb\ufffd"
    assert without_surrogates("é\N{GRINNING FACE}") == "é\N{GRINNING FACE}"


def frame(**fields: str) -> str:
    join = {"roomId": "7b", "peerId": "ann", "name": "Ann", "isTeacher": False} | fields
    return json.dumps({"type": "join", "data": join, "id": "1"})


@pytest.mark.parametrize("field", ["roomId", "peerId", "name", "somethingUnknown", "\ude00"])
@pytest.mark.parametrize("value", ["cut \ud83d", "\ude00 cut", "\\\ud83d", "\ude00\ud83d"])
def test_a_cut_emoji_keeps_nobody_out(field: str, value: str) -> None:
    request = decode_request(frame(**{field: value}))
    assert isinstance(request, Join)
    if field == "name":
        assert request.data.name == re.sub("[\ud800-\udfff]", "\ufffd", value)


def test_the_other_half_comes_with_the_next_message() -> None:
    said = {"content": "\ude00 hello", "timestamp": "now\ud83d"}
    request = decode_request(json.dumps({"type": "chatMessage", "data": said, "id": "\ud83d"}))
    assert isinstance(request, ChatMessage)
    assert request.data.content == "\ufffd hello"
    assert request.id == "\ufffd"


def test_what_is_invalid_all_the_same_is_told_its_id() -> None:
    text = json.dumps({"type": "join", "data": {"name": "\ud83d"}, "id": "7\ud83d"})
    with pytest.raises(InvalidMessage) as caught:
        decode_request(text)
    assert (caught.value.request_type, caught.value.request_id) == ("join", "7\ufffd")
    assert peek(text) == ("join", "7\ufffd")


@pytest.mark.parametrize("rubbish", ["\\ud83d", '{"type": "\\ud83d', '"\\ud83', "{\\ud83d}"])
def test_rubbish_stays_rubbish(rubbish: str) -> None:
    with pytest.raises(InvalidMessage):
        decode_request(rubbish)
