from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from sidecar.signaling import tally
from sidecar.signaling.accept_errors import sum_up_accept_errors

FULL = {
    "message": "socket.accept() out of system resource",
    "exception": OSError(errno.EMFILE, "Too many open files"),
}
REFUSED = {
    "message": "Exception in callback BaseSelectorEventLoop._accept_connection(...)",
    "exception": OSError(errno.EPERM, "Operation not permitted"),
}


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.SelectorEventLoop()
    yield loop
    loop.close()


def test_one_line_for_many(
    loop: asyncio.AbstractEventLoop,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tally, "INTERVAL_S", 0)
    sum_up_accept_errors(loop)

    async def fail() -> None:
        for context in (FULL, REFUSED) * 500:
            loop.call_exception_handler(context)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    loop.run_until_complete(fail())
    assert [record.getMessage() for record in caplog.records] == [
        "a connection could not be accepted: [Errno 24] Too many open files",
        "1000 times a connection could not be accepted",
    ]
    assert all(record.exc_info is None for record in caplog.records)


@pytest.mark.parametrize(
    "context",
    [
        {"message": "Exception in callback serve()", "exception": OSError("no")},
        {"message": "socket.accept() of something", "exception": ValueError("no")},
        {"message": "what else"},
    ],
)
def test_everything_else_is_logged_as_ever(
    loop: asyncio.AbstractEventLoop, caplog: pytest.LogCaptureFixture, context: dict[str, Any]
) -> None:
    sum_up_accept_errors(loop)
    loop.call_exception_handler(context)
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert context["message"] in record.getMessage()
