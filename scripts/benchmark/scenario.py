"""One point of a sweep: what the class is like while it is measured."""

from __future__ import annotations

from dataclasses import dataclass

from scripts.benchmark.errors import BenchError
from tests.support.dtls import SRTP_PROFILES, SrtpProfile
from tests.support.media_sources import PAYLOAD_BYTES
from tests.support.rtp_sender import TRAILER_BYTES

# Header (12) and header extensions (20) of a packet as the teacher sends it.
RTP_OVERHEAD_BYTES = 32
PROFILE_PREFIX = "SRTP_"


@dataclass(frozen=True, slots=True)
class Scenario:
    """How many students, and what reaches them.

    Attributes:
        rooms: With a teacher each, all on the same server.
        students: Of each room, who all receive its teacher's video and audio.
        bitrate_bps: Of the teacher's video, RTP headers included.
        burst_ms: From one burst of the teacher's pacer to the next.
        srtp_profile: The only one that the peers offer, named as in RFC 7714 without its `SRTP_`.
        loss: Probability that a student does not get a packet; repaired by NACK and RTX.
        lossy_students: How many of each room are concerned: those with the highest numbers.
        two_way: Each student has a microphone as well, which is muted: a second transport.
        head_start_s: How long the teacher sends before the first student comes.
        join_over_s: The students come evenly spread over this time; 0: all at once.
        warm_up_s: From the last student's first picture to the measurement.
        duration_s: Of the measurement.
    """

    rooms: int
    students: int
    bitrate_bps: int
    burst_ms: float
    srtp_profile: str
    loss: float
    lossy_students: int
    two_way: bool
    head_start_s: float
    join_over_s: float
    warm_up_s: float
    duration_s: float

    @property
    def all_students(self) -> int:
        """Of all rooms together; each has the numbers that follow on those of the one before."""
        return self.rooms * self.students

    def loses(self, number: int) -> bool:
        """Whether the student of that number loses packets."""
        return number % self.students >= self.students - self.lossy_students

    def observes(self, number: int, observers: int) -> bool:
        """Whether the student of that number is one of a room's observers.

        They are spread over those who lose nothing: who is early in the room is sent each packet
        before the others.
        """
        reliable = self.students - (self.lossy_students if self.loss else 0)
        span = max(reliable, min(observers, self.students))
        place, stride = number % self.students, max(span // observers, 1)
        return place < span and place % stride == 0 and place // stride < observers

    @property
    def profile(self) -> SrtpProfile:
        """The SRTP profile with its key sizes."""
        return srtp_profile(self.srtp_profile)

    @property
    def source_bitrate_bps(self) -> int:
        """Of the video without RTP headers and the trailer of synthetic packets."""
        overhead = RTP_OVERHEAD_BYTES + TRAILER_BYTES
        return self.bitrate_bps * PAYLOAD_BYTES // (PAYLOAD_BYTES + overhead)


def room_id(room: int) -> str:
    """The id of a room, from 0."""
    return f"class-{room}"


def srtp_profile(name: str) -> SrtpProfile:
    """Look a profile up.

    Raises:
        BenchError: There is none of that name.
    """
    for profile in SRTP_PROFILES:
        if profile.name == PROFILE_PREFIX + name:
            return profile
    raise BenchError(
        f"no SRTP profile is called {name!r}; there are {', '.join(srtp_profile_names())}"
    )


def srtp_profile_names() -> list[str]:
    """Every profile, the strongest first."""
    return [profile.name.removeprefix(PROFILE_PREFIX) for profile in SRTP_PROFILES]
