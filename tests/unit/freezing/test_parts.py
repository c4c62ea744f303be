from __future__ import annotations

from pathlib import Path

import pytest

from scripts.freezing.parts import OverBudgetError, Part, check_budget, describe


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A program of 1.5 MB in a folder."""
    folder = tmp_path / "program"
    (folder / "lib").mkdir(parents=True)
    (folder / "exe").write_bytes(bytes(500_000))
    (folder / "lib" / "large.so").write_bytes(bytes(1_000_000))
    (folder / "lib" / "same.so").symlink_to("large.so")
    return folder


def test_the_ten_largest_parts_are_named_the_largest_first() -> None:
    parts = [Part(f"part-{number}", number * 1_000_000) for number in range(1, 13)]
    lines = describe("program", 78_000_000, parts).splitlines()
    assert lines[0] == "program: 78.00 MB, of which"
    assert [line.split() for line in lines[1:]] == [
        [f"{number}.00", "MB", f"part-{number}"] for number in range(12, 2, -1)
    ]


def test_within_its_budget_a_folder_is_described(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check_budget(folder, 1_500_000)
    out = capsys.readouterr().out
    assert out.startswith("program:  1.50 MB")
    assert out.index("lib/large.so") < out.index("exe")
    assert "same.so" not in out


def test_above_its_budget_it_fails_with_the_numbers(folder: Path) -> None:
    with pytest.raises(OverBudgetError, match=r"1\.50 MB.*1\.49 MB") as caught:
        check_budget(folder, 1_490_000)
    assert caught.value.code
