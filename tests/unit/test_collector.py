from __future__ import annotations

import gc

import pytest

from sidecar import collector


def test_what_is_there_is_cleaned_and_frozen_before_collecting_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[object] = []
    for name in ("collect", "freeze", "enable"):
        monkeypatch.setattr(gc, name, lambda name=name: calls.append(name))
    monkeypatch.setattr(gc, "set_threshold", lambda *thresholds: calls.append(thresholds))
    collector.settle()
    assert calls == ["collect", "freeze", collector.THRESHOLDS, "enable"]
