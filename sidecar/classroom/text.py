"""What people write and others see on their screens, without what would deceive or disturb these.

Control characters, overrides of the direction of writing, and whatever is invisible have no place
in a name. In what people say, lines, tabs and the joiners of emoji and of some scripts have one.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

PLACEHOLDER: Final = "\N{REPLACEMENT CHARACTER}"
"""Is seen where nothing else of a text would be."""

MAX_MARKS: Final = 4
"""How many marks one character may carry, as many as any script needs. More cover other lines."""

_NEVER: Final = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters but tab and line feed
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # direction of writing
    "\xad\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b\u2060-\u2065\u206a-\u206f\u3164\ufeff\uffa0"
    "\ufdd0-\ufdef\ufff0-\ufffb\ufffe\uffff"
    "\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e00ff\U000e01f0-\U000e0fff"  # tags, and what is to be ignored
    + "".join(f"{chr(plane << 16 | 0xFFFE)}{chr(plane << 16 | 0xFFFF)}" for plane in range(1, 17))
)
_JOINERS: Final = "\u180b-\u180d\u180f\u200c\u200d\ufe00-\ufe0f\U000e0100-\U000e01ef"
"""Zero-width joiner and non-joiner, and variation selectors."""

_NOT_IN_NAMES: Final = (
    "\u2800\U00016fe4\U0001d159"  # blanks
    "\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"  # signs around numbers
)
_FLAG: Final = "\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f"
"""Such as Scotland's: a black flag with its region in tags."""

_LINE_ENDS: Final = re.compile("\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_STRANGE_IN_LINES: Final = re.compile(f"[{_NEVER}{_JOINERS}{_NOT_IN_NAMES}]")
_STRANGE_IN_SPEECH: Final = re.compile(f"({_FLAG})|[{_NEVER}]")
_STRANGE_IN_IDS: Final = re.compile(f"[{_NEVER}\t\n\u2028\u2029\ud800-\udfff]")
_SPACE: Final = re.compile(r"\s")
_SPACES: Final = re.compile(" {2,}")
_UNSEEN: Final = re.compile(rf"[\s{_JOINERS}]*")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def one_line(text: str) -> str:
    """A name, or any other short text, as others may see it: one line, all of it visible."""
    if text.isascii() and text.isprintable():
        return _SPACES.sub(" ", text).strip() or PLACEHOLDER
    spaced = _SPACE.sub(" ", _SURROGATE.sub(PLACEHOLDER, text))
    visible = _with_few_marks(_STRANGE_IN_LINES.sub("", spaced))
    return _SPACES.sub(" ", visible).strip() or PLACEHOLDER


def speech(text: str) -> str:
    """What somebody says, as others may see it: with its lines, tabs and emoji."""
    if text.isascii() and text.isprintable():
        return text
    lines = _LINE_ENDS.sub("\n", _SURROGATE.sub(PLACEHOLDER, text))
    visible = _with_few_marks(_STRANGE_IN_SPEECH.sub(r"\1", lines))
    return PLACEHOLDER if _UNSEEN.fullmatch(visible) else visible


def is_plain_id(text: str) -> bool:
    """Whether an id is free of what can't be seen or deceives.

    Ids are compared, so they can't be cleaned: two that differ would be the same.
    """
    return _STRANGE_IN_IDS.search(text) is None


def _with_few_marks(text: str) -> str:
    if text.isascii():
        return text
    kept = []
    marks = MAX_MARKS  # At the beginning there is nothing yet that could carry one.
    for character in text:
        if unicodedata.category(character) in ("Mn", "Me"):
            marks += 1
            if marks > MAX_MARKS:
                continue
        elif character not in "\u200c\u200d":
            marks = 0
        kept.append(character)
    return "".join(kept)
