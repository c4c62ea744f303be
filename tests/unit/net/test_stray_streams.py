"""Streams that are nobody's: a few are kept, and none that is somebody's is removed."""

from __future__ import annotations

from sidecar.net.stray_streams import MAX_STRAY_STREAMS, StrayStreams


class Scene:
    """Strays that are removed.

    Attributes:
        removed: In their order.
        known: Those that are somebody's.
    """

    def __init__(self) -> None:
        self.removed: list[int] = []
        self.known: set[int] = set()
        self.strays = StrayStreams(self.removed.append, self.known.__contains__)


def test_a_few_are_kept_and_the_one_that_has_been_silent_longest_goes_first() -> None:
    scene = Scene()
    for ssrc in range(MAX_STRAY_STREAMS):
        scene.strays.add(ssrc)
    assert scene.removed == []
    scene.strays.add(0)
    scene.strays.add(1000)
    scene.strays.add(1001)
    assert scene.removed == [1, 2]


def test_however_many_there_are_their_number_is_bounded() -> None:
    scene = Scene()
    for ssrc in range(20_000):
        scene.strays.add(ssrc)
    assert len(scene.strays) == MAX_STRAY_STREAMS
    assert scene.removed == list(range(20_000 - MAX_STRAY_STREAMS))


def test_what_has_become_somebodys_stays() -> None:
    """A stream whose first packets were there before it was announced."""
    scene = Scene()
    scene.strays.add(7)
    scene.known.add(7)
    for ssrc in range(100, 200):
        scene.strays.add(ssrc)
    assert 7 not in scene.removed


def test_the_same_again_and_again_changes_nothing() -> None:
    scene = Scene()
    for _ in range(1000):
        scene.strays.add(7)
    assert len(scene.strays) == 1
