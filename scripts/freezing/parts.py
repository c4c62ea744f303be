"""What a frozen program is made of, and how large it may be."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

SHOWN_PARTS = 10


class Part(NamedTuple):
    """One file in a frozen program.

    Attributes:
        name: Its path there.
        size_bytes: What it takes up, compressed where it is.
    """

    name: str
    size_bytes: int


class OverBudgetError(SystemExit):
    """The program is larger than it may be. PyInstaller ends with it."""


def check_budget(program: Path, budget_bytes: int) -> None:
    """Prints how large a frozen program is, and its largest parts.

    Args:
        program: The executable, or the folder.
        budget_bytes: What it may have.

    Raises:
        OverBudgetError: It has more.
    """
    parts = folder_parts(program) if program.is_dir() else archive_parts(program)
    size_bytes = sum(part.size_bytes for part in parts) if program.is_dir() else _size(program)
    print(describe(program.name, size_bytes, parts), flush=True)
    if size_bytes > budget_bytes:
        raise OverBudgetError(
            f"{program.name} has {_megabytes(size_bytes)}, "
            f"and its budget in pyinstaller.spec is {_megabytes(budget_bytes)}"
        )


def describe(name: str, size_bytes: int, parts: Iterable[Part]) -> str:
    """Says in some lines how large a program is, and which of its parts are the largest."""
    largest = sorted(parts, key=lambda part: -part.size_bytes)[:SHOWN_PARTS]
    lines = [f"{name}: {_megabytes(size_bytes)}, of which"]
    lines += [f"  {_megabytes(part.size_bytes)}  {part.name}" for part in largest]
    return "\n".join(lines)


def folder_parts(folder: Path) -> list[Part]:
    """The files of the folder form."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return [Part(path.relative_to(folder).as_posix(), _size(path)) for path in files]


def archive_parts(executable: Path) -> list[Part]:
    """The files in a one-file executable."""
    # By name: it has no types, and is there only where something is frozen.
    readers = import_module("PyInstaller.archive.readers")
    entries = readers.CArchiveReader(str(executable)).toc.items()
    return [Part(name, length_bytes) for name, (_, length_bytes, *_) in entries]


def _size(path: Path) -> int:
    return path.stat().st_size


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:5.2f} MB"
