"""The benchmark runs and its class gets everything; how fast is never asserted."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from scripts.benchmark.errors import BenchError
from scripts.benchmark.options import parse_options
from scripts.benchmark.plot import INSTALL_COMMAND, require_matplotlib
from scripts.benchmark.result import Spread
from scripts.benchmark.table import COLUMNS
from tests.support.programs import PROJECT_FOLDER
from tests.support.sfu_process import SfuProcess

SHORT = ("--students", "2", "--warm-up", "0", "--duration", "1")
COMMAND = (
    "{python} -m sidecar --host 127.0.0.1 --port {{port}} --media-ports 0"
    " --max-clients-per-room {{clients}}"
)

needs_proc = pytest.mark.skipif(
    not Path("/proc/self/smaps_rollup").exists(),
    reason="CPU time of another process is read in Linux's /proc",
)


def run(output: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program as people do."""
    return subprocess.run(
        [sys.executable, "scripts/bench.py", *SHORT, "--json", str(output), *arguments],
        cwd=PROJECT_FOLDER,
        capture_output=True,
        text=True,
        check=False,
    )


def bench(folder: Path, *arguments: str) -> list[dict[str, Any]]:
    """Run it with success and return its results."""
    output = folder / "bench.json"
    finished = run(output, *arguments)
    assert finished.returncode == 0, finished.stderr
    lines = finished.stdout.splitlines()
    assert [line[: len(name)] for line, (name, _) in zip(lines, COLUMNS, strict=True)] == [
        name for name, _ in COLUMNS
    ]
    document = json.loads(output.read_text(encoding="utf-8"))
    assert document["machine"]["processors"] > 0
    return list(document["results"])


@needs_proc
def test_every_server_of_a_run_delivers_everything(tmp_path: Path) -> None:
    command = "other=" + COMMAND.format(python=sys.executable)
    results = bench(tmp_path, "--server", "own", "--server", command)
    assert [result["server"] for result in results] == ["own", "other"]
    for result in results:
        assert result["delivered_ratio"] == 1.0
        assert result["cost"]["forwarded_packets"] > 0
        assert result["cost"]["us_per_packet"] > 0
        assert result["latency"]["count"] > 0
        assert result["memory"]["pss_bytes"] > 0
        assert result["join"]["first_picture"]["count"] == 2


@needs_proc
def test_rooms_are_classes_of_their_own(tmp_path: Path) -> None:
    command = "own=" + COMMAND.format(python=sys.executable) + " --num-workers 2"
    (result,) = bench(tmp_path, "--server", command, "--rooms", "2")
    assert result["scenario"]["rooms"] == 2
    assert result["delivered_ratio"] == 1.0
    assert result["join"]["first_picture"]["count"] == 4


@needs_proc
def test_lost_packets_are_asked_for_and_come_again(tmp_path: Path) -> None:
    (result,) = bench(tmp_path, "--loss", "0.1")
    assert result["nacked_packets"] > 0
    assert result["retransmitted_packets"] > 0
    # Sound is not retransmitted: of the picture alone nearly all must be there.
    assert result["delivered_ratio"] > 0.9


@needs_proc
def test_who_loses_nothing_gets_everything_while_another_loses_much(tmp_path: Path) -> None:
    (result,) = bench(tmp_path, "--students", "3", "--loss", "0.3", "--lossy", "1")
    assert result["scenario"]["lossy_students"] == 1
    assert result["retransmitted_packets"] > 0
    assert result["delivered_ratio"] > 0.9


@needs_proc
def test_students_may_have_microphones(tmp_path: Path) -> None:
    (result,) = bench(tmp_path, "--two-way")
    assert result["scenario"]["two_way"]
    assert result["delivered_ratio"] == 1.0


@needs_proc
def test_a_server_that_runs_already_is_measured_and_left_alone(tmp_path: Path) -> None:
    arguments = ["--host", "127.0.0.1", "--port", "0", "--media-ports", "0"]
    sfu = SfuProcess(arguments, tmp_path / "sfu")
    try:
        (result,) = bench(tmp_path, "--url", sfu.url, "--pid", str(sfu.pid))
        assert result["delivered_ratio"] == 1.0
    finally:
        assert sfu.stop() == 0


