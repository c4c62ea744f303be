"""What the system says when a connection can't be accepted."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final

from sidecar.signaling.tally import Tally

_logger: Final = logging.getLogger(__name__)


def sum_up_accept_errors(loop: asyncio.AbstractEventLoop) -> None:
    """Have the loop count them, where asyncio logs a traceback for each attempt.

    It goes on accepting by itself: at once, or a second later if there are too many open files.
    """
    tally = Tally(_logger, "%d times a connection could not be accepted")

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if not _is_accept_error(context):
            loop.default_exception_handler(context)
            return
        if tally.add() == 1:
            _logger.warning("a connection could not be accepted: %s", context["exception"])

    loop.set_exception_handler(handle)


def _is_accept_error(context: dict[str, Any]) -> bool:
    if not isinstance(context.get("exception"), OSError):
        return False
    message = str(context.get("message"))
    return message.startswith("socket.accept()") or "_accept_connection" in message
