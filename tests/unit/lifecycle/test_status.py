"""What a status says."""

from __future__ import annotations

import json
import os
from typing import Any

from sidecar.classroom.snapshot import PeerSnapshot, RoomSnapshot
from sidecar.lifecycle.events import Status, Totals, encode_event
from sidecar.lifecycle.status import Held, Others, StatusReporter, part
from sidecar.sfu import TransportStats
from sidecar.sfu.stats import ConsumerStats, ProducerStats
from sidecar.signaling.server import ServerSnapshot

SECOND_NS = 1_000_000_000
PRODUCER = ProducerStats("P1", "video", 2_000_000, 10, 9000, 1, 0.25, 1.5, 2, 3, 1, False)
CONSUMER = ConsumerStats("C1", "P1", "video", 1, 2, 3, None, 0.0, 0.0, None, 0, 0, 0, 0, True)
SENDING = TransportStats("T1", True, 9000, 0, 0, None, (PRODUCER,), ())
RECEIVING = TransportStats("T2", True, 0, 9000, 0, 5_000_000, (), (CONSUMER,))
ROOM = RoomSnapshot(
    "my_room",
    (
        PeerSnapshot("teacher_1", "Ms_T", True, {"send": SENDING}),
        PeerSnapshot("student_1", "Ann", False, {"recv": RECEIVING}),
    ),
)
NOBODY = ServerSnapshot(0, ())


class Clock:
    """Stands still until it is set."""

    def __init__(self, now_ns: int) -> None:
        self.now_ns = now_ns

    def __call__(self) -> int:
        return self.now_ns


def rooms_of(status: Status) -> Any:
    return json.loads(encode_event(status))["rooms"]


def test_what_is_going_on() -> None:
    status = StatusReporter(0).report(ServerSnapshot(3, (ROOM,)), "id")
    assert status.id == "id"
    assert status.totals == Totals(connections=3, rooms=1, peers=2, producers=1, consumers=1)
    [room] = rooms_of(status)
    assert room["id"] == "my_room"
    teacher, student = room["peers"]
    assert (teacher["id"], teacher["name"], teacher["isTeacher"]) == ("teacher_1", "Ms_T", True)
    transport = teacher["transports"]["send"]
    assert transport["transportId"] == "T1"
    assert transport["producers"][0]["packetsLost"] == 1
    assert transport["producers"][0]["keyFrameRequests"] == 3
    assert student["transports"]["recv"]["availableOutgoingBps"] == 5_000_000
    assert student["transports"]["recv"]["consumers"][0]["roundTripMs"] is None


def test_no_key_is_in_snake_case() -> None:
    def keys(value: Any) -> set[str]:
        if isinstance(value, dict):
            return set(value).union(*map(keys, value.values()))
        return set().union(*map(keys, value)) if isinstance(value, list) else set()

    rooms = rooms_of(StatusReporter(0).report(ServerSnapshot(3, (ROOM,))))
    assert [key for key in keys(rooms) if "_" in key] == []


def test_the_load_is_that_since_the_status_before() -> None:
    clock, cpu_clock = Clock(100 * SECOND_NS), Clock(SECOND_NS)
    reporter = StatusReporter(98 * SECOND_NS, clock, cpu_clock)
    first = reporter.report(NOBODY)
    assert first.uptime_ms == 2000
    assert first.process.cpu_seconds == 1.0
    assert first.process.cpu_percent == 50.0
    clock.now_ns += 10 * SECOND_NS
    cpu_clock.now_ns += SECOND_NS // 10
    second = reporter.report(NOBODY)
    assert second.uptime_ms == 12_000
    assert second.process.cpu_seconds == 1.1
    assert second.process.cpu_percent == 1.0


def test_two_in_the_same_instant() -> None:
    reporter = StatusReporter(0, Clock(0), Clock(0))
    assert reporter.report(NOBODY).process.cpu_percent == 0.0


def test_other_processes_are_added() -> None:
    elsewhere = RoomSnapshot("far", (PeerSnapshot("p", "Ben", False, {"send": SENDING}),))
    others = Others((elsewhere,), 3 * SECOND_NS, 10**12, 2)
    reporter = StatusReporter(98 * SECOND_NS, Clock(100 * SECOND_NS), Clock(SECOND_NS))
    status = reporter.report(ServerSnapshot(3, (ROOM,)), "id", others)
    assert status.totals == Totals(connections=3, rooms=2, peers=3, producers=2, consumers=1)
    assert [room["id"] for room in rooms_of(status)] == ["my_room", "far"]
    assert status.process.cpu_seconds == 4.0
    assert status.process.cpu_percent == 200.0
    assert status.process.processes == 3
    assert status.process.memory_bytes is None or status.process.memory_bytes > 10**12


def test_what_came_to_nothing_is_said_of_each_process_and_of_all() -> None:
    elsewhere = part(4711, SECOND_NS, None, {"unknown": 5, "over_budget": 1})
    others = Others(counters={"unknown": 7, "over_budget": 1}, parts=(elsewhere,))
    counters = {"unknown": 2, "undecryptable": 3}
    reporter = StatusReporter(0, Clock(SECOND_NS), Clock(SECOND_NS), lambda: counters)
    process = reporter.report(NOBODY, "id", others).process
    assert process.counters == {"unknown": 9, "overBudget": 1, "undecryptable": 3}
    assert isinstance(process.each, tuple)
    here, there = process.each
    assert (here.pid, here.cpu_seconds, here.counters) == (os.getpid(), 1.0, counters)
    assert (there.pid, there.counters) == (4711, {"unknown": 5, "overBudget": 1})


def test_what_the_process_holds() -> None:
    status = StatusReporter(0, held=lambda: Held(tasks=7, srtp_streams=12)).report(NOBODY)
    assert status.process.tasks == 7
    assert status.process.srtp_streams == 12
