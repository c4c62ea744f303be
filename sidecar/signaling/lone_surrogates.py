"""Halves of characters, as they are left when a text is cut between two UTF-16 code units.

A frontend that cuts a name after so many units may cut an emoji in half. JSON can carry such a half
as an escape, and UTF-8 can't carry it at all (RFC 3629, section 3; RFC 8259, section 8.2): what is
left of it is U+FFFD, as browsers do when they send text.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

MAX_MENDED_CHARS: Final = 32 * 1024
"""Of JSON; more than any honest text takes, and little enough to be mended in a millisecond."""

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_LONE_ESCAPE: Final = re.compile(
    r"\\u[dD](?:"
    r"[89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    r"|(?<!\\u[dD][89abAB][0-9a-fA-F][0-9a-fA-F]\\u[dD])[c-fC-F][0-9a-fA-F]{2}"
    r")"
)
_NO_JSON: Final = "\x00"


def without_surrogates(text: str) -> str:
    """A text that can be encoded: each surrogate in it, which is a lone one, becomes U+FFFD."""
    return _SURROGATE.sub("\ufffd", text)


@lru_cache(maxsize=1)  # A frame is looked at once for its allowance and once to be carried out.
def mended(json_text: str) -> str:
    """The same JSON with U+FFFD in place of each lone surrogate, escaped or not.

    The work is linear. What is longer than ``MAX_MENDED_CHARS`` stays as it is.
    """
    if len(json_text) > MAX_MENDED_CHARS or _NO_JSON in json_text:
        return json_text
    # An escaped backslash begins no other escape, whatever follows it.
    marked = without_surrogates(json_text).replace("\\\\", _NO_JSON)
    return _LONE_ESCAPE.sub(r"\\ufffd", marked).replace(_NO_JSON, "\\\\")
