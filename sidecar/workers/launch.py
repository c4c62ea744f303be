"""Starting a worker: the same program again."""

from __future__ import annotations

import subprocess
import sys

from sidecar.net.platform import background_process_flags
from sidecar.settings import WORKER_FLAG


def worker_command() -> list[str]:
    """How this very program is run as a worker, frozen or not."""
    if getattr(sys, "frozen", False):
        return [sys.executable, WORKER_FLAG]
    return [sys.executable, "-m", "sidecar", WORKER_FLAG]


def launch() -> subprocess.Popen[bytes]:
    """Start a worker with pipes as its stdin and stdout; it shares our stderr.

    Raises:
        OSError: The system can't.
    """
    return subprocess.Popen(
        worker_command(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
        creationflags=background_process_flags(),
    )
