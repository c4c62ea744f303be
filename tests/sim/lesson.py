"""A whole lesson: a teacher, students and the media layer between them, over simulated links."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

from sidecar.ortc import DtlsParameters, IceCandidate, IceParameters
from sidecar.sfu import Link as TransportLink
from sidecar.sfu import WebRtcTransport, Worker
from sidecar.sfu.batch import Packets
from tests.sim.lesson_student import Student
from tests.sim.lesson_teacher import Teacher
from tests.sim.link import MS, Link, earliest
from tests.sim.link import run as run_until
from tests.unit.sfu.support import DTLS, MAX_BITRATE_BPS, FakeRecipients


class Faults(NamedTuple):
    """What is wrong with every link, each way."""

    loss: float = 0.0
    delay_ns: int = 20 * MS
    jitter_ns: int = 0
    reorder: float = 0.0
    duplicate: float = 0.0


class SimulatedLink:
    """The network half of a transport: what the media layer sends goes over a link."""

    ice_parameters = IceParameters(username_fragment="user", password="pass")
    ice_candidates: Sequence[IceCandidate] = ()
    dtls_parameters = DTLS
    silence_ns: int | None = None

    def __init__(self, lesson: Lesson) -> None:
        self._lesson = lesson
        self.down = lesson.new_link()
        self.up = lesson.new_link()
        self.closed = False

    def connect(self, dtls_parameters: DtlsParameters) -> None:
        raise AssertionError("the simulation connects by itself")

    def restart_ice(self) -> IceParameters:
        return self.ice_parameters

    def offer_ice_restart(self) -> IceParameters:
        return self.restart_ice()

    def send_rtp(self, groups: Sequence[Packets]) -> None:
        for group in groups:
            self.send_rtcp(group.packets)

    def forget_incoming(self, ssrc: int) -> None:
        pass

    def end_outgoing(self, ssrc: int) -> None:
        pass

    def send_rtcp(self, compounds: Sequence[bytes]) -> None:
        for data in compounds:
            self.down.send(data, self._lesson.now_ns)

    def close(self) -> None:
        self.closed = True


class Lesson:
    """A worker, its network and its peers. Time starts at 0 and goes on with `run`.

    Attributes:
        teacher: Sends H.264 with RTX, and Opus.
        students: In the order of joining; those who have left included.
    """

    def __init__(self, seed: int, faults: Faults | None = None, first_sequence: int = 1000) -> None:
        self.now_ns = 0
        self._wake_ns: int | None = None
        self.students: list[Student] = []
        self._seed = seed
        self._faults = faults or Faults()
        self._links: dict[str, SimulatedLink] = {}
        self.worker = Worker(self, random.Random(seed), max_incoming_bitrate_bps=MAX_BITRATE_BPS)
        self.router = self.worker.create_router()
        transport = self._open()
        self.teacher = Teacher(self._links[transport.id].up, first_sequence)
        self.video, self.audio = (
            transport.produce(kind, parameters) for kind, parameters in self.teacher.offers
        )

    # sidecar.sfu.Network

    def prepare(self) -> None:
        pass

    def open_link(self, transport: WebRtcTransport, local_address: str | None) -> SimulatedLink:
        link = self._links[transport.id] = SimulatedLink(self)
        return link

    def recipients(self, links: Sequence[TransportLink]) -> FakeRecipients:
        return FakeRecipients(links)

    def report_defect(self, transport: WebRtcTransport, error: Exception) -> None:
        raise error

    def wake(self) -> None:
        self._wake_ns = self.now_ns

    # The lesson.

    def new_link(self) -> Link[bytes]:
        self._seed += 1
        faults = self._faults
        return Link(
            self._seed,
            loss=faults.loss,
            delay_ns=faults.delay_ns,
            jitter_ns=faults.jitter_ns,
            reorder=faults.reorder,
            duplicate=faults.duplicate,
        )

    def join(self) -> Student:
        """Adds a student who watches and listens from now on."""
        transport = self._open()
        consumers = [
            transport.consume(producer, self.router.rtp_capabilities)
            for producer in (self.video, self.audio)
        ]
        student = Student(self._links[transport.id].up, transport, consumers, self.now_ns)
        self.students.append(student)
        for consumer in consumers:
            consumer.resume()
        return student

    def run(self, duration_ns: int) -> None:
        """Lets time pass."""
        end_ns = self.now_ns + duration_ns
        run_until(self._step, self._next_timeout, end_ns)
        self.now_ns = end_ns

    def _open(self) -> WebRtcTransport:
        transport = self.router.create_transport(None)
        transport.link_connected(self.now_ns)
        return transport

    def _next_timeout(self) -> int | None:
        """What happens next; nothing is finer than a millisecond, as on a real event loop."""
        links = [link for each in self._links.values() for link in (each.up, each.down)]
        timeout_ns = earliest(
            (
                self.worker.next_timeout_ns,
                self._wake_ns,
                self.teacher.next_timeout_ns,
                *(student.next_timeout_ns for student in self.students),
                *(link.next_timeout_ns for link in links),
            )
        )
        return None if timeout_ns is None else max(timeout_ns, self.now_ns + MS)

    def _step(self, now_ns: int) -> None:
        self.now_ns = now_ns
        self.teacher.poll(now_ns)
        for student in self.students:
            student.poll(now_ns)
        transports = {each.id: each for each in self.worker.transports}
        for transport_id, link in self._links.items():
            for data in link.up.receive(now_ns):
                if transport_id in transports:
                    _hand_in(transports[transport_id], data, now_ns)
        self._wake_ns = None
        self.worker.process(now_ns)
        listeners = {student.transport.id: student for student in self.students}
        for transport_id, link in self._links.items():
            for data in link.down.receive(now_ns):
                listener = listeners.get(transport_id, self.teacher)
                listener.receive(data, now_ns)


def _hand_in(transport: WebRtcTransport, data: bytes, now_ns: int) -> None:
    if 192 <= data[1] <= 223:
        transport.receive_rtcp(data, now_ns)
    else:
        transport.receive_rtp(data, now_ns)
