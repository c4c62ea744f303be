"""One scenario on one running server, from the first join to the last packet."""

from __future__ import annotations

import os
import time
from array import array
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from scripts.benchmark.processes import CpuTime, Memory, ProcessTree, machine_idle_s
from scripts.benchmark.result import Cost, JoinTimes, LoadGenerator, MemoryUse, Result, Spread
from scripts.benchmark.scenario import Scenario
from scripts.benchmark.servers import RunningServer, Server
from scripts.benchmark.student import PICTURE_TIMEOUT_S
from scripts.benchmark.students import Delivery, Joined, Received, Students
from scripts.benchmark.teacher import Sent, Teacher
from scripts.benchmark.units import AUTHENTICATION_TAG_BYTES, Units, mean, measure_units
from scripts.benchmark.workers import Worker, call_all

OBSERVERS = 3
COMMAND_TIMEOUT_S = 30.0
NS_PER_SECOND = 1_000_000_000


def measure(server: Server, scenario: Scenario, *, student_processes: int) -> Result:
    """Start a server, let a class happen on it, and end both.

    Args:
        server: What to measure.
        scenario: What happens.
        student_processes: Over how many processes the students are spread.

    Raises:
        BenchError: Something did not work, or took too long.
    """
    with server.start(scenario.students + 1) as running, ExitStack() as workers:
        teachers = [
            workers.enter_context(Worker(Teacher, running.url, scenario, room))
            for room in range(scenario.rooms)
        ]
        students = [
            workers.enter_context(Worker(Students, running.url, scenario, numbers, OBSERVERS))
            for numbers in _shares(scenario.all_students, student_processes)
        ]
        return _Class(scenario, running, teachers, students).run(server.name)


@dataclass(frozen=True, slots=True)
class _Reading:
    """All books at one moment."""

    time_ns: int
    server: CpuTime
    sent: list[Sent]
    received: list[Received]
    machine_idle_s: float

    def total(self, attribute: str) -> int:
        """The sum of an attribute of `Received` over the students' processes."""
        return sum(getattr(part, attribute) for part in self.received)

    def packets_sent(self) -> int:
        """By all teachers."""
        return sum(sum(part.packets.values()) for part in self.sent)

    def key_frame_requests(self) -> int:
        """To all teachers."""
        return sum(part.key_frame_requests for part in self.sent)

    def teachers_cpu_ns(self) -> int:
        """Of all teachers."""
        return sum(part.cpu_ns for part in self.sent)

    def latencies_ns(self) -> array[int]:
        """Of all observers."""
        together = array("q")
        for part in self.received:
            together.extend(part.latencies_ns)
        return together


