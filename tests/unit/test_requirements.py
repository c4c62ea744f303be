"""What becomes of a test whose browser, Node, ... is missing."""

from __future__ import annotations

import pytest

from tests import requirements
from tests.requirements import REQUIREMENTS, Requirement, require

ABSENT = Requirement(
    "a teapot",
    lambda: None,
    {"": "apt-get install teapot", "Windows": "winget install Teapot"},
)
PRESENT = Requirement("a kettle", lambda: "/usr/bin/kettle", {"": "apt-get install kettle"})


@pytest.fixture(autouse=True)
def kitchen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements, "REQUIREMENTS", {"teapot": ABSENT, "kettle": PRESENT})
    monkeypatch.setattr(requirements, "missing_is_failure", False)
    requirements._find.cache_clear()


def test_what_is_there_is_returned() -> None:
    assert require("kettle") == "/usr/bin/kettle"


@pytest.mark.parametrize(
    ("system", "command"),
    [("Linux", "apt-get install teapot"), ("Windows", "winget install Teapot")],
)
def test_what_is_missing_skips_the_test_and_names_the_command(
    system: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.system", lambda: system)
    with pytest.raises(pytest.skip.Exception) as skipped:
        require("teapot")
    assert skipped.value.msg == f"needs a teapot; install it with: {command}"


def test_with_all_what_is_missing_fails_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements, "missing_is_failure", True)
    with pytest.raises(pytest.fail.Exception, match="needs a teapot"):
        require("teapot")


@pytest.mark.parametrize("requirement", REQUIREMENTS.values(), ids=list(REQUIREMENTS))
def test_every_requirement_has_a_command_for_systems_not_named(requirement: Requirement) -> None:
    assert requirement.install[""]


def test_a_program_may_be_named_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROME_BIN", "python3")
    monkeypatch.setattr("shutil.which", lambda name: name if name == "python3" else None)
    assert REQUIREMENTS["chromium"].find() == "python3"
