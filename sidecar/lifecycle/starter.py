"""Who started the program: a host application or a person."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Protocol

from sidecar.lifecycle.events import Event
from sidecar.lifecycle.host import Host
from sidecar.lifecycle.person import Person
from sidecar.lifecycle.stdio import STDIN, claim_stdout, open_missing_streams
from sidecar.net.platform import InputKind, input_kind


class Starter(Protocol):
    """Whoever started the program."""

    def tell(self, event: Event) -> None:
        """Let them know; never waits for them."""

    def listen(
        self, on_lines: Callable[[Sequence[bytes]], None], on_gone: Callable[[], None]
    ) -> None:
        """Hear what they say, see ``Host.listen``."""

    def close(self, timeout_s: float | None = None) -> None:
        """Say good-bye, without waiting for long."""


def find_starter() -> Starter:
    """Look at stdin, and prepare stdout for whoever it is.

    A terminal means a person. A pipe means a host: it sends commands, and its end is the host's
    end. Anything else, such as ``/dev/null`` or a file, is left alone: that is a host that can
    only be told something, such as a service manager. Call it once, before anything is opened.
    """
    open_missing_streams()
    kind = input_kind(STDIN)
    if kind is InputKind.TERMINAL:
        return Person(sys.stdout)
    return Host(claim_stdout(), STDIN if kind is InputKind.PIPE else None)
