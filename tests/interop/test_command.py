"""The real command in a process of its own, as a host application or a person starts it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sidecar import __version__

Launch = Callable[..., subprocess.Popen[str]]
ROOT = Path(__file__).parents[2]
ANY_PORTS = ("--port", "0", "--media-ports", "0")
POSIX_ONLY = pytest.mark.skipif(os.name != "posix", reason="Windows has no such signals")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """This process's environment without settings: an empty configuration file, and no log file."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("CLASSROOM_SFU_")}
    (tmp_path / "config.toml").touch()
    config = str(tmp_path / "config.toml")
    return {**kept, "CLASSROOM_SFU_CONFIG": config, "CLASSROOM_SFU_LOG_FILE": "none"}


@pytest.fixture
def launch(environment: dict[str, str]) -> Iterator[Launch]:
    """Start the command with pipes, and whatever the test does with it, it is gone afterwards."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, **variables: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "sidecar", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**environment, **variables},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        with process:  # closes the pipes and waits
            process.kill()


def ready_event(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for the first line on stdout, which must be the event."""
    assert process.stdout is not None
    line = process.stdout.readline()
    event = json.loads(line)
    assert isinstance(event, dict)
    return event


def test_the_first_line_tells_a_host_where_to_connect(launch: Launch) -> None:
    process = launch(*ANY_PORTS)
    event = ready_event(process)
    assert event["event"] == "ready"
    assert event["protocol"] == 1
    assert event["version"] == __version__
    assert event["pid"] == process.pid
    assert event["localUrl"].endswith(f":{event['port']}")
    assert all(url.endswith(f":{event['port']}") for url in event["urls"])
    assert event["media"]["port"] > 0
    assert event["startupMs"] > 0
    with socket.create_connection(("127.0.0.1", event["port"])):
        pass


@POSIX_ONLY
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_ends_it_with_exit_code_0(launch: Launch, name: str) -> None:
    process = launch(*ANY_PORTS)
    ready_event(process)
    process.send_signal(signal.Signals[name])
    # Before stdin is closed, which would be a reason of its own.
    assert process.wait() == 0
    rest_of_stdout, stderr = process.communicate()
    assert json.loads(rest_of_stdout) == {"event": "stopped", "reason": "signal"}
    assert "Traceback" not in stderr


def test_logs_go_to_stderr_and_the_announced_addresses_to_the_host(launch: Launch) -> None:
    process = launch(
        *ANY_PORTS, "--log-level", "debug", "--announce", "192.0.2.7", "--announce", "192.0.2.8"
    )
    event = ready_event(process)
    assert event["media"]["addresses"] == ["192.0.2.7", "192.0.2.8"]
    process.terminate()
    _, stderr = process.communicate()
    assert "stopping" in stderr


def test_a_taken_websocket_port_is_told_without_a_traceback(launch: Launch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        process = launch("--host", "127.0.0.1", "--port", str(port), "--media-ports", "0")
        stdout, stderr = process.communicate()
    assert process.returncode == 3
    assert_fatal(stdout, "port-taken", 3)
    assert_two_lines_for_people(stderr, str(port), "--port")


def test_taken_media_ports_are_told_without_a_traceback(launch: Launch) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("", 0))
        port = holder.getsockname()[1]
        process = launch("--port", "0", "--media-ports", str(port))
        stdout, stderr = process.communicate()
    assert process.returncode == 4
    assert_fatal(stdout, "media-ports-taken", 4)
    assert_two_lines_for_people(stderr, str(port), "--media-ports")


def test_an_address_that_is_not_this_machines_is_told_without_a_traceback(launch: Launch) -> None:
    process = launch("--host", "192.0.2.1", *ANY_PORTS)
    stdout, stderr = process.communicate()
    assert process.returncode == 6
    assert_fatal(stdout, "cannot-listen", 6)
    assert_two_lines_for_people(stderr, "192.0.2.1", "--host")


@pytest.mark.parametrize(
    ("arguments", "variables", "content", "place"),
    [
        (["--port", "70000"], {}, "", "--port"),
        ([], {"CLASSROOM_SFU_POLICY": "anarchy"}, "", "CLASSROOM_SFU_POLICY"),
        ([], {}, "media_ports = '9-1'", "media_ports"),
        ([], {}, "prot = 3016", "port"),
    ],
    ids=["command line", "environment", "file", "unknown key"],
)
def test_a_wrong_setting_is_told_without_a_traceback(
    arguments: list[str],
    variables: dict[str, str],
    content: str,
    place: str,
    launch: Launch,
    tmp_path: Path,
) -> None:
    (tmp_path / "config.toml").write_text(content)
    process = launch(*arguments, **variables)
    stdout, stderr = process.communicate()
    assert process.returncode == 2
    assert_fatal(stdout, "bad-setting", 2)
    assert_two_lines_for_people(stderr, place)


def test_print_config_shows_where_values_come_from(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("max_clients_per_room = 30")
    process = launch("--print-config", "--port", "4000", CLASSROOM_SFU_POLICY="open")
    stdout, stderr = process.communicate()
    assert (process.returncode, stderr) == (0, "")
    origins = {
        line.split(" = ")[0]: line.split("  # ")[1]
        for line in stdout.splitlines()
        if not line.startswith("#")
    }
    assert origins["port"] == "command line --port"
    assert origins["policy"] == "environment CLASSROOM_SFU_POLICY"
    assert origins["max_clients_per_room"].startswith("file ")
    assert origins["host"] == "default"


@POSIX_ONLY
def test_a_person_at_a_terminal_is_greeted(environment: dict[str, str]) -> None:
    import pty

    ours, theirs = pty.openpty()
    try:
        with subprocess.Popen(
            [sys.executable, "-m", "sidecar", *ANY_PORTS],
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
            env=environment,
        ) as process:
            assert process.stdout is not None
            greeting = [process.stdout.readline() for _ in range(3)]
            process.terminate()
        assert process.returncode == 0
    finally:
        os.close(ours)
        os.close(theirs)
    assert greeting[0] == f"The classroom SFU {__version__} is ready.\n"
    assert "ws://" in greeting[2]


def assert_fatal(stdout: str, code: str, exit_code: int) -> None:
    """Check that stdout says why, once, and nothing else."""
    event = json.loads(stdout)
    assert (event["event"], event["code"], event["exitCode"]) == ("fatal", code, exit_code)


def assert_two_lines_for_people(stderr: str, *expected: str) -> None:
    """Check what stderr says besides log lines: what is wrong, and what to do about it."""
    assert "Traceback" not in stderr
    lines = stderr.splitlines()
    assert lines[-2].startswith("classroom-sfu: ")
    for text in expected:
        assert text in "\n".join(lines[-2:])
