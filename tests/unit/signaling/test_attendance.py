"""Who comes and goes, in the log."""

from __future__ import annotations

import logging

import pytest

from sidecar.classroom.peer import Peer
from sidecar.signaling import attendance
from sidecar.signaling.messages import JoinData


@pytest.fixture(autouse=True)
def at_level_info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def test_one_line_for_each(caplog: pytest.LogCaptureFixture) -> None:
    attendance.opened("7b")
    attendance.joined("7b", Peer("t1", "Ms T", True), "192.168.1.5")
    attendance.left("7b", Peer("p1", "Zoë", False), None, "hung up")
    attendance.closed("7b")
    assert caplog.messages == [
        "room 7b is open",
        "Ms T (t1, teacher) joined room 7b from 192.168.1.5",
        "Zoë (p1, student) left room 7b from None: hung up",
        "room 7b is closed",
    ]
    assert {each.name for each in caplog.records} == {attendance.LOGGER_NAME}


def test_teachers_and_students_who_are_refused_are_told_apart(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for is_teacher in (True, False):
        data = JoinData(room_id="7b", peer_id="p", name="P", is_teacher=is_teacher)
        attendance.refused(data, "192.168.1.5", "Room is full")
    assert caplog.messages == [
        "teacher P (p) was not let into room 7b from 192.168.1.5: Room is full",
        "student P (p) was not let into room 7b from 192.168.1.5: Room is full",
    ]
    assert len({each.msg for each in caplog.records}) == 2


def test_what_is_long_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    attendance.joined("r" * 256, Peer("p" * 256, "n" * 256, False), "192.168.1.5")
    assert len(caplog.messages[0]) < 200
