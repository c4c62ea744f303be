from __future__ import annotations

import pytest

from sidecar.engine.liveness import (
    AUDIO_PATIENCE,
    MAX_STEP_NS,
    SILENCE_NS,
    STRAGGLER_NS,
    VIDEO_PATIENCE,
    Liveness,
    Patience,
)

MS = 1_000_000
S = 1_000 * MS
NOW = 1_000 * S
PATIENCES = [VIDEO_PATIENCE, AUDIO_PATIENCE]


@pytest.fixture(params=PATIENCES, ids=["video", "audio"])
def patience(request: pytest.FixtureRequest) -> Patience:
    chosen: Patience = request.param
    return chosen


def watch(liveness: Liveness, start_ns: int, duration_ns: int, *, excused: bool = False) -> bool:
    """Look once a second; whether it is given up in the end."""
    given_up = False
    for now_ns in range(start_ns, start_ns + duration_ns + 1, S):
        given_up = liveness.watch(now_ns, excused=excused)
    return given_up


def test_new_stream_is_alive(patience: Patience) -> None:
    liveness = Liveness(patience, NOW)
    assert not liveness.is_silent(NOW)
    assert not liveness.is_dropped(NOW)


def test_silence_is_that_of_packets(patience: Patience) -> None:
    liveness = Liveness(patience, NOW)
    liveness.heard_ns = NOW + S
    for second in range(1, 6):
        liveness.on_sender_report(NOW + second * S)
    assert not liveness.is_silent(NOW + S + SILENCE_NS - 1)
    assert liveness.is_silent(NOW + S + SILENCE_NS)


def test_sender_that_reports_has_not_dropped_it(patience: Patience) -> None:
    liveness = Liveness(patience, NOW)
    liveness.on_sender_report(NOW + 60 * S)
    assert not liveness.is_dropped(NOW + 60 * S + patience.reports_ns - 1)
    assert liveness.is_dropped(NOW + 60 * S + patience.reports_ns)


def test_stream_that_is_heard_is_not_dropped_without_reports(patience: Patience) -> None:
    liveness = Liveness(patience, NOW)
    liveness.heard_ns = NOW + 60 * S
    assert not liveness.is_dropped(NOW + 60 * S + patience.packets_ns - 1)
    assert liveness.is_dropped(NOW + 60 * S + patience.packets_ns)


def test_goodbye_is_silence_at_once_until_packets_come_again(patience: Patience) -> None:
    liveness = Liveness(patience, NOW)
    liveness.on_bye(NOW)
    assert liveness.has_ended
    assert liveness.is_silent(NOW)
    assert liveness.is_dropped(NOW)
    liveness.heard_ns = NOW + STRAGGLER_NS  # it was overtaken
    assert liveness.is_silent(NOW + STRAGGLER_NS)
    liveness.heard_ns = NOW + STRAGGLER_NS + 1
    assert not liveness.is_silent(NOW + STRAGGLER_NS + 1)
    assert not liveness.is_dropped(NOW + STRAGGLER_NS + 1)


def test_others_outlive_it_if_they_are_heard_when_it_should_have_been(patience: Patience) -> None:
    liveness, other = Liveness(patience, NOW), Liveness(patience, NOW)
    other.heard_ns = NOW + patience.packets_ns - 1
    assert not liveness.was_outlived_by(other)
    other.heard_ns = NOW + patience.packets_ns
    assert liveness.was_outlived_by(other)
    assert not other.was_outlived_by(liveness)


def test_given_up_after_long_silence_only(patience: Patience) -> None:
    liveness = Liveness(patience, NOW)
    assert not watch(liveness, NOW + S, patience.total_ns - 2 * S)
    assert liveness.watch(NOW + patience.total_ns, excused=False)


def test_never_given_up_while_its_sender_reports(patience: Patience) -> None:
    liveness = Liveness(patience, NOW)
    for minute in range(3):
        liveness.on_sender_report(NOW + minute * 60 * S)
    assert not watch(liveness, NOW + 121 * S, patience.total_ns - 2 * S)


def test_silence_that_is_asked_for_does_not_count(patience: Patience) -> None:
    liveness = Liveness(patience, NOW)
    assert not watch(liveness, NOW, 2 * patience.total_ns, excused=True)
    assert not watch(liveness, NOW + 2 * patience.total_ns, patience.total_ns - S)


def test_time_in_which_nobody_looked_does_not_count(patience: Patience) -> None:
    liveness = Liveness(patience, NOW)
    liveness.watch(NOW, excused=False)
    slept_ns = 2 * patience.total_ns
    assert not liveness.watch(NOW + slept_ns, excused=False)
    assert not watch(liveness, NOW + slept_ns, patience.total_ns - MAX_STEP_NS - S)
