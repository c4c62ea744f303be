"""The fixtures of the tests that drive the real program."""

from __future__ import annotations

from tests.interop.conftest import (
    chromium,
    classroom,
    environment,
    open_chromium,
    page_url,
    pytest_asyncio_loop_factories,
    sfu,
    sfu_program,
    start_sfu,
    start_sidecar,
)

__all__ = [
    "chromium",
    "classroom",
    "environment",
    "open_chromium",
    "page_url",
    "pytest_asyncio_loop_factories",
    "sfu",
    "sfu_program",
    "start_sfu",
    "start_sidecar",
]
