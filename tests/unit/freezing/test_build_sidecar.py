"""``scripts/build_sidecar.py`` but for PyInstaller: where the result goes, and what is said."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from scripts import build_sidecar, dev
from scripts.build_sidecar import main

TRIPLE = "x86_64-unknown-linux-gnu"


class PyInstaller:
    """Stands in for it: notes how it is called, and makes a program that runs."""

    def __init__(self) -> None:
        self.options: list[str] = []
        self.program = "#!/bin/sh\necho classroom-sfu 1.0\n"
        self.exit_code = 0
        self._run = subprocess.run

    def run(self, command: Sequence[str], **options: object) -> subprocess.CompletedProcess[bytes]:
        if "PyInstaller" not in command:
            return self._run(command, **options)  # type: ignore[call-overload,no-any-return]
        self.options = list(command[command.index("--") + 1 :])
        target = Path(command[command.index("--distpath") + 1], "classroom-sfu")
        if "--onedir" in self.options:
            target = target / "classroom-sfu"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(self.program)
        target.chmod(0o755)
        return subprocess.CompletedProcess(command, self.exit_code)


@pytest.fixture
def pyinstaller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PyInstaller:
    if os.name != "posix":
        pytest.skip("stands in for programs with shell scripts")
    fake = PyInstaller()
    monkeypatch.setattr(subprocess, "run", fake.run)
    monkeypatch.setattr(build_sidecar, "BUILD", tmp_path / "build")
    monkeypatch.setattr(build_sidecar, "DIST", tmp_path / "dist")
    monkeypatch.setattr(build_sidecar, "target_triple", lambda: TRIPLE)
    monkeypatch.setattr(dev, "prepare", lambda extras: None)
    return fake


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """The src-tauri of an app."""
    app = tmp_path / "app" / "src-tauri"
    app.mkdir(parents=True)
    (app / "tauri.conf.json").write_text("{}")
    return app


def test_one_file_has_the_triple_in_its_name(
    pyinstaller: PyInstaller, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([]) == 0
    built = tmp_path / "dist" / f"classroom-sfu-{TRIPLE}"
    assert os.access(built, os.X_OK)
    assert capsys.readouterr().out == f"{built}\n"
    assert pyinstaller.options == []


def test_an_app_gets_it_among_its_binaries(pyinstaller: PyInstaller, app: Path) -> None:
    old = app / "binaries" / f"classroom-sfu-{TRIPLE}"
    old.parent.mkdir()
    old.write_text("old")
    assert main(["--tauri", str(app)]) == 0
    assert old.read_text() == pyinstaller.program


def test_a_folder_replaces_the_one_that_was_there(pyinstaller: PyInstaller, app: Path) -> None:
    stale = app / "binaries" / "classroom-sfu" / "stale.so"
    stale.parent.mkdir(parents=True)
    stale.touch()
    assert main(["--onedir", "--tauri", str(app)]) == 0
    assert [path.name for path in stale.parent.iterdir()] == ["classroom-sfu"]
    assert pyinstaller.options == ["--onedir"]


def test_what_signs_a_mac_program_is_passed_on(pyinstaller: PyInstaller, tmp_path: Path) -> None:
    plist = tmp_path / "entitlements.plist"
    assert main(["--codesign-identity", "Someone", "--entitlements", str(plist)]) == 0
    assert pyinstaller.options == ["--codesign-identity", "Someone", "--entitlements", str(plist)]


def test_a_folder_that_is_no_app_is_refused(
    pyinstaller: PyInstaller, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--tauri", str(tmp_path)]) == 1
    assert "has no tauri.conf.json" in capsys.readouterr().err


def test_a_failure_of_pyinstaller_is_one_of_ours(
    pyinstaller: PyInstaller, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pyinstaller.exit_code = 1
    assert main([]) == 1
    assert "PyInstaller failed" in capsys.readouterr().err
    assert not (tmp_path / "dist").exists()


def test_a_program_that_does_not_run_is_a_failure(
    pyinstaller: PyInstaller, capsys: pytest.CaptureFixture[str]
) -> None:
    pyinstaller.program = "#!/bin/sh\necho no such module >&2\nexit 1\n"
    assert main([]) == 1
    assert "no such module" in capsys.readouterr().err
