"""Options and fixtures of the whole test suite."""

from __future__ import annotations

import pytest

from tests import requirements


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--all",
        action="store_true",
        help="fail, rather than skip, where a program that a test needs is missing",
    )


def pytest_configure(config: pytest.Config) -> None:
    requirements.missing_is_failure = config.getoption("--all")
