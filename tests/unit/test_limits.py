"""The table of limits, and that the documentation has the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sidecar.limits import LIMITS, Limit, Limits

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"
ROW = re.compile(r"^\| `--max.+?` \| `\w+` \| `(\w+)` \| `(\d+)` \| (.+?) \| .+? \|$", re.MULTILINE)


def test_every_limit_is_in_the_table() -> None:
    assert [limit.name for limit in LIMITS] == list(Limits.__struct_fields__)


def test_the_page_has_every_limit_with_its_default_and_meaning() -> None:
    rows = ROW.findall(PAGE.read_text(encoding="utf-8"))
    assert [(name, int(default), meaning) for name, default, meaning in rows] == [
        (limit.name, getattr(Limits(), limit.name), limit.help) for limit in LIMITS
    ]


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.name)
def test_the_default_is_a_good_value(limit: Limit) -> None:
    assert limit.least <= getattr(Limits(), limit.name) <= limit.most
