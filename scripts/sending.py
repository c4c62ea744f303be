"""What the parts cost alone: sending by stages, and what the students' feedback takes.

    .venv/bin/python scripts/sending.py [--students 49] [--burst 7] [--rounds 500]

In one process, over loopback, to sockets that nobody waits on; CPU time, so that a busy machine
matters little. The stages are measured by leaving out what comes after them.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    # The streams are those of the tests, which are not installed.
    sys.path.insert(0, str(ROOT))

from sidecar.limits import Limits  # noqa: E402
from sidecar.net.addresses import AddressBook  # noqa: E402
from sidecar.net.dtls import Certificate  # noqa: E402
from sidecar.net.fan import Fan  # noqa: E402
from sidecar.net.link import MediaLink  # noqa: E402
from sidecar.net.media_port import MediaPort  # noqa: E402
from sidecar.net.media_socket import open_media_socket  # noqa: E402
from sidecar.net.packet_sender import PacketSender  # noqa: E402
from sidecar.net.platform import monotonic_ns  # noqa: E402
from sidecar.net.srtp import OK, PROFILES, SrtpSession  # noqa: E402
from sidecar.net.stun import is_stun  # noqa: E402
from sidecar.rtp.packet import build_rtp  # noqa: E402
from sidecar.rtp.rtcp import (  # noqa: E402
    GenericNack,
    ReceiverEstimatedMaxBitrate,
    ReceiverReport,
    ReportBlock,
)
from sidecar.sfu import WebRtcTransport, Worker  # noqa: E402
from tests.support.ice import IceAgent  # noqa: E402
from tests.unit.sfu.media import CAPABILITIES, H264, KEY_START, VIDEO_SSRC, video  # noqa: E402

LOOPBACK = "127.0.0.1"
PAYLOAD_BYTES = 1000
SENDTO_BYTES = 1100
RECEIVE_BUFFER_BYTES = 4 << 20


class Options(NamedTuple):
    """The command line."""

    students: int
    burst: int
    rounds: int


UNLIMITED_BPS = 10**12
LIMITS = Limits(max_nacked_packets_per_second=10**6, max_rtcp_bitrate=10**9)
"""Nothing is refused: what is measured comes in faster than in a class."""


class Student:
    """One who receives, and can answer.

    Attributes:
        transport: The student's at the SFU.
        link: The same on the network.
        srtp: The student's own half of the keys.
        ssrc: Of the picture.
    """

    def __init__(self, transport: WebRtcTransport, link: MediaLink, srtp: SrtpSession) -> None:
        self.transport = transport
        self.link = link
        self.srtp = srtp
        self.ssrc = 0
        self._ice = IceAgent(lambda _datagram, _address: None)
        self._ice.remote_username_fragment = link.ice_parameters.username_fragment
        self._ice.remote_password = link.ice_parameters.password

    def report(self, newest: int) -> bytes:
        """A Receiver Report with REMB, as it comes over the network."""
        block = ReportBlock(self.ssrc, 0, 0, newest, 0, 0, 0)
        packets = ReceiverReport(1, (block,)), ReceiverEstimatedMaxBitrate(1, 10**7, (self.ssrc,))
        return self.srtp.protect_rtcp(b"".join(packet.to_bytes() for packet in packets))

    def nack(self, newest: int) -> bytes:
        """A Generic NACK for one packet."""
        return self.srtp.protect_rtcp(GenericNack(1, self.ssrc, (newest,)).to_bytes())

    def check(self, _newest: int) -> bytes:
        """An ICE connectivity check."""
        return bytes(self._ice.binding_request())


class Scene:
    """One producer and its consumers on a media port, keyed without a handshake."""

    def __init__(self, students: int, stack: ExitStack) -> None:
        self._random = random.Random(1)
        self._number = 0
        self.sinks = [stack.enter_context(_sink()) for _ in range(students)]
        media_socket = open_media_socket(LOOPBACK, 0, 0)
        book = AddressBook(bound_to=LOOPBACK, announced=())
        port = MediaPort(media_socket, book, Certificate)
        stack.callback(media_socket.close)
        self.port = port
        self.worker = Worker(
            port, self._random, max_incoming_bitrate_bps=UNLIMITED_BPS, limits=LIMITS
        )
        self._router = self.worker.create_router()
        self._teacher = self._connected((LOOPBACK, 9)).transport
        producer = self._teacher.produce("video", video())
        self.students: list[Student] = []
        for sink in self.sinks:
            student = self._connected(sink.getsockname())
            consumer = student.transport.consume(producer, CAPABILITIES)
            consumer.resume()
            student.ssrc = consumer.stream.ssrc
            self.students.append(student)
        self.worker.process(monotonic_ns())

    def _connected(self, address: tuple[str, int]) -> Student:
        transport = self._router.create_transport(None)
        profile = PROFILES[0]
        link = transport.link
        assert isinstance(link, MediaLink)
        keys = os.urandom(profile.keying_material_bytes)
        link._srtp = SrtpSession(profile, keys, is_dtls_client=False)
        student = Student(transport, link, SrtpSession(profile, keys, is_dtls_client=True))
        self.port._checks.sort(student.check(0), address, monotonic_ns())
        self.port.route_changed()
        transport.link_connected(monotonic_ns())
        return student

    def receive_burst(self, size: int, spread: int, *, key_frame: bool = False) -> None:
        """Let packets of one frame arrive, whose sizes differ by less than ``spread``."""
        now_ns = monotonic_ns()
        for _ in range(size):
            start = KEY_START if key_frame else b"\x41"
            length = PAYLOAD_BYTES - 1 + self._random.randrange(spread)
            packet = build_rtp(
                payload_type=H264,
                sequence_number=self._number & 0xFFFF,
                timestamp=self._number // size * 3000,
                ssrc=VIDEO_SSRC,
                payload=start + self._random.randbytes(length),
            )
            self._teacher.receive_rtp(packet, now_ns)
            self._number += 1

    def cost_us(self, options: Options, spread: int) -> float:
        """CPU time of forwarding one packet to one student."""
        cpu_ns = 0
        for _ in range(options.rounds):
            self.receive_burst(options.burst, spread)
            started_ns = time.process_time_ns()
            self.worker.process(monotonic_ns())
            cpu_ns += time.process_time_ns() - started_ns
            _empty(self.sinks)
        return cpu_ns / 1e3 / (options.rounds * options.burst * options.students)

    def feedback_us(self, make: Callable[[Student, int], bytes], rounds: int) -> float:
        """CPU time of taking one datagram from a student, and of answering it."""
        cpu_ns = 0
        for number in range(rounds):
            self.receive_burst(1, 1)
            self.worker.process(monotonic_ns())
            newest = self._newest_sequence()
            datagrams = [make(student, newest) for student in self.students]
            now_ns = monotonic_ns() + number
            started_ns = time.process_time_ns()
            for sink, datagram in zip(self.sinks, datagrams, strict=True):
                address = sink.getsockname()
                if is_stun(datagram):
                    self.port._checks.sort(datagram, address, now_ns)
                else:
                    link, pair = self.port._checks.reached[address]
                    link.receive(datagram, pair, now_ns)
            self.worker.process(now_ns)
            cpu_ns += time.process_time_ns() - started_ns
            _empty(self.sinks)
            for student in self.students:
                student.link.look_after(now_ns)  # as if a second had passed: it may send more
        return cpu_ns / 1e3 / (rounds * len(self.students))

    def _newest_sequence(self) -> int:
        """The number of the latest packet that the students have got."""
        data = b""
        try:
            while True:
                data = self.sinks[0].recv(2048)
        except BlockingIOError:
            return int.from_bytes(data[2:4], "big")


def main(argv: Sequence[str]) -> int:
    """Measure, print a table and return the exit code."""
    parser = argparse.ArgumentParser(description="Measure the sending half alone.")
    parser.add_argument("--students", type=int, default=49)
    parser.add_argument("--burst", type=int, default=7, help="packets that arrive together")
    parser.add_argument("--rounds", type=int, default=500, help="bursts")
    options = Options(**vars(parser.parse_args(argv)))
    asyncio.run(_measure(options))
    return 0


async def _measure(options: Options) -> None:
    with ExitStack() as stack:
        scene = Scene(options.students, stack)
        for _ in range(3):
            scene.receive_burst(options.burst, 1, key_frame=True)
            scene.worker.process(monotonic_ns())
        _empty(scene.sinks)
        print(f"{'':40}µs/packet")
        for name, limit in STAGES.items():
            with limit():
                print(f"{name:40}{scene.cost_us(options, 1):9.2f}")
        print(f"{'the same, sizes differ by a byte':40}{scene.cost_us(options, 2):9.2f}")
        print(f"{'one sendto of 1,100 bytes':40}{_sendto_us(scene.sinks):9.2f}")
        print(f"\n{'feedback of a student':40}{'µs each':>9}{'a second':>10}{'ms/s of all':>13}")
        for name, (make, rate) in FEEDBACK.items():
            each_us = scene.feedback_us(make, max(options.rounds // 10, 5))
            all_ms = each_us * rate * options.students / 1e3
            print(f"{name:40}{each_us:9.1f}{rate:10.1f}{all_ms:13.2f}")


@contextmanager
def _without_srtp() -> Iterator[None]:
    with patch.object(Fan, "send_rtp", lambda *_arguments: None):
        yield


@contextmanager
def _without_protection() -> Iterator[None]:
    done = "sidecar.net.packet_sender.protect_in_place"
    with patch(done, lambda *_arguments: [OK]), _without_sending():
        yield


@contextmanager
def _without_sending() -> Iterator[None]:
    with patch.object(PacketSender, "_send_all", lambda *_arguments: None):
        yield


STAGES: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "media layer": _without_srtp,
    "and loading the packets": _without_protection,
    "and protecting them": _without_sending,
    "and sending them": nullcontext,
}
"""Each has what those before it have, and one thing more."""


FEEDBACK: dict[str, tuple[Callable[[Student, int], bytes], float]] = {
    "Receiver Report and REMB": (Student.report, 1.0),
    "ICE check, answered": (Student.check, 0.4),
    "NACK of a packet, answered (0.1 % lost)": (Student.nack, 0.6),
}
"""How it is made, and how often a browser sends it that receives 5 Mbit/s: a check every 2.5 s."""


def _sink() -> socket.socket:
    sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sink.bind((LOOPBACK, 0))
    sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    sink.setblocking(False)
    return sink


def _empty(sinks: Sequence[socket.socket]) -> None:
    for sink in sinks:
        try:
            while True:
                sink.recv(2048)
        except BlockingIOError:
            pass


def _sendto_us(sinks: Sequence[socket.socket]) -> float:
    calls, costs = 64, []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        data, address = bytes(SENDTO_BYTES), sinks[0].getsockname()
        for _ in range(60):
            started_ns = time.process_time_ns()
            for _ in range(calls):
                sender.sendto(data, address)
            costs.append((time.process_time_ns() - started_ns) / 1e3 / calls)
            _empty(sinks[:1])
    return sorted(costs)[len(costs) // 2]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
