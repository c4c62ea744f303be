"""What a log record looks like: one line, whatever is in it, and a traceback that is indented.

Names, room ids and all else that clients send may hold line feeds, escape sequences and marks that
turn the direction of writing. Nothing of the kind reaches a terminal or begins a line of the log.
"""

from __future__ import annotations

import logging
import time
from typing import Final

MAX_MESSAGE_CHARS: Final = 500
MAX_MESSAGE_CHARS_IN_DETAIL: Final = 4000
"""At level debug, where somebody wants to know."""

MAX_TRACEBACK_LINES: Final = 60
MAX_TRACEBACK_LINE_CHARS: Final = 300

_INDENT: Final = "    "
_TRACEBACKS: Final = logging.Formatter()


def clean(text: str) -> str:
    """Escape whatever is no visible character or blank; each becomes one to ten characters."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else _escape(each) for each in text)


def clip(text: str, max_chars: int) -> str:
    """Leave out the end of a text that is too long."""
    return text if len(text) <= max_chars else text[: max_chars - 1] + "…"


def message_of(record: logging.LogRecord) -> str:
    """The message, fit for one line."""
    try:
        message = record.getMessage()
    except Exception:  # a mistake of ours in what is logged is no reason to lose the rest
        message = str(record.msg)
    is_detail = record.levelno < logging.INFO
    max_chars = MAX_MESSAGE_CHARS_IN_DETAIL if is_detail else MAX_MESSAGE_CHARS
    return clip(clean(clip(message, max_chars)), max_chars)


def traceback_of(record: logging.LogRecord) -> str:
    """The traceback and the stack of a record, without a line feed at the end."""
    text = record.exc_text or ""
    if not text and record.exc_info and record.exc_info[0] is not None:
        text = _TRACEBACKS.formatException(record.exc_info)
    if record.stack_info:
        text += "\n" * bool(text) + record.stack_info
    lines = text.split("\n")
    if len(lines) > MAX_TRACEBACK_LINES:
        half = MAX_TRACEBACK_LINES // 2
        lines = [*lines[:half], "...", *lines[-half:]]
    return "\n".join(clean(clip(line, MAX_TRACEBACK_LINE_CHARS)) for line in lines)


def line_of(created_s: float, level: int, name: str, message: str, traceback: str = "") -> str:
    """One record as text, with its line feed.

    Args:
        created_s: Wall clock.
        level: As in ``logging``.
        name: Of the logger.
        message: As by ``message_of``.
        traceback: As by ``traceback_of``; it is indented.
    """
    date = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(created_s))
    millis = int(created_s % 1 * 1000)
    line = f"{date},{millis:03} {logging.getLevelName(level):<7} {name}: {message}\n"
    return line + "".join(f"{_INDENT}{each}\n" for each in traceback.split("\n") if each)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
