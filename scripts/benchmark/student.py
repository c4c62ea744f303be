"""One student of a measured class, and how long everything took."""

from __future__ import annotations

import asyncio
import random
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass

from scripts.benchmark.errors import BenchError
from scripts.benchmark.scenario import Scenario, room_id
from sidecar.rtp.h264 import starts_key_frame
from sidecar.rtp.packet import RtpPacket
from tests.support.received_stream import ReceivedStream
from tests.support.receiving_side import ReceivingSide
from tests.support.rtp_sender import TRAILER_BYTES, send_time_ns
from tests.support.synthetic import PeerOptions, SyntheticStudent

PICTURE_TIMEOUT_S = 20.0
# After so long without one, libwebrtc asks for the key frame that a stream begins with.
KEY_FRAME_PATIENCE_S = 0.2
# After the first picture: meanwhile a server may still be sending from its memory.
SETTLING_NS = 250_000_000
# Often enough for libsrtp to follow the roll-over of sequence numbers without seeing each one.
SPARSE_DECRYPTION = 1000


@dataclass(frozen=True, slots=True)
class Joining:
    """How one student came in, in nanoseconds since they knocked.

    Attributes:
        started_ns: When they did, monotonic.
        set_up_ns: Until signalling, ICE, DTLS and consuming were done.
        first_packet_ns: Until the first packet of any kind could be decrypted.
        picture_ns: Until the first key frame was complete.
    """

    started_ns: int
    set_up_ns: int
    first_packet_ns: int
    picture_ns: int


class MeasuredStudent:
    """Joins, watches, and keeps the books.

    Args:
        number: Distinguishes them and says in which room they are; also the seed of what they
            lose.
        scenario: How they behave.
        observes: Decrypts every packet, to measure how long it was on its way.

    Attributes:
        latencies_ns: Of every observed packet since `forget_latencies`: from before the teacher's
            `sendto` until the kernel took it in here. Retransmitted ones are left out, and those
            sent before or just after the first picture was there: what starts a student may be
            from the server's memory.
        decrypted_packets: Observed or not, with their `decrypted_bytes` from header to payload.
    """

    def __init__(self, number: int, scenario: Scenario, *, observes: bool) -> None:
        self.number = number
        self.room = number // scenario.students
        self.latencies_ns = array("q")
        self.decrypted_packets = 0
        self.decrypted_bytes = 0
        self._scenario = scenario
        self._observes = observes
        self._student: SyntheticStudent | None = None
        self._first_packet_ns = 0
        self._watching_since_ns = 0
        self._key_frame_timestamp: int | None = None
        self._frame_ends: dict[int, int] = {}
        self._picture: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    @property
    def student(self) -> SyntheticStudent:
        """The synthetic peer behind it."""
        if self._student is None:
            raise BenchError(f"student {self.number} is not in the class")
        return self._student

    async def attend(self, url: str) -> Joining:
        """Join and consume everything, until there is a picture.

        Raises:
            BenchError: There was none.
        """
        started_ns = time.monotonic_ns()
        options = PeerOptions(srtp_profiles=(self._scenario.profile,), arrival_times=self._observes)
        student = await SyntheticStudent.join(
            url, room_id(self.room), f"student-{self.number}", options
        )
        self._student = student
        microphone = asyncio.ensure_future(self._open_microphone(student))
        receiving = await student.open_receiving()
        receiving.on_content = self._on_content
        if self._scenario.loses(self.number):
            peer = receiving.peer
            peer.on_srtp = _lossy(peer.on_srtp, self._scenario.loss, seed=self.number)
        for producer in await student.signaling.request("getProducers"):
            await student.consume(producer["producerId"])
        await microphone
        set_up_ns = time.monotonic_ns()
        try:
            async with asyncio.timeout(PICTURE_TIMEOUT_S):
                picture_ns = await self._wait_picture(receiving)
        except TimeoutError:
            raise BenchError(
                f"no picture within {PICTURE_TIMEOUT_S:g} s: {student.describe()}"
            ) from None
        return Joining(
            started_ns,
            set_up_ns - started_ns,
            self._first_packet_ns - started_ns,
            picture_ns - started_ns,
        )

    def forget_latencies(self) -> array[int]:
        """Begin anew, and return what there was."""
        past, self.latencies_ns = self.latencies_ns, array("q")
        return past

    async def leave(self) -> None:
        """Leave the class."""
        if self._student is not None:
            await self._student.leave()

    async def _open_microphone(self, student: SyntheticStudent) -> None:
        if self._scenario.two_way:
            await student.publish("audio")

    async def _wait_picture(self, receiving: ReceivingSide) -> int:
        """Wait, asking for a key frame now and then as browsers do."""
        while True:
            done, _ = await asyncio.wait([self._picture], timeout=KEY_FRAME_PATIENCE_S)
            if done:
                return self._picture.result()
            for stream in receiving.streams["video"]:
                receiving.request_key_frame(stream)

    def _on_content(
        self, stream: ReceivedStream, extended: int, packet: RtpPacket, retransmitted: bool
    ) -> None:
        self.decrypted_packets += 1
        self.decrypted_bytes += packet.payload_end
        if not self._picture.done():
            self._look_for_picture(stream, extended, packet, retransmitted)
        elif not self._observes:
            self._decrypt_less()
        if self._observes and not retransmitted and len(packet.payload) >= TRAILER_BYTES:
            self._observe(send_time_ns(packet.payload))

    def _observe(self, sent_ns: int) -> None:
        if self._picture.done() and sent_ns > self._watching_since_ns:
            self.latencies_ns.append(self.student.incoming.peer.arrival_ns - sent_ns)

    def _look_for_picture(
        self, stream: ReceivedStream, extended: int, packet: RtpPacket, retransmitted: bool
    ) -> None:
        """Find out whether the first key frame is whole, in whatever order its packets came."""
        self._first_packet_ns = self._first_packet_ns or time.monotonic_ns()
        if stream not in self.student.incoming.streams["video"]:
            return
        start = packet.payload_start + (2 if retransmitted else 0)  # RFC 4588: its old number
        if starts_key_frame(packet.data, start, packet.payload_end):
            self._key_frame_timestamp = packet.timestamp
        if packet.marker:
            self._frame_ends[packet.timestamp] = extended
        if self._key_frame_timestamp in self._frame_ends:
            end = self._frame_ends[self._key_frame_timestamp]
            if not any(hole < end for hole in stream.missing):
                self._picture.set_result(time.monotonic_ns())
                self._watching_since_ns = time.time_ns() + SETTLING_NS

    def _decrypt_less(self) -> None:
        """Stop looking into every packet, once the content numbers of all streams are known."""
        incoming = self.student.incoming
        # Both kinds: the picture may be there before the sound is consumed.
        if all(streams and streams[0].segments for streams in incoming.streams.values()):
            incoming.decrypt_every = SPARSE_DECRYPTION


def _lossy(handler: Callable[[bytes], None], loss: float, *, seed: int) -> Callable[[bytes], None]:
    """Drop packets as if they had never arrived, the same ones in every run."""
    draw = random.Random(seed).random

    def handle(datagram: bytes) -> None:
        if draw() >= loss:
            handler(datagram)

    return handle
