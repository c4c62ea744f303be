"""Whatever a host writes: commands, or the one error; and lines are lines wherever they are cut."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from sidecar.lifecycle.commands import InvalidCommand, decode_command
from sidecar.lifecycle.events import encode_event
from sidecar.lifecycle.stdio import LineSplitter

NAMES = st.sampled_from(["status", "ping", "shutdown", "set-announce", "fly", ""])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
ALMOST_COMMANDS = st.fixed_dictionaries(
    {"command": NAMES | JSON}, optional={"id": JSON, "addresses": st.lists(st.text()) | JSON}
)


def check(line: bytes) -> None:
    try:
        decode_command(line)
    except InvalidCommand as error:
        assert json.loads(encode_event(error.answer))["event"] == "error"


@given(st.binary())
def test_any_bytes(line: bytes) -> None:
    check(line)


@given(ALMOST_COMMANDS)
def test_almost_commands(command: dict[str, object]) -> None:
    check(json.dumps(command).encode())


@given(st.lists(st.binary(max_size=20) | st.just(b"\n"), max_size=20))
def test_lines_are_those_of_the_whole_stream(chunks: list[bytes]) -> None:
    splitter = LineSplitter()
    lines = [line for chunk in chunks for line in splitter.feed(chunk)]
    assert lines == b"".join(chunks).split(b"\n")[:-1]
