"""Cost against students, as a picture."""

from __future__ import annotations

import importlib
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts.benchmark.errors import BenchError
from scripts.benchmark.result import Result

INSTALL_COMMAND = "pip install matplotlib"
WIDTH_INCHES, HEIGHT_INCHES = 8.0, 5.0
DOTS_PER_INCH = 120


def require_matplotlib() -> Any:
    """Return matplotlib's `Figure`, before anything is measured in vain.

    Raises:
        BenchError: It is not installed.
    """
    try:
        return importlib.import_module("matplotlib.figure").Figure
    except ImportError as error:
        raise BenchError(
            f"--plot needs matplotlib ({error}); install it with: {INSTALL_COMMAND}"
        ) from None


def save(results: Sequence[Result], path: Path) -> None:
    """Draw a line for each server and each other circumstance, and the `sendto` unit.

    Raises:
        BenchError: The file cannot be written.
    """
    figure = require_matplotlib()(figsize=(WIDTH_INCHES, HEIGHT_INCHES), layout="constrained")
    axes = figure.subplots()
    for label, points in _lines(results).items():
        axes.plot(*zip(*points, strict=True), marker="o", label=label)
    units = sorted((r.scenario.students, r.cost.sendto_us) for r in results)
    axes.plot(
        *zip(*units, strict=True), linestyle="--", marker="_", color="grey", label="one bare sendto"
    )
    students = sorted({result.scenario.students for result in results})
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(students, labels=[str(count) for count in students], minor=False)
    axes.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("{x:g}")
    axes.set_xlabel("students")
    axes.set_ylabel("server CPU per forwarded packet (µs)")
    axes.grid(True, alpha=0.3)
    axes.legend()
    try:
        figure.savefig(path, dpi=DOTS_PER_INCH, format="png")
    except OSError as error:
        raise BenchError(f"cannot write {path}: {error}") from None


def _lines(results: Sequence[Result]) -> dict[str, list[tuple[int, float]]]:
    """Points by what distinguishes their line; circumstances that all share are left out."""
    facts = [
        (
            result.server,
            f"{result.scenario.bitrate_bps / 1e6:g} Mbit/s",
            f"{result.scenario.burst_ms:g} ms bursts",
            result.scenario.srtp_profile,
            f"{100 * result.scenario.loss:g} % loss",
        )
        for result in results
    ]
    differing = [index for index in range(5) if len({fact[index] for fact in facts}) > 1]
    lines = defaultdict(list)
    for result, fact in zip(results, facts, strict=True):
        label = ", ".join(fact[index] for index in differing) or result.server
        lines[label].append((result.scenario.students, result.cost.us_per_packet))
    return {label: sorted(points) for label, points in lines.items()}
