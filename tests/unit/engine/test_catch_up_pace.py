from __future__ import annotations

import pytest

from sidecar.engine.catch_up_pace import (
    EXTRA_BPS,
    MAX_ELAPSED_NS,
    STEP_NS,
    TOTAL_EXTRA_BPS,
    CatchUpPace,
)

MS = 1_000_000
STREAM_BPS = 5_000_000


@pytest.fixture
def pace() -> CatchUpPace:
    pace = CatchUpPace()
    pace.start(7 * MS)
    return pace


def test_without_anybody_there_is_nothing_to_send() -> None:
    pace = CatchUpPace()
    assert pace.next_timeout_ns is None
    assert pace.instalment_bytes(1, STREAM_BPS, 1000 * MS) == 0


def test_first_instalment_is_due_at_once_and_the_next_one_a_step_later(pace: CatchUpPace) -> None:
    assert pace.next_timeout_ns == 7 * MS
    assert pace.instalment_bytes(1, STREAM_BPS, 7 * MS) > 0
    assert pace.next_timeout_ns == 7 * MS + STEP_NS
    assert pace.instalment_bytes(1, STREAM_BPS, 7 * MS + STEP_NS - 1) == 0
    assert pace.instalment_bytes(1, STREAM_BPS, 7 * MS + STEP_NS) > 0


def test_another_one_who_starts_does_not_change_the_rhythm(pace: CatchUpPace) -> None:
    pace.instalment_bytes(1, STREAM_BPS, 7 * MS)
    pace.start(8 * MS)
    assert pace.next_timeout_ns == 7 * MS + STEP_NS


def test_nothing_is_due_when_all_are_up_to_date(pace: CatchUpPace) -> None:
    pace.stop()
    assert pace.next_timeout_ns is None


@pytest.mark.parametrize("receivers", [1, 49])
@pytest.mark.parametrize("late_ms", [0, 1, 7, 40])
def test_late_instalment_is_larger_by_what_the_stream_has_brought_meanwhile(
    pace: CatchUpPace, receivers: int, late_ms: int
) -> None:
    on_time = pace.instalment_bytes(receivers, STREAM_BPS, 7 * MS)
    late = pace.instalment_bytes(receivers, STREAM_BPS, 7 * MS + STEP_NS + late_ms * MS)
    assert late - on_time == STREAM_BPS // 8 * late_ms // 1000


def test_after_a_long_standstill_there_is_no_burst(pace: CatchUpPace) -> None:
    pace.instalment_bytes(1, STREAM_BPS, 7 * MS)
    late = pace.instalment_bytes(1, STREAM_BPS, 3000 * MS)
    extra_bytes = EXTRA_BPS // 8 * STEP_NS // 1_000_000_000
    assert late - extra_bytes == STREAM_BPS // 8 * MAX_ELAPSED_NS // 1_000_000_000


@pytest.mark.parametrize("receivers", [1, 4, 10, 49, 500])
def test_all_together_stay_below_the_limit_and_each_gets_more_than_the_stream_brings(
    pace: CatchUpPace, receivers: int
) -> None:
    size_bytes = pace.instalment_bytes(receivers, STREAM_BPS, 7 * MS)
    stream_bytes = STREAM_BPS // 8 * STEP_NS // 1_000_000_000
    assert size_bytes > stream_bytes
    extra_bytes = receivers * (size_bytes - stream_bytes)
    assert extra_bytes <= TOTAL_EXTRA_BPS // 8 * STEP_NS // 1_000_000_000 + receivers


@pytest.mark.parametrize("step_ms", [5, 9, 20, 45])
def test_a_class_catches_up_also_where_every_instalment_comes_late(
    pace: CatchUpPace, step_ms: int
) -> None:
    behind_bytes = 250_000.0
    now_ns = 7 * MS
    for _ in range(2000):
        behind_bytes -= pace.instalment_bytes(49, STREAM_BPS, now_ns)
        if behind_bytes <= 0:
            return
        now_ns += step_ms * MS
        behind_bytes += STREAM_BPS / 8 * step_ms / 1000
    pytest.fail(f"still {behind_bytes:.0f} bytes behind")
