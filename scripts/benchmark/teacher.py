"""The teacher of a measured class: video and audio, paced as Chromium does."""

from __future__ import annotations

from dataclasses import dataclass

from scripts.benchmark.scenario import Scenario, room_id
from scripts.benchmark.workers import cpu_ns
from tests.support.classroom import Classroom
from tests.support.media_sources import H264Source
from tests.support.synthetic import PeerOptions, SyntheticTeacher

KINDS = ("video", "audio")


@dataclass(frozen=True, slots=True)
class Sent:
    """The teacher's books at one moment.

    Attributes:
        packets: Sent so far, by kind, retransmissions aside.
        key_frames: Made so far.
        key_frame_requests: PLI and FIR received so far.
        cpu_ns: Used so far by the teacher's process.
    """

    packets: dict[str, int]
    key_frames: int
    key_frame_requests: int
    cpu_ns: int


class Teacher:
    """Lives in a worker.

    Args:
        url: Of the server.
        scenario: What to send.
        room: Where, from 0.
    """

    def __init__(self, url: str, scenario: Scenario, room: int) -> None:
        self._classroom = Classroom(url, room_id(room))
        self._scenario = scenario
        self._teacher: SyntheticTeacher | None = None

    async def teach(self) -> None:
        """Join and begin to send."""
        options = PeerOptions(
            srtp_profiles=(self._scenario.profile,),
            burst_interval_s=self._scenario.burst_ms / 1000,
        )
        source = H264Source(bitrate_bps=self._scenario.source_bitrate_bps)
        self._teacher = await self._classroom.teach(source, options)

    async def sent(self) -> Sent:
        """Take stock."""
        if self._teacher is None:
            return Sent(dict.fromkeys(KINDS, 0), 0, 0, cpu_ns())
        return Sent(
            {kind: self._teacher.packets_sent(kind) for kind in KINDS},
            self._teacher.outgoing.source.key_frames,
            self._teacher.outgoing.key_frame_requests,
            cpu_ns(),
        )

    async def stop(self) -> Sent:
        """Stop sending, with whole frames; still there for retransmissions."""
        if self._teacher is not None:
            await self._teacher.outgoing.stop()
        return await self.sent()

    async def leave(self) -> None:
        """Leave the class."""
        await self._classroom.leave()