@needs_proc
def test_a_class_that_a_server_refuses_is_a_failure_with_its_reason(tmp_path: Path) -> None:
    output = tmp_path / "bench.json"
    room_for_two = COMMAND.format(python=sys.executable).replace("{clients}", "2")
    finished = run(output, "--server", "small=" + room_for_two)
    assert finished.returncode == 1
    assert "Traceback" not in finished.stderr
    document = json.loads(output.read_text(encoding="utf-8"))
    assert document["results"] == []
    (failure,) = document["failures"]
    assert failure["server"] == "small"
    assert "Room is full" in failure["error"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--server", "node server.js"], "{port}"),
        (["--url", "ws://127.0.0.1:1"], "--pid"),
        (["--url", "ws://192.0.2.1:1", "--pid", "1"], "stays on this machine"),
        (["--students", "1,251", "--rooms", "2"], "at most 500"),
        (["--students", "1,2,3,4,5,6,7,8", "--loss", "0,0,0,0,0,0,0,0"], "at most"),
    ],
)
def test_what_cannot_be_measured_is_said(arguments: Sequence[str], expected: str) -> None:
    with pytest.raises(BenchError) as failure:
        parse_options(arguments)
    assert expected in str(failure.value)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--students", "0"],
        ["--students", "many"],
        ["--srtp-profile", "ROT13"],
        ["--loss", "1"],
        ["--duration", "86400"],
    ],
)
def test_values_out_of_bounds_are_refused(
    arguments: Sequence[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse_options(arguments)
    assert arguments[0] in capsys.readouterr().err


def test_a_sweep_is_every_combination() -> None:
    options = parse_options(["--students", "1,49", "--loss", "0,0.1", "--bitrate", "2.5"])
    found = [(s.loss, s.students, s.bitrate_bps) for s in options.scenarios]
    assert found == [(0, 1, 2_500_000), (0, 49, 2_500_000), (0.1, 1, 2_500_000),
                     (0.1, 49, 2_500_000)]  # fmt: skip


def test_a_missing_plotting_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(BenchError, match=INSTALL_COMMAND):
        require_matplotlib()


def test_percentiles_are_values_that_occurred() -> None:
    milliseconds = [value * 1_000_000 for value in range(101)]
    assert Spread.of_ns(milliseconds[::-1]) == Spread(101, 50.0, 99.0, 100.0)
    assert Spread.of_ns([]) == Spread(0, 0.0, 0.0, 0.0)


def test_the_parts_are_measured_one_by_one() -> None:
    finished = subprocess.run(
        [sys.executable, "scripts/sending.py", "--students", "2", "--rounds", "2"],
        cwd=PROJECT_FOLDER,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    sending, feedback = finished.stdout.split("\n\n")
    for table, rows, column in ((sending, 6, -1), (feedback, 3, -3)):
        costs = [float(line.split()[column]) for line in table.splitlines()[1:]]
        assert len(costs) == rows
        assert all(cost > 0 for cost in costs)


@pytest.mark.parametrize(
    ("students", "loss", "lossy", "expected"),
    [
        (49, 0.0, 49, [0, 16, 32]),
        (49, 0.1, 24, [0, 8, 16]),
        (49, 0.1, 49, [0, 1, 2]),
        (2, 0.0, 2, [0, 1]),
    ],
)
def test_observers_are_spread_over_those_who_lose_nothing(
    students: int, loss: float, lossy: int, expected: list[int]
) -> None:
    arguments = ["--students", str(students), "--loss", str(loss), "--lossy", str(lossy)]
    scenario = parse_options(arguments).scenarios[0]
    assert [each for each in range(students) if scenario.observes(each, 3)] == expected
    second_room = range(students, 2 * students)
    assert [each - students for each in second_room if scenario.observes(each, 3)] == expected
