from __future__ import annotations

import pytest

from sidecar.engine.key_frame_requester import KeyFrameRequester

MS = 1_000_000


@pytest.fixture
def requester() -> KeyFrameRequester:
    return KeyFrameRequester()


def drain(requester: KeyFrameRequester, until_ms: int) -> list[int]:
    """Run the timer up to a time; return when requests went out, in ms."""
    sent = []
    while requester.next_timeout_ns is not None and requester.next_timeout_ns <= until_ms * MS:
        now_ns = requester.next_timeout_ns
        assert requester.poll(now_ns)
        sent.append(now_ns // MS)
    return sent


def test_nothing_to_do_without_a_request(requester: KeyFrameRequester) -> None:
    assert requester.next_timeout_ns is None
    assert not requester.poll(1000 * MS)


def test_first_request_goes_out_at_once(requester: KeyFrameRequester) -> None:
    requester.request(7 * MS)
    assert requester.next_timeout_ns == 7 * MS
    assert requester.poll(7 * MS)
    assert not requester.poll(7 * MS)


def test_is_repeated_until_a_key_frame_arrives(requester: KeyFrameRequester) -> None:
    requester.request(0)
    assert drain(requester, 2000) == [0, 160, 320, 640, 1140, 1640]
    requester.on_key_frame(2000 * MS)
    assert requester.next_timeout_ns is None
    assert drain(requester, 60_000) == []


def test_requests_of_a_class_are_joined(requester: KeyFrameRequester) -> None:
    for student in range(49):
        requester.request(student * MS)
        drain(requester, student)
    requester.on_key_frame(60 * MS)
    assert drain(requester, 10_000) == []


def test_request_after_a_key_frame_waits_for_the_spacing(requester: KeyFrameRequester) -> None:
    requester.request(0)
    assert drain(requester, 0) == [0]
    requester.on_key_frame(50 * MS)
    requester.request(60 * MS)
    assert drain(requester, 319) == []
    assert drain(requester, 320) == [320]


def test_spacing_counts_from_the_last_repetition(requester: KeyFrameRequester) -> None:
    requester.request(0)
    assert drain(requester, 200) == [0, 160]
    requester.on_key_frame(210 * MS)
    requester.request(220 * MS)
    assert drain(requester, 1000)[0] == 480


def test_spacing_grows_while_requests_keep_coming(requester: KeyFrameRequester) -> None:
    sent = []
    for now_ms in range(0, 3000, 10):
        requester.request(now_ms * MS)
        if requester.poll(now_ms * MS):
            sent.append(now_ms)
        elif sent and now_ms == sent[-1] + 10:
            requester.on_key_frame(now_ms * MS)
    assert sent == [0, 320, 820, 1320, 1820, 2320, 2820]


def test_spacing_is_short_again_after_quiet(requester: KeyFrameRequester) -> None:
    for start_ms, expected in ((0, [0]), (20, [320]), (400, [820]), (1900, [1900]), (1920, [2220])):
        requester.request(start_ms * MS)
        assert drain(requester, expected[0]) == expected
        requester.on_key_frame((expected[0] + 10) * MS)


def test_repetitions_start_over_with_the_next_key_frame(requester: KeyFrameRequester) -> None:
    requester.request(0)
    assert drain(requester, 1000) == [0, 160, 320, 640]
    requester.on_key_frame(1000 * MS)
    requester.request(1600 * MS)
    assert drain(requester, 2000) == [1600, 1760, 1920]


def test_unasked_key_frame_changes_nothing(requester: KeyFrameRequester) -> None:
    requester.on_key_frame(10 * MS)
    requester.request(20 * MS)
    assert drain(requester, 20) == [20]


def test_cancelled_request_is_not_repeated_but_keeps_its_spacing(
    requester: KeyFrameRequester,
) -> None:
    requester.request(0)
    assert requester.poll(0)
    requester.cancel()
    assert requester.next_timeout_ns is None
    requester.request(20 * MS)
    assert requester.next_timeout_ns == 160 * MS
