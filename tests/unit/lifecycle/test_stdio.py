"""Descriptors and lines."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sidecar.lifecycle.commands import MAX_LINE_BYTES
from sidecar.lifecycle.stdio import LineSplitter, read_some, write_all

ROOT = Path(__file__).parents[3]
POSIX_ONLY = pytest.mark.skipif(os.name != "posix", reason="needs non-blocking pipes")


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_lines_are_found_wherever_the_stream_is_cut(size: int) -> None:
    stream = b"one\n\ntwo\r\nthree"
    splitter = LineSplitter()
    lines = [
        line
        for start in range(0, len(stream), size)
        for line in splitter.feed(stream[start : start + size])
    ]
    assert lines == [b"one", b"", b"two\r"]
    assert splitter.feed(b"\n") == [b"three"]


def test_a_line_without_end_takes_no_memory_and_hides_no_later_one() -> None:
    splitter = LineSplitter()
    for _ in range(100):
        assert splitter.feed(b"x" * MAX_LINE_BYTES) == []
    too_long, good = splitter.feed(b"\ngood\n")
    assert len(too_long) == MAX_LINE_BYTES + 1
    assert good == b"good"


@POSIX_ONLY
def test_a_pipe_that_somebody_made_non_blocking_is_waited_for() -> None:
    ours, theirs = os.pipe()
    os.set_blocking(ours, False)
    os.set_blocking(theirs, False)
    data = os.urandom(1 << 20)  # More than a pipe holds.

    def write() -> None:
        write_all(theirs, data)
        os.close(theirs)

    writer = threading.Thread(target=write)
    writer.start()
    received = b""
    while chunk := read_some(ours):
        received += chunk
    writer.join()
    os.close(ours)
    assert received == data


def test_nobody_reads() -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    try:
        with pytest.raises(OSError):
            write_all(theirs, b"x")
    finally:
        os.close(theirs)


def test_a_stream_that_cannot_be_read_is_at_its_end() -> None:
    ours, theirs = os.pipe()
    try:
        assert read_some(theirs) == b""
    finally:
        os.close(ours)
        os.close(theirs)


def run(program: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", "import os, sys\n" + program]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=True)


def test_what_others_print_goes_to_stderr() -> None:
    finished = run(
        "from sidecar.lifecycle.stdio import claim_stdout\n"
        "claimed = claim_stdout()\n"
        "print('by Python')\n"
        "os.write(1, b'by a library\\n')\n"
        "os.write(claimed, b'ours')\n"
    )
    assert finished.stdout == b"ours"
    assert sorted(finished.stderr.split()) == sorted(b"by Python by a library".split())


@POSIX_ONLY
def test_closed_streams_are_not_given_to_the_next_file() -> None:
    finished = run(
        "from sidecar.lifecycle.stdio import open_missing_streams\n"
        "os.close(0); os.close(1)\n"
        "open_missing_streams()\n"
        "os.write(1, b'nowhere')\n"
        "assert os.read(0, 1) == b''\n"
        "assert os.open('/dev/null', os.O_RDONLY) > 2\n"
    )
    assert (finished.stdout, finished.stderr) == (b"", b"")
