"""The command line: to settings, to an exit code, to words for people."""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from sidecar import __version__, cli
from sidecar.errors import StartupError
from sidecar.settings import OPTIONS, Option, PortRange, Settings

RunCommand = Callable[[Settings], int]
DOCUMENT = Path(__file__).parents[2] / "docs" / "configuration.md"


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep this machine's own variables and configuration file out of the tests."""
    monkeypatch.setattr("os.environ", {})
    monkeypatch.setattr(
        "sidecar.settings_sources.default_config_file", lambda: tmp_path / "config.toml"
    )


@pytest.fixture
def replace_app(monkeypatch: pytest.MonkeyPatch) -> Callable[[RunCommand], None]:
    """Put a function in the place of ``sidecar.app.run``."""

    def replace(run: RunCommand) -> None:
        app = types.ModuleType("sidecar.app")
        vars(app)["run"] = run
        monkeypatch.setitem(sys.modules, "sidecar.app", app)
        monkeypatch.setattr("logging.basicConfig", lambda **_: None)

    return replace


def test_the_command_runs_the_app_with_the_settings_and_returns_its_exit_code(
    replace_app: Callable[[RunCommand], None], capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[Settings] = []

    def run(settings: Settings) -> int:
        seen.append(settings)
        return 7

    replace_app(run)
    arguments = ["--port", "0", "--media-ports=0", "--announce", "10.0.0.1", "--policy", "open"]
    assert cli.main([*arguments, "--announce", "10.0.0.2"]) == 7
    assert seen == [
        Settings(
            port=0,
            media_ports=PortRange(0, 0),
            announce=("10.0.0.1", "10.0.0.2"),
            policy="open",
        )
    ]
    assert capsys.readouterr().out == ""


def test_what_keeps_the_app_from_starting_is_told_in_two_lines(
    replace_app: Callable[[RunCommand], None], capsys: pytest.CaptureFixture[str]
) -> None:
    def run(settings: Settings) -> int:
        raise StartupError("port 3016 is taken", "Choose another one with --port.")

    replace_app(run)
    assert cli.main([]) == 1
    output = capsys.readouterr()
    assert output.err == "classroom-sfu: port 3016 is taken\nChoose another one with --port.\n"
    assert output.out == ""


def test_ctrl_c_is_a_normal_end(replace_app: Callable[[RunCommand], None]) -> None:
    def run(settings: Settings) -> int:
        raise KeyboardInterrupt

    replace_app(run)
    assert cli.main([]) == 0


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
    arguments: list[str], message: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments) == 2
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
    shown = f"`{default}`" if default not in ("", ()) else ""
    rows = [line for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if "|" in line]
    assert any(
        f"`{option.flag}`" in row
        and f"`{option.variable}`" in row
        and f"`{option.name}`" in row
        and shown in row
        for row in rows
    )
