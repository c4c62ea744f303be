"""What was measured, in the units in which it is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scripts.benchmark.scenario import Scenario


@dataclass(frozen=True, slots=True)
class Spread:
    """A distribution in milliseconds; all zero where `count` is.

    Attributes:
        count: How many values there were.
    """

    count: int
    p50_ms: float
    p99_ms: float
    max_ms: float

    @classmethod
    def of_ns(cls, values_ns: Sequence[int]) -> Spread:
        """Summarise; percentiles by the nearest rank."""
        if not values_ns:
            return cls(0, 0.0, 0.0, 0.0)
        ordered = sorted(values_ns)
        last = len(ordered) - 1
        p50, p99, most = (ordered[round(last * share)] / 1e6 for share in (0.5, 0.99, 1.0))
        return cls(len(ordered), round(p50, 3), round(p99, 3), round(most, 3))


@dataclass(frozen=True, slots=True)
class Cost:
    """What the server used to forward.

    Attributes:
        forwarded_packets: RTP packets that reached the students, retransmissions included.
        packets_per_second: The same in a second.
        teacher_packets_per_second: What came in: far from the expected rate, the load generator
            was too slow and the whole measurement is void.
        packet_bytes: Mean size on the wire.
        us_per_packet: CPU of the server's processes per forwarded packet.
        core_percent: CPU of the server's processes, 100 being one processor.
        system_percent: The kernel's part of that CPU (in ticks of 10 ms).
        sendto_us: CPU of one bare `sendto` of that size.
        protect_us: CPU of one SRTP protection of that size.
        ratio: `us_per_packet` in units of `sendto_us`.
    """

    forwarded_packets: int
    packets_per_second: float
    teacher_packets_per_second: float
    packet_bytes: float
    us_per_packet: float
    core_percent: float
    system_percent: float
    sendto_us: float
    protect_us: float
    ratio: float


@dataclass(frozen=True, slots=True)
class JoinTimes:
    """From an empty class to a full one.

    Attributes:
        all_set_up_s: From the first student's knocking to the last one's consumers: signalling,
            ICE and DTLS included.
        set_up: Of each student, as are the following.
        first_packet: Until the first packet.
        first_picture: Until the first key frame was complete.
        latency: Of those who had a picture, while others joined.
        server_cpu_s: Used by the server in that time, what it forwarded included.
        students_cpu_s: Used by the load generator.
        key_frame_requests: That the teacher got in that time.
    """

    all_set_up_s: float
    set_up: Spread
    first_packet: Spread
    first_picture: Spread
    latency: Spread
    server_cpu_s: float
    students_cpu_s: float
    key_frame_requests: int


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """Of the server's processes together, before anybody came and with a full class."""

    idle_rss_bytes: int
    idle_pss_bytes: int
    rss_bytes: int
    pss_bytes: int


@dataclass(frozen=True, slots=True)
class LoadGenerator:
    """How much of the machine the measuring took; 100 is one processor.

    Attributes:
        machine_idle_percent: What nobody used, of all processors: near 0, the figures tell of the
            shortage, not of the server.
    """

    teacher_core_percent: float
    students_core_percent: float
    machine_idle_percent: float


@dataclass(frozen=True, slots=True)
class Result:
    """One scenario on one server.

    Attributes:
        delivered_ratio: Of all that was sent to each student since their first packet.
        retransmitted_packets: RTX that the students got in the measured time.
        nacked_packets: Sequence numbers that they asked for in it.
    """

    server: str
    scenario: Scenario
    cost: Cost
    delivered_ratio: float
    retransmitted_packets: int
    nacked_packets: int
    latency: Spread
    join: JoinTimes
    memory: MemoryUse
    load_generator: LoadGenerator


@dataclass(frozen=True, slots=True)
class Failure:
    """A scenario that a server did not get through."""

    server: str
    scenario: Scenario
    error: str
