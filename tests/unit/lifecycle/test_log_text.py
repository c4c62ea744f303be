"""Nothing that a client sends can look like something else in the log."""

from __future__ import annotations

import logging
import sys

import pytest

from sidecar.lifecycle.log_text import (
    MAX_MESSAGE_CHARS,
    MAX_TRACEBACK_LINES,
    clean,
    clip,
    line_of,
    message_of,
    traceback_of,
)


def record(
    text: str, *arguments: object, level: int = logging.INFO, with_error: bool = False
) -> logging.LogRecord:
    exc_info = sys.exc_info() if with_error else None
    return logging.LogRecord("name", level, "", 0, text, arguments, exc_info)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("Zoë 🎓", "Zoë 🎓"),
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\x1b[2J\x00\x7f\x85", "\\x1b[2J\\x00\\x7f\\x85"),
        ("\u202eabc\u2066\u200b\u2028\u2029", "\\u202eabc\\u2066\\u200b\\u2028\\u2029"),
        ("cut \ud83d", "cut \\ud83d"),
    ],
)
def test_what_is_not_visible_is_escaped(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned
    assert message_of(record("%s", text)) == cleaned
    assert line_of(0, logging.INFO, "name", message_of(record("%s", text))).count("\n") == 1


def test_what_is_long_is_cut() -> None:
    assert clip("abc", 3) == "abc"
    assert clip("abcd", 3) == "ab…"
    for text in ("x" * 100_000, "\u202e" * 100_000):
        assert len(message_of(record("%s", text))) <= MAX_MESSAGE_CHARS
        assert len(message_of(record("%s", text, level=logging.DEBUG))) > MAX_MESSAGE_CHARS


def test_a_mistake_in_what_is_logged_loses_only_that() -> None:
    assert message_of(record("%d", "text")) == "%d"


def test_a_line() -> None:
    line = line_of(1_700_000_000.0125, logging.WARNING, "sidecar.x", "text", "one\ntwo")
    first, *others = line.split("\n")
    assert first.endswith(",012 WARNING sidecar.x: text")
    assert others == ["    one", "    two", ""]


def test_a_traceback_cannot_pretend_to_be_a_line() -> None:
    try:
        raise ValueError("x\n2026-01-01 10:00:00,000 INFO    sidecar: all is well\x1b[2J")
    except ValueError:
        text = traceback_of(record("failed", with_error=True))
    assert text.startswith("Traceback")
    assert "\x1b" not in text
    line = line_of(0, logging.ERROR, "name", "failed", text)
    assert all(each.startswith("    ") for each in line.split("\n")[1:-1])


def test_a_traceback_is_cut_in_the_middle() -> None:
    try:
        raise ValueError("line\n" * 1000 + "the end")
    except ValueError:
        lines = traceback_of(record("failed", with_error=True)).split("\n")
    assert len(lines) == MAX_TRACEBACK_LINES + 1
    assert lines[0].startswith("Traceback")
    assert lines[-1] == "the end"


def test_a_stack_is_shown() -> None:
    with_stack = record("here")
    with_stack.stack_info = "Stack (most recent call last):\n  File x"
    assert traceback_of(with_stack) == "Stack (most recent call last):\n  File x"
    assert traceback_of(record("text")) == ""
