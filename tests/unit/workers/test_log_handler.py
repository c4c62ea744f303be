"""A line of the log on its way to the process that writes it."""

from __future__ import annotations

import logging

import pytest

from sidecar.workers.log_handler import LogHandler, log_of_worker
from sidecar.workers.messages import Log, Message


def test_what_a_worker_logs_is_logged_by_the_main_process(
    caplog: pytest.LogCaptureFixture,
) -> None:
    posted: list[Message] = []
    logger = logging.Logger("sidecar.net.link")
    logger.addHandler(LogHandler(posted.append))
    try:
        raise ZeroDivisionError("a defect")
    except ZeroDivisionError:
        logger.exception("transport %s: error", "T1")
    (message,) = posted
    assert isinstance(message, Log)
    log_of_worker(2, message)
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("sidecar.net.link", logging.ERROR)
    assert record.getMessage() == "[worker 2] transport T1: error"
    assert record.exc_text is not None
    assert record.exc_text.startswith("Traceback")
    assert "ZeroDivisionError: a defect" in record.exc_text
    assert record.created == message.created_s


def test_a_percent_sign_is_just_that(caplog: pytest.LogCaptureFixture) -> None:
    log_of_worker(1, Log(logging.WARNING, "name", "100 %s", 0.0))
    assert caplog.records[0].getMessage() == "[worker 1] 100 %s"
