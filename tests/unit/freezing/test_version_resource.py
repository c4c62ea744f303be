from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest

from scripts.freezing.version_resource import version_resource, write_version_resource
from sidecar import __version__


class Node(NamedTuple):
    """A call in the expression, which PyInstaller evaluates with classes of these names."""

    name: str
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]


def evaluate(expression: str) -> Node:
    names = (
        "FixedFileInfo",
        "StringFileInfo",
        "StringStruct",
        "StringTable",
        "VarFileInfo",
        "VarStruct",
        "VSVersionInfo",
    )

    def maker(name: str) -> Any:
        return lambda *arguments, **keywords: Node(name, arguments, keywords)

    tree = eval(expression, {"__builtins__": {}, **{name: maker(name) for name in names}})
    assert isinstance(tree, Node)
    return tree


@pytest.mark.parametrize(
    ("version", "numbers"),
    [("1.2.3", (1, 2, 3, 0)), ("0.1", (0, 1, 0, 0)), ("2.0.0.dev1", (2, 0, 0, 0))],
)
def test_numbers_are_four_and_text_is_whole(version: str, numbers: tuple[int, ...]) -> None:
    tree = evaluate(version_resource(version))
    assert tree.keywords["ffi"].keywords == {"filevers": numbers, "prodvers": numbers}
    strings, variables = tree.keywords["kids"]
    (table,) = strings.arguments[0]
    code, entries = table.arguments
    texts = dict(entry.arguments for entry in entries)
    assert texts["FileVersion"] == texts["ProductVersion"] == version
    assert texts["OriginalFilename"] == "classroom-sfu.exe"
    # The table's name is the translation that is declared, in hexadecimal.
    (translation,) = variables.arguments[0]
    assert code == "".join(f"{number:04x}" for number in translation.arguments[1])


def test_it_is_written_for_the_present_version(tmp_path: Path) -> None:
    path = write_version_resource(tmp_path / "version.txt")
    assert Path(path).read_text(encoding="utf-8") == version_resource(__version__)
