"""One run as a process: who started it, where it logs, and what it ends with."""

from __future__ import annotations

import logging
import os
import sys
from typing import Final

from sidecar.errors import UserError
from sidecar.lifecycle.events import Fatal, Stopped, Warning
from sidecar.lifecycle.starter import Starter, find_starter
from sidecar.logs import Logs
from sidecar.settings import Settings

logger = logging.getLogger(__name__)

_DEFECT: Final = Fatal(
    code="internal",
    message="internal error",
    hint="This is a mistake in the program. The log has the details.",
    exit_code=1,
)


def serve(settings: Settings) -> int:
    """Serve until somebody ends it.

    Returns:
        The exit code.
    """
    starter = find_starter()
    logs: Logs | None = None
    fatal: Fatal | None = None
    try:
        logs = Logs(settings.log_level, settings.log_file)
        if logs.trouble is not None:
            logger.warning(logs.trouble)
            starter.tell(Warning(code="no-log-file", message=logs.trouble))
        # It brings the whole SFU. Here, so that mistakes made in it are told as well.
        from sidecar.app import run

        run(settings, starter)
    except UserError as error:
        fatal = _fatal(error)
    except KeyboardInterrupt:
        # It was still starting: later on, signals are an ordinary way to end.
        starter.tell(Stopped(reason="signal"))
    except Exception:
        logger.critical("internal error", exc_info=True)
        fatal = _DEFECT
    return _leave(starter, logs, fatal)


def refuse(error: UserError) -> int:
    """Tell whoever started the program why it doesn't even begin.

    Returns:
        The exit code.
    """
    return _leave(find_starter(), None, _fatal(error))


def _fatal(error: UserError) -> Fatal:
    return Fatal(code=error.code, message=error.message, hint=error.hint, exit_code=error.exit_code)


def _leave(starter: Starter, logs: Logs | None, fatal: Fatal | None) -> int:
    exit_code = 0
    if fatal is not None:
        starter.tell(fatal)
        exit_code = fatal.exit_code
    starter.close()
    if logs is not None and not logs.close():
        os._exit(exit_code)
    if fatal is not None:
        sys.stderr.write(f"classroom-sfu: {fatal.message}\n{fatal.hint}\n")
    return exit_code
