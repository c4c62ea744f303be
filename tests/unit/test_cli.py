"""The command line: to settings, to an exit code, to words for people."""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from sidecar import __version__, cli, process
from sidecar.errors import PortTakenError
from sidecar.lifecycle.events import Fatal, Stopped
from sidecar.lifecycle.starter import Starter
from sidecar.settings import OPTIONS, Option, PortRange, Settings
from tests.unit.lifecycle.fakes import FakeStarter

RunCommand = Callable[[Settings, Starter], None]
DOCUMENT = Path(__file__).parents[2] / "docs" / "configuration.md"


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep this machine's own variables and configuration file out of the tests."""
    monkeypatch.setattr("os.environ", {})
    monkeypatch.setattr(
        "sidecar.settings_sources.default_config_file", lambda: tmp_path / "config.toml"
    )


@pytest.fixture(autouse=True)
def starter(monkeypatch: pytest.MonkeyPatch) -> FakeStarter:
    """Whoever started the program: the streams of the tests are left alone."""
    starter = FakeStarter()
    monkeypatch.setattr(process, "find_starter", lambda: starter)
    return starter


@pytest.fixture
def replace_app(monkeypatch: pytest.MonkeyPatch) -> Callable[[RunCommand], None]:
    """Put a function in the place of ``sidecar.app.run``."""

    def replace(run: RunCommand) -> None:
        app = types.ModuleType("sidecar.app")
        vars(app)["run"] = run
        monkeypatch.setitem(sys.modules, "sidecar.app", app)

    return replace


def test_the_command_runs_the_app_with_the_settings(
    replace_app: Callable[[RunCommand], None],
    starter: FakeStarter,
    capsys: pytest.CaptureFixture[str],
) -> None:
    seen: list[tuple[Settings, Starter]] = []
    replace_app(lambda *arguments: seen.append(arguments))
    arguments = ["--port", "0", "--port-fallback", "--media-ports=0", "--log-file", "none"]
    addresses = ["--announce", "10.0.0.1", "--policy", "open", "--announce", "10.0.0.2"]
    assert cli.main([*arguments, *addresses]) == 0
    settings = Settings(
        port=0,
        port_fallback=True,
        media_ports=PortRange(0, 0),
        announce=("10.0.0.1", "10.0.0.2"),
        policy="open",
        log_file="none",
    )
    assert seen == [(settings, starter)]
    assert starter.told == []
    assert starter.is_closed
    assert capsys.readouterr().out == ""


def test_what_keeps_the_app_from_starting_is_told_to_host_and_person(
    replace_app: Callable[[RunCommand], None],
    starter: FakeStarter,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def run(settings: Settings, starter: Starter) -> None:
        raise PortTakenError("port 3016 is taken", "Choose another one with --port.")

    replace_app(run)
    assert cli.main(["--log-file", "none"]) == 3
    assert starter.told == [
        Fatal(
            code="port-taken",
            message="port 3016 is taken",
            hint="Choose another one with --port.",
            exit_code=3,
        )
    ]
    output = capsys.readouterr()
    assert output.err == "classroom-sfu: port 3016 is taken\nChoose another one with --port.\n"
    assert output.out == ""


def test_a_log_file_that_cannot_be_written_is_told(
    replace_app: Callable[[RunCommand], None], starter: FakeStarter, tmp_path: Path
) -> None:
    replace_app(lambda *_arguments: pytest.fail("it runs"))
    assert cli.main(["--log-file", str(tmp_path)]) == 8
    (fatal,) = starter.told
    assert isinstance(fatal, Fatal)
    assert fatal.code == "log-file"
    assert str(tmp_path) in fatal.message


def test_a_defect_of_ours_is_told_with_its_traceback_in_the_log_only(
    replace_app: Callable[[RunCommand], None],
    starter: FakeStarter,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    def run(settings: Settings, starter: Starter) -> None:
        raise ZeroDivisionError("a defect")

    replace_app(run)
    assert cli.main(["--log-file", str(tmp_path / "log")]) == 1
    (fatal,) = starter.told
    assert isinstance(fatal, Fatal)
    assert (fatal.code, fatal.exit_code) == ("internal", 1)
    assert "ZeroDivisionError: a defect" in (tmp_path / "log").read_text(encoding="utf-8")
    assert capsys.readouterr().err.splitlines()[-2:] == [
        "classroom-sfu: internal error",
        fatal.hint,
    ]


def test_ctrl_c_during_the_start_is_a_normal_end(
    replace_app: Callable[[RunCommand], None], starter: FakeStarter
) -> None:
    def run(settings: Settings, starter: Starter) -> None:
        raise KeyboardInterrupt

    replace_app(run)
    assert cli.main(["--log-file", "none"]) == 0
    assert starter.told == [Stopped(reason="signal")]


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["--port", "x"], "command line --port: x is wrong", "--port 3016"),
        (["--port=-1"], "command line --port: -1 is wrong", "--port 3016"),
        (["--port"], "--port: expected one argument", "classroom-sfu --help"),
        (["--prot", "1"], "there is no option --prot", "Did you mean --port?"),
        (["--max-clients=3"], "there is no option --max-clients=3", "--max-clients-per-room?"),
        (["start"], "there is no option start", "classroom-sfu --help"),
        (["--config", "no-such-file"], "no-such-file cannot be read", "--config"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_command_line_is_told_in_two_lines(
    arguments: list[str],
    message: str,
    hint: str,
    starter: FakeStarter,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(arguments) == 2
    (fatal,) = starter.told
    assert isinstance(fatal, Fatal)
    assert (fatal.code, fatal.exit_code) == ("bad-setting", 2)
    assert message in fatal.message
    output = capsys.readouterr()
    first, second = output.err.splitlines()
    assert first.startswith("classroom-sfu: ")
    assert message in first
    assert hint in second
    assert output.out == ""


def test_print_config_shows_the_settings_and_starts_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "sidecar.app", None)  # importing it would fail
    monkeypatch.setattr("os.environ", {"CLASSROOM_SFU_POLICY": "open"})
    assert cli.main(["--print-config", "--port", "4000"]) == 0
    output = capsys.readouterr().out
    assert re.search(r"^port = 4000 +# command line --port$", output, re.MULTILINE)
    assert re.search(r'^policy = "open" +# environment CLASSROOM_SFU_POLICY$', output, re.MULTILINE)


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--help"])
    assert ended.value.code == 0
    output = capsys.readouterr().out
    for flag in (*(option.flag for option in OPTIONS), "--config", "--print-config"):
        assert f"  {flag}" in output


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"classroom-sfu {__version__}\n"


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_the_documentation_tells_each_options_names_and_default(option: Option) -> None:
    default = getattr(Settings(), option.name)
    shown = f"`{_as_written(default)}`" if default not in ("", ()) else ""
    if option.name == "num_workers":
        shown = "processor cores, at most 3"  # another one on each machine
    rows = [line for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if "|" in line]
    assert any(
        f"`{option.flag}`" in row
        and f"`{option.variable}`" in row
        and f"`{option.name}`" in row
        and shown in row
        for row in rows
    )


def _as_written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_a_worker_is_told_its_settings_by_others(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("sidecar.worker")
    vars(module)["serve_as_worker"] = lambda: 7
    monkeypatch.setitem(sys.modules, "sidecar.worker", module)
    monkeypatch.setenv("CLASSROOM_SFU_PORT", "wrong")
    assert cli.main(["--worker"]) == 7
    assert cli.main(["--worker", "--port", "0"]) == 2


def test_nobody_else_needs_to_know_of_workers(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    assert "--worker" not in capsys.readouterr().out.split()
