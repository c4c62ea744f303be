"""Fixtures of the signalling tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.unit.signaling.fakes import School


@pytest.fixture
async def school() -> AsyncIterator[School]:
    """A server without sockets; its clients are sent home at the end."""
    school = School()
    yield school
    await school.close()
