"""``scripts/dev.py``: what it installs when, and what it says when the machine lacks something."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from scripts import dev

SOURCE = Path(dev.__file__).read_text(encoding="utf-8")


class Commands:
    """Stands in for ``subprocess.run``: keeps what would have been run, and may fail."""

    def __init__(self) -> None:
        self.run: list[str] = []
        self.failing = ""

    def __call__(
        self, command: Sequence[str], *, cwd: Path, stdout: object, check: bool
    ) -> subprocess.CompletedProcess[str]:
        assert stdout is sys.stderr, "stdout is the SFU's own"
        line = " ".join(command)
        self.run.append(line)
        failed = bool(self.failing) and self.failing in line
        if "-m venv" in line and not failed:
            dev.VENV_PYTHON.parent.mkdir(parents=True, exist_ok=True)
            dev.VENV_PYTHON.touch()
        if "npm ci" in line:
            (cwd / dev.NPM_STAMP).parent.mkdir(exist_ok=True)
        return subprocess.CompletedProcess(command, int(failed))

    def take(self) -> list[str]:
        """Return the tail of each command run since the last time."""
        taken = [line.rpartition(" ")[2] for line in self.run]
        self.run.clear()
        return taken


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Commands:
    """A project in an empty folder, on a machine on which nothing is really run."""
    venv = tmp_path / ".venv"
    for name, value in {
        "ROOT": tmp_path,
        "VENV": venv,
        "VENV_PYTHON": venv / "bin" / "python",
        "VENV_STAMP": venv / "installed.json",
        "PAGE": tmp_path / "page",
        "BRIDGE": tmp_path / "bridge",
    }.items():
        monkeypatch.setattr(dev, name, value)
    (tmp_path / "pyproject.toml").write_text("[project]")
    recorder = Commands()
    monkeypatch.setattr("subprocess.run", recorder)
    return recorder


def test_the_first_command_makes_the_environment_and_the_second_finds_it(
    commands: Commands,
) -> None:
    dev.prepare(extras=())
    assert commands.take() == [str(dev.VENV), "."]
    dev.prepare(extras=())
    assert commands.take() == []


def test_a_missing_extra_is_installed_beside_those_that_are_there(commands: Commands) -> None:
    dev.prepare(extras=("test",))
    assert commands.take() == [str(dev.VENV), ".[test]"]
    dev.prepare(extras=("lint",))
    assert commands.take() == [".[lint,test]"]
    dev.prepare(extras=("test",))
    assert commands.take() == []


def test_a_changed_project_is_installed_again_with_its_extras(commands: Commands) -> None:
    dev.prepare(extras=("test",))
    commands.take()
    (dev.ROOT / "pyproject.toml").write_text("[project]\ndependencies = ['x']")
    dev.prepare(extras=())
    assert commands.take() == [".[test]"]


@pytest.mark.parametrize("field", ["folder", "python"])
def test_an_environment_of_another_folder_or_python_is_made_anew(
    commands: Commands, field: str
) -> None:
    dev.prepare(extras=("test",))
    commands.take()
    stamp = dev._read_stamp(dev.VENV_STAMP)
    dev._write_stamp(dev.VENV_STAMP, {**stamp, field: "another"})
    dev.prepare(extras=())
    assert commands.take() == [str(dev.VENV), "."]


def test_an_unreadable_stamp_counts_as_none(commands: Commands) -> None:
    dev.prepare(extras=())
    commands.take()
    dev.VENV_STAMP.write_text("[")
    dev.prepare(extras=())
    assert commands.take() == [str(dev.VENV), "."]


@pytest.mark.parametrize("failing", ["-m venv", "-m pip"])
def test_a_failed_installation_is_explained_and_tried_again(
    commands: Commands, failing: str
) -> None:
    commands.failing = failing
    with pytest.raises(dev.SetupError, match="needs the network"):
        dev.prepare(extras=())
    commands.take()
    commands.failing = ""
    dev.prepare(extras=())
    assert commands.take() == [str(dev.VENV), "."]


@pytest.fixture
def lock(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page's lock file, on a machine with npm."""
    monkeypatch.setattr("shutil.which", lambda program: f"/usr/bin/{program}")
    dev.PAGE.mkdir()
    path = dev.PAGE / "package-lock.json"
    path.write_text("{}")
    return path


def test_the_pages_packages_are_installed_when_their_lock_changes(
    commands: Commands, lock: Path
) -> None:
    dev.prepare_npm(dev.PAGE)
    assert len(commands.run) == 1
    dev.prepare_npm(dev.PAGE)
    assert len(commands.run) == 1
    lock.write_text('{"changed": true}')
    dev.prepare_npm(dev.PAGE)
    assert len(commands.run) == 2
    assert all(line.startswith("/usr/bin/npm ci") for line in commands.run)


def test_a_failure_of_npm_stops_no_other_test_and_is_tried_again(
    commands: Commands, lock: Path
) -> None:
    commands.failing = "npm ci"
    dev.prepare_npm(dev.PAGE)
    dev.prepare_npm(dev.PAGE)
    assert len(commands.run) == 2


def test_without_npm_nothing_is_tried(
    commands: Commands, lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda program: None)
    dev.prepare_npm(dev.PAGE)
    assert commands.run == []


