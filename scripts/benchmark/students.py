"""The students of one worker process."""

from __future__ import annotations

import asyncio
import gc
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from scripts.benchmark.scenario import Scenario
from scripts.benchmark.student import Joining, MeasuredStudent
from scripts.benchmark.teacher import KINDS, Sent
from scripts.benchmark.workers import cpu_ns

SETTLE_INTERVAL_S = 0.1
SETTLE_TIMEOUT_S = 3.0


@dataclass(frozen=True, slots=True)
class Joined:
    """All students of one process, and the CPU that it took this process."""

    joinings: list[Joining]
    cpu_ns: int


@dataclass(frozen=True, slots=True)
class Received:
    """The students' books at one moment.

    Attributes:
        packets: RTP datagrams that arrived so far, retransmissions and later losses included.
        retransmitted_packets: RTX among them that was not lost.
        nacked_packets: Sequence numbers asked for so far.
        mean_packet_bytes: Of those that were decrypted, without the authentication tag.
        cpu_ns: Used so far by the students' process.
        latencies_ns: Of the observers, since the last time.
    """

    packets: int
    retransmitted_packets: int
    nacked_packets: int
    mean_packet_bytes: float
    cpu_ns: int
    latencies_ns: array[int]


@dataclass(frozen=True, slots=True)
class Delivery:
    """What should have arrived at all students since each one's first packet, and what did."""

    expected: int
    received: int


class Students:
    """Lives in a worker.

    Args:
        url: Of the server.
        scenario: How they behave.
        numbers: Of these students among those of all rooms.
        observers: How many of each room observe latency.
    """

    def __init__(self, url: str, scenario: Scenario, numbers: range, observers: int) -> None:
        self._url = url
        self._scenario = scenario
        self._students = [
            MeasuredStudent(number, scenario, observes=scenario.observes(number, observers))
            for number in numbers
        ]

    async def ready(self) -> None:
        """Answer, which proves that this process has started."""

    async def join(self) -> Joined:
        """Let all join, evenly spread over the time that the scenario gives them."""
        started_ns = cpu_ns()
        pace_s = self._scenario.join_over_s / self._scenario.students
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(
                        self._join(student, student.number % self._scenario.students * pace_s)
                    )
                    for student in self._students
                ]
        except ExceptionGroup as failures:
            # The first says what happened; what was cancelled because of it adds nothing.
            raise failures.exceptions[0] from None
        joinings = [task.result() for task in tasks]
        used_ns = cpu_ns() - started_ns
        # What there is now stays: collecting it again and again would only delay receiving.
        gc.collect()
        gc.freeze()
        return Joined(joinings, used_ns)

    async def received(self) -> Received:
        """Take stock."""
        sides = [student.student.incoming for student in self._students]
        latencies = array("q")
        for student in self._students:
            latencies.extend(student.forget_latencies())
        decrypted = sum(student.decrypted_packets for student in self._students)
        return Received(
            packets=sum(side.peer.datagrams["rtp"] for side in sides),
            retransmitted_packets=sum(side.retransmitted_packets for side in sides),
            nacked_packets=sum(side.nacks_sent for side in sides),
            mean_packet_bytes=sum(s.decrypted_bytes for s in self._students) / max(1, decrypted),
            cpu_ns=cpu_ns(),
            latencies_ns=latencies,
        )

    async def settle(self, sent: Sequence[Sent]) -> Delivery:
        """Wait until all that the teachers have sent, room by room, is here, or no more comes."""
        delivery = self._delivery(sent)
        for _ in range(round(SETTLE_TIMEOUT_S / SETTLE_INTERVAL_S)):
            if delivery.received >= delivery.expected:
                break
            await asyncio.sleep(SETTLE_INTERVAL_S)
            delivery = self._delivery(sent)
        return delivery

    async def leave(self) -> None:
        """Leave the class."""
        await asyncio.gather(*(student.leave() for student in self._students))

    async def _join(self, student: MeasuredStudent, after_s: float) -> Joining:
        await asyncio.sleep(after_s)
        return await student.attend(self._url)

    def _delivery(self, sent: Sequence[Sent]) -> Delivery:
        expected = received = 0
        for student in self._students:
            for kind in KINDS:
                for stream in student.student.incoming.streams[kind]:
                    first = stream.segments[0].content if stream.segments else 0
                    expected += sent[student.room].packets[kind] - first
                    received += stream.packets
        return Delivery(expected, received)
