"""Where the log goes, and that nobody waits for it."""

from __future__ import annotations

import errno
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sidecar import logs as logs_module
from sidecar.errors import LogFileError
from sidecar.lifecycle.log_file import LogFile
from sidecar.logs import Logs, default_log_file

logger = logging.getLogger("sidecar.test")


@pytest.fixture
def open_logs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Logs]]:
    """Logs that are closed after the test, which leaves the levels as they were."""
    root, websockets = logging.getLogger(), logging.getLogger("websockets")
    levels = root.level, websockets.level
    opened: list[Logs] = []

    def open_(
        level: str = "info", file: str = "none", on_trouble: Callable[[str], object] = str
    ) -> Logs:
        opened.append(Logs(level, file, on_trouble))
        return opened[-1]

    yield open_
    monkeypatch.undo()
    for each in opened:
        each.close()
    root.setLevel(levels[0])
    websockets.setLevel(levels[1])


def test_a_record_goes_to_stderr_and_to_the_file(
    open_logs: Callable[..., Logs], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "new" / "file.log"
    logs = open_logs("info", str(path))
    logger.info("%s came", "Zoë")
    logger.debug("too much")
    assert logs.close()
    contents = path.read_text(encoding="utf-8")
    assert contents.endswith(" INFO    sidecar.test: Zoë came\n")
    assert contents.count("\n") == 1
    output = capsys.readouterr()
    assert output.err == contents
    assert output.out == ""


def test_a_traceback_is_logged(open_logs: Callable[..., Logs], tmp_path: Path) -> None:
    logs = open_logs("info", str(tmp_path / "log"))
    try:
        raise ZeroDivisionError("a defect")
    except ZeroDivisionError:
        logger.exception("failed")
    assert logs.close()
    contents = (tmp_path / "log").read_text(encoding="utf-8")
    assert contents.count("Traceback") == 1
    assert "ZeroDivisionError: a defect" in contents


def test_a_file_does_not_grow_for_ever(
    open_logs: Callable[..., Logs], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs_module, "MAX_FILE_BYTES", 200)
    monkeypatch.setattr(logs_module, "OLD_FILES", 2)
    logs = open_logs("info", str(tmp_path / "log"))
    for number in range(50):
        logger.info("line %d", number)
    assert logs.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "log.1", "log.2"]
    assert all(path.stat().st_size <= 200 for path in tmp_path.iterdir())
    assert "line 49\n" in (tmp_path / "log").read_text(encoding="utf-8")


def test_only_who_wants_details_gets_those_of_the_websocket_library(
    open_logs: Callable[..., Logs],
) -> None:
    open_logs("info")
    assert not logging.getLogger("websockets.server").isEnabledFor(logging.INFO)
    assert logging.getLogger("websockets.server").isEnabledFor(logging.WARNING)


def test_the_usual_place_is_a_folder_of_our_own(
    open_logs: Callable[..., Logs], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = default_log_file()
    assert usual.name == "classroom-sfu.log"
    assert "classroom-sfu" in str(usual.parent)
    monkeypatch.setattr(logs_module, "default_log_file", lambda: tmp_path / "usual.log")
    assert open_logs("info", "").trouble is None
    assert (tmp_path / "usual.log").exists()


def test_a_usual_place_that_cannot_be_had_is_no_obstacle(
    open_logs: Callable[..., Logs],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(logs_module, "default_log_file", lambda: tmp_path)
    logs = open_logs("info", "")
    assert logs.trouble is not None
    assert str(tmp_path) in logs.trouble
    logger.info("goes on")
    assert logs.close()
    assert "goes on" in capsys.readouterr().err


def test_a_file_that_was_asked_for_must_be_had(
    open_logs: Callable[..., Logs], tmp_path: Path
) -> None:
    with pytest.raises(LogFileError, match="cannot be written") as caught:
        open_logs("info", str(tmp_path))
    assert "--log-file" in caught.value.hint


def test_a_full_disk_is_told_of_even_if_the_file_was_asked_for(
    open_logs: Callable[..., Logs], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: LogFile) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(LogFile, "open", refuse)
    told: list[str] = []
    logs = open_logs("info", str(tmp_path / "log"), told.append)
    assert told == [logs.trouble]
    assert "No space left" in told[0]
    logger.info("goes on")
    assert logs.close()
    assert len(told) == 1


def test_a_second_instance_says_where_it_logs(
    open_logs: Callable[..., Logs], tmp_path: Path
) -> None:
    first, second = (open_logs("info", str(tmp_path / "sfu.log")) for _ in range(2))
    assert second.close()
    assert first.close()
    text = (tmp_path / "sfu-2.log").read_text(encoding="utf-8")
    assert f"another instance writes to {tmp_path / 'sfu.log'}" in text


def test_what_is_left_out_is_said_at_the_end(
    open_logs: Callable[..., Logs], tmp_path: Path
) -> None:
    logs = open_logs("info", str(tmp_path / "log"))
    for number in range(1000):
        logger.info("%s refused: %d", "join", number)
    assert logs.close()
    lines = (tmp_path / "log").read_text(encoding="utf-8").splitlines()
    assert len(lines) < 100
    assert " more like this in the last " in lines[-1]


class StuckStream:
    """A pipe that nobody reads."""

    def __init__(self) -> None:
        self.is_written_to = threading.Event()
        self.is_read = threading.Event()

    def write(self, _text: str) -> None:
        self.is_written_to.set()
        self.is_read.wait()

    def flush(self) -> None:
        pass


def test_nobody_waits_for_a_stderr_that_is_not_read(
    open_logs: Callable[..., Logs], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stream = StuckStream()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(logs_module, "FLUSH_TIMEOUT_S", 0)
    logs = open_logs("debug", str(tmp_path / "log"))
    for number in range(2 * logs_module.MAX_WAITING_RECORDS):
        logger.debug("line %d", number)
    assert stream.is_written_to.wait(10)
    monkeypatch.setattr(logs_module, "FLUSH_TIMEOUT_S", 10)
    # The file doesn't wait for it either.
    assert logs._writers[1].close(10)
    assert "line 0\n" in (tmp_path / "log").read_text(encoding="utf-8")
    monkeypatch.setattr(logs_module, "FLUSH_TIMEOUT_S", 0)
    assert not logs.close()
    stream.is_read.set()