class Machine:
    """What of a machine the tests of the Tauri plugin ask for, and what is run on it."""

    def __init__(self) -> None:
        self.programs = {"cargo", "npm", "pkg-config"}
        self.has_libraries = True
        self.failing = ""
        self.run: list[str] = []

    def which(self, program: str) -> str | None:
        return program if program in self.programs else None

    def find_libraries(
        self, command: Sequence[str], *, check: bool
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, int(not self.has_libraries))

    def wait_for(self, command: Sequence[str], folder: Path | None = None) -> int:
        self.run.append(" ".join(command[:3] if "-m" in command else command[:2]))
        return int(bool(self.failing) and self.failing in self.run[-1])


PYTEST, CARGO, NPM = "python -m pytest", "cargo test", "npm test"


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A Linux machine that has everything, with a project that is prepared."""
    machine = Machine()
    monkeypatch.setattr("shutil.which", machine.which)
    monkeypatch.setattr("subprocess.run", machine.find_libraries)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(dev, "VENV_PYTHON", Path("python"))
    monkeypatch.setattr(dev, "_wait_for", machine.wait_for)
    monkeypatch.setattr(dev, "prepare", lambda extras: None)
    monkeypatch.setattr(dev, "prepare_npm", lambda folder: None)
    return machine


@pytest.mark.parametrize(
    ("arguments", "run"),
    [
        ([], [PYTEST, CARGO, NPM]),
        (["--all"], [PYTEST, CARGO, NPM]),
        (["tests/unit"], [PYTEST]),
        (["--all", "-k", "name"], [PYTEST]),
    ],
    ids=repr,
)
def test_the_plugins_tests_come_after_pytest_unless_tests_are_chosen(
    machine: Machine, arguments: list[str], run: list[str]
) -> None:
    assert dev.test(arguments) == 0
    assert machine.run == run


@pytest.mark.parametrize("failing", [PYTEST, CARGO, NPM])
def test_a_failure_stops_no_other_test_and_is_not_forgotten(machine: Machine, failing: str) -> None:
    machine.failing = failing
    assert dev.test([]) == 1
    assert machine.run == [PYTEST, CARGO, NPM]


def test_who_interrupts_the_tests_wants_no_others(machine: Machine) -> None:
    def interrupted(command: Sequence[str], folder: Path | None = None) -> int:
        machine.wait_for(command)
        return dev.INTERRUPTED

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dev, "_wait_for", interrupted)
        assert dev.test([]) == dev.INTERRUPTED
    assert machine.run == [PYTEST]


@pytest.mark.parametrize(
    ("missing", "hint", "run"),
    [
        ("cargo", "https://rustup.rs", [PYTEST, NPM]),
        ("npm", "https://nodejs.org", [PYTEST, CARGO]),
        ("pkg-config", "apt-get install libwebkit2gtk-4.1-dev", [PYTEST, NPM]),
        ("libraries", "apt-get install libwebkit2gtk-4.1-dev", [PYTEST, NPM]),
    ],
)
@pytest.mark.parametrize("arguments", [[], ["--all"]], ids=repr)
def test_what_the_plugins_tests_lack_is_named(
    machine: Machine,
    missing: str,
    hint: str,
    run: list[str],
    arguments: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    machine.programs.discard(missing)
    machine.has_libraries = missing != "libraries"
    assert dev.test(arguments) == len(arguments)
    assert machine.run == run
    said = capsys.readouterr().err
    assert ("FAILED" if arguments else "SKIPPED") in said
    assert hint in said


@pytest.mark.parametrize("missing", ["", "cargo", "pkg-config"])
def test_the_plugin_is_linted_where_it_can_be(
    machine: Machine, missing: str, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.programs.discard(missing)
    machine.failing = "mypy"
    assert dev.lint([]) == 1
    python = ["python -m ruff", "python -m ruff", "python -m mypy"]
    assert machine.run == [*python, *([] if missing else ["cargo fmt", "cargo clippy"])]
    assert ("SKIPPED the lint" in capsys.readouterr().err) == bool(missing)


def test_other_systems_than_linux_bring_tauris_libraries_along(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.programs.discard("pkg-config")
    monkeypatch.setattr("sys.platform", "win32")
    assert dev.test([]) == 0
    assert machine.run == [PYTEST, CARGO, NPM]


@pytest.mark.parametrize("arguments", [[], ["start"], ["--all", "test"]], ids=repr)
def test_an_unknown_command_shows_the_commands(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert dev.main(arguments) == 2
    assert "scripts/dev.py run" in capsys.readouterr().err


def test_help_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert dev.main(["--help"]) == 0
    assert "scripts/dev.py test" in capsys.readouterr().out


def test_an_old_python_is_told_what_is_needed(
    commands: Commands, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.version_info", (3, 9, 2, "final", 0))
    assert dev.main(["run"]) == 1
    assert "Python 3.11 or newer is needed and this is 3.9." in capsys.readouterr().err
    assert commands.run == []


def test_a_python_without_ensurepip_is_told_which_package_has_it(
    commands: Commands, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "ensurepip" else object()
    )
    assert dev.main(["test"]) == 1
    complaint = capsys.readouterr().err
    assert "it has no ensurepip" in complaint
    assert "apt-get install python3-venv" in complaint
    assert commands.run == []


def test_it_needs_nothing_but_the_standard_library() -> None:
    imported: set[str] = set()
    for node in ast.walk(ast.parse(SOURCE)):
        if isinstance(node, ast.Import):
            imported.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").split(".")[0])
    assert imported <= sys.stdlib_module_names


def test_an_old_python_can_read_it_and_so_say_that_it_is_too_old() -> None:
    ast.parse(SOURCE, feature_version=(3, 8))
