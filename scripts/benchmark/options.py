"""The command line of `scripts/bench.py`."""

from __future__ import annotations

import argparse
import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from scripts.benchmark.errors import BenchError
from scripts.benchmark.scenario import Scenario, srtp_profile, srtp_profile_names
from scripts.benchmark.servers import OWN, RunningServer, Server

MAX_MEASUREMENTS = 60
MAX_STUDENTS = 500

Value = TypeVar("Value", int, float, str)


@dataclass(frozen=True, slots=True)
class Options:
    """What to measure and where to put the results."""

    servers: list[Server]
    scenarios: list[Scenario]
    student_processes: int
    json_path: Path | None
    plot_path: Path | None


def parse_options(argv: Sequence[str]) -> Options:
    """Read the command line; every value is bounded, so that every run ends.

    Raises:
        BenchError: A combination makes no sense.
    """
    given = _parser().parse_args(argv)
    sweep = product(given.bitrate, given.burst_ms, given.srtp_profile, given.loss, given.students)
    scenarios = [
        Scenario(
            rooms=given.rooms,
            students=students,
            bitrate_bps=round(megabits * 1e6),
            burst_ms=burst_ms,
            srtp_profile=profile,
            loss=loss,
            lossy_students=students if given.lossy is None else min(given.lossy, students),
            two_way=given.two_way,
            head_start_s=given.head_start,
            join_over_s=given.join_over,
            warm_up_s=given.warm_up,
            duration_s=given.duration,
        )
        for megabits, burst_ms, profile, loss, students in sweep
    ]
    most = max(scenario.all_students for scenario in scenarios)
    if most > MAX_STUDENTS:
        raise BenchError(f"that makes {most} students at once; at most {MAX_STUDENTS}")
    servers = _servers(given.server, given.url, given.pid)
    count = len(scenarios) * len(servers)
    if count > MAX_MEASUREMENTS:
        raise BenchError(f"that makes {count} measurements; at most {MAX_MEASUREMENTS} in one run")
    return Options(servers, scenarios, given.student_processes, given.json, given.plot)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bench.py",
        description="Measure what a forwarded packet costs. Options that take a LIST take values"
        " between commas and measure every combination. See docs/performance.md.",
    )
    add = parser.add_argument
    add("--students", type=_list(int, 1, MAX_STUDENTS), default=[1, 10, 49], metavar="LIST",
        help="of each room, who receive (1,10,49)")  # fmt: skip
    add("--rooms", type=_number(int, 1, 16), default=1, metavar="N",
        help="on the same server, each with a teacher and its students (1)")  # fmt: skip
    add("--bitrate", type=_list(float, 0.1, 50.0), default=[5.0], metavar="LIST",
        help="of the teacher's video in Mbit/s (5)")  # fmt: skip
    add("--burst-ms", type=_list(float, 1.0, 100.0), default=[5.0], metavar="LIST",
        help="interval of the teacher's pacer in ms (5)")  # fmt: skip
    add("--srtp-profile", type=_profiles, default=srtp_profile_names()[:1], metavar="LIST",
        help=f"of {', '.join(srtp_profile_names())} (the first)")  # fmt: skip
    add("--loss", type=_list(float, 0.0, 0.5), default=[0.0], metavar="LIST",
        help="probability that a student loses a packet (0)")  # fmt: skip
    add("--lossy", type=_number(int, 0, MAX_STUDENTS), metavar="N",
        help="how many of each room lose packets (all)")  # fmt: skip
    add("--two-way", action="store_true",
        help="each student has a microphone as well, which is muted")  # fmt: skip
    add("--head-start", type=_number(float, 0.0, 60.0), default=0.0, metavar="S",
        help="seconds for which the teacher is alone (0)")  # fmt: skip
    add("--join-over", type=_number(float, 0.0, 60.0), default=0.0, metavar="S",
        help="seconds over which the students come (0: all at once)")  # fmt: skip
    add("--warm-up", type=_number(float, 0.0, 60.0), default=2.0, metavar="S",
        help="seconds before measuring (2)")  # fmt: skip
    add("--duration", type=_number(float, 0.5, 300.0), default=10.0, metavar="S",
        help="seconds of measuring (10)")  # fmt: skip
    add("--student-processes", type=_number(int, 1, 16), default=1, metavar="N",
        help="over which the students are spread (1)")  # fmt: skip
    add("--server", action="append", default=[], metavar="[NAME=]CMD",
        help="start and measure this server of the same protocol; {port} and {clients} are filled"
        " in; may be repeated; 'own' (the default) is the one of this repository")  # fmt: skip
    add("--url", metavar="URL", help="measure a server that runs already, e.g. ws://127.0.0.1:3016")
    add("--pid", type=int, metavar="PID", help="of that server's process")
    add("--json", type=Path, metavar="FILE", help="write all figures there instead of to stdout")
    add("--plot", type=Path, metavar="FILE", help="draw cost against students (PNG)")
    return parser


def _servers(commands: Sequence[str], url: str | None, pid: int | None) -> list[Server]:
    servers = [Server.parse(command) for command in commands]
    if (url is None) != (pid is None):
        raise BenchError("--url and --pid belong together: the load goes to one, the CPU clock of"
                         " the other is read")  # fmt: skip
    if url is not None and pid is not None:
        if not _is_loopback(urlsplit(url).hostname or ""):
            raise BenchError(f"--url {url}: the load stays on this machine, e.g. 127.0.0.1")
        servers.append(Server(f"process {pid}", running=RunningServer(url, pid)))
    return servers or [Server(OWN)]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _number(kind: Callable[[str], Value], least: Value, most: Value) -> Callable[[str], Value]:
    def parse(text: str) -> Value:
        try:
            value = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text} is not within {least} and {most}")
        return value

    return parse


def _list(kind: Callable[[str], Value], least: Value, most: Value) -> Callable[[str], list[Value]]:
    parse = _number(kind, least, most)
    return lambda text: [parse(part) for part in text.split(",")]


def _profiles(text: str) -> list[str]:
    try:
        return [srtp_profile(name).name.removeprefix("SRTP_") for name in text.split(",")]
    except BenchError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
