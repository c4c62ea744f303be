"""Leaving word of which process holds a TCP port, for one that finds it taken.

The word is a small file, locked for as long as its writer lives. The system takes the lock away
when a process ends, however it ends, so a file that isn't locked says nothing any more.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sidecar.net.platform import lock_file

logger = logging.getLogger(__name__)


@contextmanager
def holding(port: int, folder: Path | None = None) -> Iterator[None]:
    """Let others know for as long as the context lasts. If that can't be done it is no error.

    Args:
        port: That this process listens on. It is still to be held when the context ends.
        folder: Where the file is; this user's folder for such things unless given.
    """
    try:
        path = _path(port, folder)
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="ascii")
    except OSError as error:
        logger.info("cannot leave word of who holds port %d: %s", port, error)
        yield
        return
    with file:
        is_ours = lock_file(file.fileno())
        if is_ours:
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
        yield
    if is_ours:
        with suppress(OSError):
            path.unlink()


def holder_of(port: int, folder: Path | None = None) -> int | None:
    """The process id of the classroom SFU that holds a port; None if it is not known to be one.

    Args:
        port: That is taken.
        folder: As for ``holding``.
    """
    try:
        with _path(port, folder).open("r+", encoding="ascii") as file:
            if lock_file(file.fileno()):
                return None
            return int(file.read(32))
    except (OSError, ValueError):
        return None


def _path(port: int, folder: Path | None) -> Path:
    if folder is None:
        from platformdirs import user_state_path

        folder = user_state_path("classroom-sfu", appauthor=False)
    return folder / f"port-{port}.pid"
