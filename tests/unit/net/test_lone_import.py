"""A module without its package: what is imported, and what is left for those who come later."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.net.lone_import import import_alone

PACKAGE = "heavy_package_of_a_test"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A package whose ``__init__`` imports one of its two modules."""
    folder = tmp_path / PACKAGE
    folder.mkdir()
    (folder / "__init__.py").write_text("from . import ballast\nfrom .wanted import VALUE\n")
    (folder / "ballast.py").write_text("")
    (folder / "wanted.py").write_text("from .helper import VALUE\n")
    (folder / "helper.py").write_text("VALUE = object()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield PACKAGE
    for name in [each for each in sys.modules if each.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


def test_only_the_module_and_what_it_imports_are_loaded(package: str) -> None:
    module = import_alone(f"{package}.wanted")
    assert module.__name__ == f"{package}.wanted"
    loaded = {each for each in sys.modules if each.startswith(package)}
    assert loaded == {f"{package}.wanted", f"{package}.helper"}


def test_the_package_is_whole_for_who_imports_it_later(package: str) -> None:
    module = import_alone(f"{package}.wanted")
    whole = __import__(package)
    assert f"{package}.ballast" in sys.modules
    assert whole.VALUE is module.VALUE
    assert import_alone(f"{package}.wanted") is module


def test_a_package_that_is_there_already_is_used(package: str) -> None:
    whole = __import__(package)
    assert import_alone(f"{package}.wanted").VALUE is whole.VALUE
    assert sys.modules[package] is whole


@pytest.mark.parametrize("name", ["no_such_package_at_all.module", f"{PACKAGE}.missing"])
def test_what_is_not_there_is_an_import_error(package: str, name: str) -> None:
    with pytest.raises(ModuleNotFoundError):
        import_alone(name)
    assert package not in sys.modules
