"""Which process a new room goes to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Load(NamedTuple):
    """What a process carries; of two, the lesser one carries less."""

    peers: int
    rooms: int


def choose(loads: Sequence[Load], *, may_start: bool) -> int:
    """Choose a process for a new room.

    Args:
        loads: Of the processes that run, the main process first; not empty.
        may_start: Whether one more could be started.

    Returns:
        The index of one that runs, or that of the next one: start it.
    """
    least = min(range(len(loads)), key=lambda index: loads[index])
    is_idle = loads[least].rooms == 0
    return len(loads) if may_start and not is_idle else least
