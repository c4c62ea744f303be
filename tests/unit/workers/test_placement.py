"""Where a new room goes."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from sidecar.workers.placement import Load, choose

NONE = Load(0, 0)
CLASS = Load(30, 1)


@pytest.mark.parametrize(
    ("loads", "may_start", "chosen"),
    [
        ([NONE], True, 0),
        ([NONE, CLASS], True, 0),
        ([CLASS], True, 1),
        ([CLASS], False, 0),
        ([CLASS, NONE], True, 1),
        ([CLASS, CLASS], True, 2),
        ([CLASS, CLASS], False, 0),
        ([CLASS, Load(20, 1), Load(25, 1)], False, 1),
        ([CLASS, Load(20, 2), Load(20, 1)], False, 2),
    ],
)
def test_a_new_room(loads: Sequence[Load], may_start: bool, chosen: int) -> None:
    assert choose(loads, may_start=may_start) == chosen
