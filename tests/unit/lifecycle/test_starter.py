"""Who is taken for whom."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from sidecar.lifecycle import starter
from sidecar.lifecycle.host import Host
from sidecar.lifecycle.person import Person
from sidecar.net.platform import InputKind


@pytest.fixture
def claimed() -> Iterator[list[int]]:
    claimed: list[int] = []
    yield claimed
    for descriptor in claimed:
        os.close(descriptor)


@pytest.mark.parametrize(
    ("kind", "expected", "reads_stdin"),
    [
        (InputKind.TERMINAL, Person, False),
        (InputKind.PIPE, Host, True),
        (InputKind.OTHER, Host, False),
    ],
)
def test_stdin_tells(
    kind: InputKind,
    expected: type,
    reads_stdin: bool,
    claimed: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def claim_stdout() -> int:
        claimed.append(os.open(os.devnull, os.O_WRONLY))
        return claimed[-1]

    made: list[int | None] = []

    class SpyHost(Host):
        def __init__(self, stdout: int, stdin: int | None) -> None:
            super().__init__(stdout, stdin)
            made.append(stdin)

    monkeypatch.setattr(starter, "input_kind", {0: kind}.__getitem__)
    monkeypatch.setattr(starter, "claim_stdout", claim_stdout)
    monkeypatch.setattr(starter, "Host", SpyHost)
    found = starter.find_starter()
    assert isinstance(found, expected)
    found.close()
    assert made == ([] if expected is Person else [0 if reads_stdin else None])
    assert len(claimed) == len(made)
