"""Comings and goings, as events."""

from __future__ import annotations

from sidecar.classroom.peer import Peer
from sidecar.lifecycle.attendance import Attendance
from sidecar.lifecycle.events import PeerJoined, PeerLeft
from tests.unit.lifecycle.fakes import FakeStarter


def test_comings_and_goings_are_told() -> None:
    starter = FakeStarter()
    attendance = Attendance(starter)
    teacher = Peer("t", "Ms T", is_teacher=True)
    attendance.joined("7b", teacher)
    attendance.left("7b", teacher)
    assert starter.told == [
        PeerJoined(room_id="7b", peer_id="t", name="Ms T", is_teacher=True),
        PeerLeft(room_id="7b", peer_id="t", name="Ms T", is_teacher=True),
    ]
