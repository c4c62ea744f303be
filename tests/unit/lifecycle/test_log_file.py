"""What happens to files, and the log all the same."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sidecar.lifecycle import log_file as log_file_module
from sidecar.lifecycle.log_file import FOLLOW_S, MAX_INSTANCES, RETRY_S, LogFile

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

POSIX_ONLY = pytest.mark.skipif(os.name != "posix", reason="an open file can't be deleted")


class Disk:
    """Where the files are; the test says when it is full.

    Attributes:
        room: How many bytes there is room for; None for enough.
        close_fails: Whether the disk complains when a file is closed.
    """

    def __init__(self) -> None:
        self.now_s = 0.0
        self.room: int | None = None
        self.close_fails = False
        self.trouble: list[str] = []
        self._opened: list[LogFile] = []

    def open(self, path: Path, max_bytes: int = 1000, old_files: int = 2) -> LogFile:
        file = LogFile(path, max_bytes, old_files, self.trouble.append, lambda: self.now_s)
        self._opened.append(file)
        file.open()
        return file

    def take(self, size: int) -> int:
        """How many of these bytes there is room for.

        Raises:
            OSError: For none.
        """
        if self.room is None:
            return size
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = min(self.room, size)
        self.room -= taken
        return taken

    def close(self) -> None:
        for each in self._opened:
            each.close()


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    disk = Disk()

    class File(FileIO):
        def __init__(self, path: Path, mode: str) -> None:
            if disk.room == 0 and not path.exists():
                disk.take(1)
            super().__init__(path, mode)

        def write(self, data: ReadableBuffer) -> int:
            view = memoryview(data)
            return super().write(view[: disk.take(len(view))])

        def close(self) -> None:
            super().close()
            if disk.close_fails:
                raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr(log_file_module, "FileIO", File)
    yield disk
    disk.close()


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def test_lines_are_there_at_once_and_after_another_start(disk: Disk, tmp_path: Path) -> None:
    for line in ("one\n", "Zoë\n"):
        file = disk.open(tmp_path / "new" / "log")
        file.write(line)
        file.close()
    assert (tmp_path / "new" / "log").read_text(encoding="utf-8") == "one\nZoë\n"


def test_a_file_that_is_large_is_put_aside(disk: Disk, tmp_path: Path) -> None:
    file = disk.open(tmp_path / "log", max_bytes=20)
    for number in range(9):
        file.write(f"line {number:4}\n")
    assert names(tmp_path) == ["log", "log.1", "log.2"]
    assert (tmp_path / "log").read_text() == "line    8\n"
    assert (tmp_path / "log.1").read_text() == "line    6\nline    7\n"
    assert disk.trouble == []


def test_each_instance_has_a_file_of_its_own(disk: Disk, tmp_path: Path) -> None:
    first, second, third = (disk.open(tmp_path / "sfu.log", max_bytes=20) for _ in range(3))
    assert [each.path.name for each in (first, second, third)] == [
        "sfu.log",
        "sfu-2.log",
        "sfu-3.log",
    ]
    for number in range(5):
        first.write(f"first {number:3}\n")
        second.write(f"second {number:2}\n")
    for path in tmp_path.iterdir():
        texts = {line.split()[0] for line in path.read_text().splitlines()}
        assert texts <= ({"second"} if "-2" in path.name else {"first"})
    second.close()
    assert disk.open(tmp_path / "sfu.log").path.name == "sfu-2.log"


def test_where_nothing_can_be_locked_all_share(
    disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_file_module, "lock_file", lambda _descriptor: False)
    assert disk.open(tmp_path / "log").path == tmp_path / "log"
    assert len(names(tmp_path)) == MAX_INSTANCES


def test_a_full_disk_is_told_of_once_and_it_goes_on_when_there_is_room(
    disk: Disk, tmp_path: Path
) -> None:
    file = disk.open(tmp_path / "log")
    file.write("before\n")
    disk.room = 3
    for _ in range(10):
        file.write("lost\n")
        disk.now_s += RETRY_S
    assert len(disk.trouble) == 1
    assert "No space left" in disk.trouble[0]
    disk.room = None
    file.write("after\n")
    first, cut, gap, last = (tmp_path / "log").read_text().splitlines()
    assert (first, cut, last) == ("before", "los", "after")
    assert gap.endswith("10 lines are missing here: they could not be written")
    assert len(disk.trouble) == 1


def test_a_disk_without_room_is_not_asked_for_each_line(disk: Disk, tmp_path: Path) -> None:
    file = disk.open(tmp_path / "log")
    disk.room = 0
    file.write("lost\n")
    disk.room = None
    file.write("lost too\n")
    disk.now_s += RETRY_S
    file.write("written\n")
    assert (tmp_path / "log").read_text().splitlines()[1:] == ["written"]


def test_a_disk_that_is_full_when_a_file_is_put_aside(disk: Disk, tmp_path: Path) -> None:
    file = disk.open(tmp_path / "log", max_bytes=20)
    file.write("line one\n" * 2)
    disk.room = 0
    file.write("lost\n")
    assert len(disk.trouble) == 1
    disk.room = None
    disk.now_s += RETRY_S
    file.write("after\n")
    assert (tmp_path / "log.1").read_text() == "line one\n" * 2
    assert (tmp_path / "log").read_text().endswith("\nafter\n")


@pytest.mark.parametrize("made_anew", [False, True])
@POSIX_ONLY
def test_a_file_that_somebody_deletes_or_replaces_is_made_anew(
    disk: Disk, tmp_path: Path, made_anew: bool
) -> None:
    path = tmp_path / "folder" / "log"
    file = disk.open(path)
    file.write("before\n")
    path.unlink()
    path.parent.rmdir()
    if made_anew:
        path.parent.mkdir()
        path.write_text("another\n")
    disk.now_s += FOLLOW_S
    file.write("after\n")
    assert path.read_text() == "another\n" * made_anew + "after\n"
    assert disk.trouble == []


def test_a_file_that_somebody_empties_goes_on(disk: Disk, tmp_path: Path) -> None:
    file = disk.open(tmp_path / "log")
    file.write("before\n")
    os.truncate(tmp_path / "log", 0)
    file.write("after\n")
    assert (tmp_path / "log").read_text() == "after\n"


def test_what_cannot_be_put_aside_grows_to_twice_its_size_and_no_further(
    disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_paths: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    replace: Callable[..., None] = os.replace
    monkeypatch.setattr(os, "replace", refuse)
    file = disk.open(tmp_path / "log", max_bytes=100)
    for _ in range(100):
        file.write("line text\n")
        disk.now_s += RETRY_S
    assert (tmp_path / "log").stat().st_size == 210
    assert len(disk.trouble) == 1
    monkeypatch.setattr(os, "replace", replace)
    file.write("after\n")
    assert (tmp_path / "log").read_text().endswith("\nafter\n")
    assert (tmp_path / "log.1").stat().st_size == 210


def test_a_close_that_fails_is_no_matter(disk: Disk, tmp_path: Path) -> None:
    file = disk.open(tmp_path / "log")
    disk.close_fails = True
    file.close()
    disk.close_fails = False


@POSIX_ONLY
def test_what_is_no_file_is_neither_locked_nor_put_aside(disk: Disk) -> None:
    first, second = (disk.open(Path(os.devnull), max_bytes=10) for _ in range(2))
    for each in (first, second):
        for _ in range(5):
            each.write("line text\n")
        assert each.path == Path(os.devnull)
    assert disk.trouble == []