class _Class:
    """A class, or as many as there are rooms, that is being measured.

    Args:
        scenario: What happens in it.
        server: Where.
        teachers: A worker of a `Teacher` for each room.
        students: Workers of the `Students`.
    """

    def __init__(
        self,
        scenario: Scenario,
        server: RunningServer,
        teachers: Sequence[Worker],
        students: Sequence[Worker],
    ) -> None:
        self._scenario = scenario
        self._tree = ProcessTree(server.pid)
        self._teachers = teachers
        self._students = students

    def run(self, name: str) -> Result:
        """Let the class happen and tell of it under the server's name."""
        scenario = self._scenario
        call_all(self._students, "ready", timeout_s=COMMAND_TIMEOUT_S)
        units = [measure_units(scenario.profile)]
        idle = self._tree.memory()
        for teacher in self._teachers:
            teacher.call("teach", timeout_s=COMMAND_TIMEOUT_S)
        time.sleep(scenario.head_start_s)
        join = self._join()
        time.sleep(scenario.warm_up_s)
        begin = self._read()
        time.sleep(scenario.duration_s)
        end = self._read()
        full = self._tree.memory()
        sent: list[Sent] = call_all(self._teachers, "stop", timeout_s=COMMAND_TIMEOUT_S)
        deliveries: list[Delivery] = call_all(
            self._students, "settle", sent, timeout_s=COMMAND_TIMEOUT_S
        )
        units.append(measure_units(scenario.profile))
        expected = sum(delivery.expected for delivery in deliveries)
        return Result(
            server=name,
            scenario=scenario,
            cost=_cost(begin, end, mean(units)),
            delivered_ratio=sum(delivery.received for delivery in deliveries) / max(1, expected),
            retransmitted_packets=_growth(begin, end, "retransmitted_packets"),
            nacked_packets=_growth(begin, end, "nacked_packets"),
            latency=Spread.of_ns(end.latencies_ns()),
            join=join,
            memory=_memory_use(idle, full),
            load_generator=_load_generator(begin, end),
        )

    def _join(self) -> JoinTimes:
        timeout_s = self._scenario.join_over_s + PICTURE_TIMEOUT_S + COMMAND_TIMEOUT_S
        server_before = self._tree.cpu_time()
        requests_before = sum(part.key_frame_requests for part in self._sent())
        parts: list[Joined] = call_all(self._students, "join", timeout_s=timeout_s)
        after = self._read()
        joinings = [joining for part in parts for joining in part.joinings]
        first_ns = min(joining.started_ns for joining in joinings)
        last_ns = max(joining.started_ns + joining.set_up_ns for joining in joinings)
        return JoinTimes(
            all_set_up_s=round((last_ns - first_ns) / NS_PER_SECOND, 3),
            set_up=Spread.of_ns([joining.set_up_ns for joining in joinings]),
            first_packet=Spread.of_ns([joining.first_packet_ns for joining in joinings]),
            first_picture=Spread.of_ns([joining.picture_ns for joining in joinings]),
            latency=Spread.of_ns(after.latencies_ns()),
            server_cpu_s=round(after.server.since(server_before).total_ns / NS_PER_SECOND, 3),
            students_cpu_s=round(sum(part.cpu_ns for part in parts) / NS_PER_SECOND, 3),
            key_frame_requests=after.key_frame_requests() - requests_before,
        )

    def _read(self) -> _Reading:
        received: list[Received] = call_all(self._students, "received", timeout_s=COMMAND_TIMEOUT_S)
        # Next to each other: the two that are divided by one another.
        return _Reading(
            time_ns=time.monotonic_ns(),
            server=self._tree.cpu_time(),
            sent=self._sent(),
            received=received,
            machine_idle_s=machine_idle_s(),
        )

    def _sent(self) -> list[Sent]:
        return call_all(self._teachers, "sent", timeout_s=COMMAND_TIMEOUT_S)


def _shares(students: int, processes: int) -> list[range]:
    """Split the students' numbers evenly; no process without a student."""
    processes = min(students, processes)
    bounds = [students * index // processes for index in range(processes + 1)]
    return [range(bounds[i], bounds[i + 1]) for i in range(processes)]


def _cost(begin: _Reading, end: _Reading, units: Units) -> Cost:
    elapsed_s = (end.time_ns - begin.time_ns) / NS_PER_SECOND
    forwarded = _growth(begin, end, "packets")
    server = end.server.since(begin.server)
    us_per_packet = server.total_ns / 1000 / max(1, forwarded)
    sent = end.packets_sent() - begin.packets_sent()
    return Cost(
        forwarded_packets=forwarded,
        packets_per_second=round(forwarded / elapsed_s, 1),
        teacher_packets_per_second=round(sent / elapsed_s, 1),
        packet_bytes=round(end.received[0].mean_packet_bytes + AUTHENTICATION_TAG_BYTES),
        us_per_packet=round(us_per_packet, 3),
        core_percent=round(server.total_ns / elapsed_s / 1e7, 2),
        system_percent=round(100 * server.system_ns / max(1, server.total_ns), 1),
        sendto_us=round(units.sendto_us, 3),
        protect_us=round(units.protect_us, 3),
        ratio=round(us_per_packet / units.sendto_us, 3),
    )


def _growth(begin: _Reading, end: _Reading, attribute: str) -> int:
    return end.total(attribute) - begin.total(attribute)


def _memory_use(idle: Memory, full: Memory) -> MemoryUse:
    return MemoryUse(idle.rss_bytes, idle.pss_bytes, full.rss_bytes, full.pss_bytes)


def _load_generator(begin: _Reading, end: _Reading) -> LoadGenerator:
    elapsed_ns = end.time_ns - begin.time_ns
    processors_ns = elapsed_ns * (os.cpu_count() or 1)
    idle_ns = (end.machine_idle_s - begin.machine_idle_s) * NS_PER_SECOND
    return LoadGenerator(
        teacher_core_percent=round(
            100 * (end.teachers_cpu_ns() - begin.teachers_cpu_ns()) / elapsed_ns, 1
        ),
        students_core_percent=round(100 * _growth(begin, end, "cpu_ns") / elapsed_ns, 1),
        machine_idle_percent=round(min(100.0, 100 * idle_ns / processors_ns), 1),
    )
