"""Lines that are commands, and lines that are none."""

from __future__ import annotations

import pytest
from msgspec import UNSET

from sidecar.lifecycle.commands import (
    MAX_LINE_BYTES,
    AnyCommand,
    InvalidCommand,
    Ping,
    SetAnnounce,
    Shutdown,
    Status,
    decode_command,
)


@pytest.mark.parametrize(
    ("line", "command"),
    [
        (b'{"command":"ping"}', Ping()),
        (b'{"id":7,"command":"ping"}\r', Ping(id=7)),
        (b' {"command":"status","id":"a","more":[1]} ', Status(id="a")),
        (b'{"command":"shutdown","id":0.5}', Shutdown(id=0.5)),
        (
            b'{"command":"set-announce","addresses":["10.0.0.1"]}',
            SetAnnounce(addresses=["10.0.0.1"]),
        ),
        (b'{"command":"set-announce","addresses":[]}', SetAnnounce(addresses=[])),
    ],
)
def test_commands(line: bytes, command: AnyCommand) -> None:
    assert decode_command(line) == command


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"shutdown",
        b"null",
        b"[]",
        b'{"command":"shutdown"',
        b'{"command":"shutdown"} {"command":"shutdown"}',
        b'{"command":"shut\xff"}',
        b"\xef\xbb\xbf" + b'{"command":"ping"}',
        b"[" * 10_000,
        b'{"command":"shutdown"}' + b" " * MAX_LINE_BYTES,
    ],
    ids=lambda line: repr(line[:30]),
)
def test_rubbish(line: bytes) -> None:
    with pytest.raises(InvalidCommand) as caught:
        decode_command(line)
    assert caught.value.answer.code == "invalid-command"
    assert caught.value.answer.id is UNSET


@pytest.mark.parametrize("name", ['"reboot"', '"Ping"', "7", "null", '["ping"]'])
def test_an_unknown_command_keeps_its_id(name: str) -> None:
    with pytest.raises(InvalidCommand) as caught:
        decode_command(f'{{"command":{name},"id":7}}'.encode())
    assert caught.value.answer.code == "unknown-command"
    assert caught.value.answer.id == 7
    assert "set-announce" in caught.value.answer.message


def test_no_command_at_all() -> None:
    with pytest.raises(InvalidCommand) as caught:
        decode_command(b'{"id":"a"}')
    assert caught.value.answer.code == "unknown-command"
    assert caught.value.answer.id == "a"


@pytest.mark.parametrize(
    "fields", ["", ',"addresses":"10.0.0.1"', ',"addresses":[1]', ',"addresses":null']
)
def test_a_command_with_wrong_fields_keeps_its_id(fields: str) -> None:
    with pytest.raises(InvalidCommand) as caught:
        decode_command(f'{{"command":"set-announce","id":7{fields}}}'.encode())
    assert caught.value.answer.code == "invalid-command"
    assert caught.value.answer.id == 7


@pytest.mark.parametrize("command_id", ["true", "[]", "{}"])
def test_an_improper_id_is_not_repeated(command_id: str) -> None:
    with pytest.raises(InvalidCommand) as caught:
        decode_command(f'{{"command":"ping","id":{command_id}}}'.encode())
    assert caught.value.answer.code == "invalid-command"
    assert caught.value.answer.id is UNSET
