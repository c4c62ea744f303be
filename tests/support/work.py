"""What a call costs, in work instead of time: the same number on every machine and in every run.

Two things are counted, since neither sees the other's loops: the instructions that the interpreter
executes in Python code, and the bytes that are allocated meanwhile. The latter shows what a single
instruction makes of many, as in `[None] * 8191` or `set(range(3000))`.
"""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable
from types import FrameType
from typing import Any, Final, NamedTuple

BYTES_PER_INSTRUCTION: Final = 16
"""What is allocated counts as an instruction for each such piece: a reference takes half of it."""


class Work(NamedTuple):
    """What a call has cost.

    Attributes:
        instructions: Executed by the interpreter, C functions being one each.
        allocated_bytes: The most that there was at one time beyond what had been there before.
    """

    instructions: int
    allocated_bytes: int

    @property
    def total(self) -> int:
        """Both as one number."""
        return self.instructions + self.allocated_bytes // BYTES_PER_INSTRUCTION


def work_of(call: Callable[[], object], *, raises: type[Exception] | None = None) -> Work:
    """Counts the work of one call.

    Args:
        call: What to do; it is called once. What the first call of all costs (imports, caches) is
            to be spent before.
        raises: What it may raise, which is no matter here.
    """
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        instructions = _count(call, raises)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return Work(instructions, max(peak - before, 0))


def _count(call: Callable[[], object], raises: type[Exception] | None) -> int:
    count = 0

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal count
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        if event == "opcode":
            count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    except Exception as error:
        if raises is None or not isinstance(error, raises):
            raise
    finally:
        sys.settrace(before)
    return count
