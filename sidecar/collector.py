"""Python's garbage collector in a program that has to be on time."""

from __future__ import annotations

import gc
from typing import Final

THRESHOLDS: Final = (5_000, 20, 100)
"""Young objects are looked over 50 times less often than by default at a full class, everything
there is practically never: that holds all media up for some 20 ms. What a class leaves behind in
circles is collected when nobody is there any more, see `MediaPort.retire`."""


def settle() -> None:
    """Leaves alone what the start has made, and begins to collect the rest, in moderation.

    To be called once, when everything that lives as long as the process is there. Until then the
    collector is best off.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    gc.enable()
