"""One run as a process: who started it, where it logs, and what it ends with.

However it comes to its end, whoever started it is told: ``fatal`` or ``stopped`` is the last line.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from sidecar.errors import CannotWorkError, UserError
from sidecar.lifecycle.events import Event, Fatal, Stopped, Warning
from sidecar.lifecycle.starter import Starter, find_starter
from sidecar.logs import Logs
from sidecar.net.platform import ignore_stop_signals
from sidecar.settings import Settings

logger = logging.getLogger(__name__)

_DEFECT: Final = Fatal(
    code="internal",
    message="internal error",
    hint="This is a mistake in the program. The log has the details.",
    exit_code=1,
)
_STOPPED: Final = Stopped(reason="signal")


def serve(settings: Settings) -> int:
    """Serve until somebody ends it.

    Returns:
        The exit code.
    """
    starter = find_starter()
    logs: Logs | None = None
    last: Event | None = None
    try:

        def warn_of_log(message: str) -> None:
            starter.tell(Warning(code="no-log-file", message=message))

        logs = Logs(settings.log_level, settings.log_file, warn_of_log)
        # It brings the whole SFU. Here, so that mistakes made in it are told as well.
        from sidecar.app import run

        run(settings, starter)
    except BaseException as error:  # whatever ends it, `SystemExit` and `MemoryError` included
        last = _last_words(error)
    return _leave(starter, logs, last)


def refuse(error: UserError) -> int:
    """Tell whoever started the program why it doesn't even begin.

    Returns:
        The exit code.
    """
    return _leave(find_starter(), None, _fatal(error))


def interrupted() -> int:
    """Tell whoever started the program that a signal came before it could begin.

    Returns:
        The exit code.
    """
    return _leave(find_starter(), None, _STOPPED)


def _last_words(error: BaseException) -> Event:
    """What is said of an exception that ends the program."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, UserError):
            return _fatal(cause)
    if all(isinstance(cause, KeyboardInterrupt) for cause in causes):
        # It was still starting: later on, signals are an ordinary way to end.
        return _STOPPED
    with suppress(Exception):  # nothing may keep us from telling
        logger.critical("internal error", exc_info=error)
    for cause in causes:
        if isinstance(cause, ImportError | MemoryError):
            return _fatal(CannotWorkError.because_of(cause))
    return _DEFECT


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The exceptions in a group, and those in groups in it; one that is no group itself."""
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _causes(each)
    else:
        yield error


def _fatal(error: UserError) -> Fatal:
    return Fatal(code=error.code, message=error.message, hint=error.hint, exit_code=error.exit_code)


def _leave(starter: Starter, logs: Logs | None, last: Event | None) -> int:
    ignore_stop_signals()  # The end has begun, and is in good hands.
    exit_code = last.exit_code if isinstance(last, Fatal) else 0
    if last is not None:
        starter.tell(last)
    starter.close()
    if logs is not None and not logs.close():
        os._exit(exit_code)
    if isinstance(last, Fatal):
        with suppress(OSError, ValueError):  # nobody reads it, or there is no room
            sys.stderr.write(f"classroom-sfu: {last.message}\n{last.hint}\n")
            sys.stderr.flush()
    return exit_code
