"""The page of faults names tests that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
ROWS = [line.split(" | ") for line in PAGE.splitlines() if line.startswith("| ")]
FAULTS = [row for row in ROWS if row[0] != "| fault"]


@pytest.mark.parametrize("row", FAULTS, ids=lambda row: str(row[0])[2:50])
def test_each_fault_has_tests_that_exist(row: list[str]) -> None:
    assert len(row) == 3
    tests = re.findall(r"`(tests/[^`]+)`", row[-1])
    assert tests
    assert [test for test in tests if not (ROOT / test).is_file()] == []


def test_no_fault_stands_twice() -> None:
    faults = [row[0] for row in FAULTS]
    assert len(set(faults)) == len(faults)
