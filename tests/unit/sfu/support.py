"""A worker without a network: what is sent is recorded, time passes when a test says so."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final

from sidecar.ortc import (
    DtlsFingerprint,
    DtlsParameters,
    IceCandidate,
    IceParameters,
    RtpCapabilities,
    RtpParameters,
)
from sidecar.rtp.packet import RtpPacket, parse_rtp
from sidecar.rtp.rtcp import RtcpPacket, parse_rtcp
from sidecar.sfu import Consumer, Link, Producer, SfuError, WebRtcTransport, Worker
from sidecar.sfu.batch import Packets
from tests.unit.sfu.media import CAPABILITIES, audio, rtp, video

MS: Final = 1_000_000
S: Final = 1_000 * MS
START_NS: Final = 1_000 * S
MAX_BITRATE_BPS: Final = 6_000_000

DTLS: Final = DtlsParameters(
    role="client", fingerprints=(DtlsFingerprint(algorithm="sha-256", value="AB:CD"),)
)


class FakeLink:
    """Records what a transport asks of its network half.

    Attributes:
        rtp: Packets sent, in order.
        rtcp: Compounds sent, in order.
        refused: What `connect` raises, if anything.
        forgotten: SSRCs of packets that are nobody's.
        ended: SSRCs that nothing more is sent under.
        breaks: Sending closes the transport, as a failing cipher does.
    """

    def __init__(self, transport: WebRtcTransport, local_address: str | None) -> None:
        self.transport = transport
        self.local_address = local_address
        self.rtp: list[bytes] = []
        self.rtcp: list[bytes] = []
        self.connected_with: list[DtlsParameters] = []
        self.refused: SfuError | None = None
        self.forgotten: list[int] = []
        self.ended: list[int] = []
        self.breaks = False
        self.closed = 0
        self.silence_ns: int | None = None
        self.ice_parameters = IceParameters(username_fragment="user", password="pass")
        self.ice_candidates: Sequence[IceCandidate] = ()
        self.dtls_parameters = DTLS

    def connect(self, dtls_parameters: DtlsParameters) -> None:
        if self.refused is not None:
            raise self.refused
        self.connected_with.append(dtls_parameters)

    def restart_ice(self) -> IceParameters:
        self.ice_parameters = IceParameters(username_fragment="user2", password="pass2")
        return self.ice_parameters

    def offer_ice_restart(self) -> IceParameters:
        return self.restart_ice()

    def send_rtp(self, groups: Sequence[Packets]) -> None:
        for group in groups:
            self.rtp += group.packets
        self._break_if_told()

    def forget_incoming(self, ssrc: int) -> None:
        self.forgotten.append(ssrc)

    def end_outgoing(self, ssrc: int) -> None:
        self.ended.append(ssrc)

    def send_rtcp(self, compounds: Sequence[bytes]) -> None:
        self.rtcp += compounds
        self._break_if_told()

    def _break_if_told(self) -> None:
        if self.breaks:
            self.transport.link_closed("srtp-failed")

    def close(self) -> None:
        self.closed += 1


class FakeRecipients:
    """Sends link by link.

    Attributes:
        links: To these.
        sent: How often.
    """

    def __init__(self, links: Sequence[Link]) -> None:
        self.links = links
        self.sent = 0

    def send_rtp(self, packets: Packets) -> None:
        self.sent += 1
        for link in self.links:
            link.send_rtp([packets])


class FakeNetwork:
    """Makes fake links and counts the wake-ups.

    Attributes:
        links: By their transports' ids.
        together: Those who have got, or get, the same packets.
        wakes: How often the worker wanted to be called.
    """

    def __init__(self) -> None:
        self.links: dict[str, FakeLink] = {}
        self.together: list[FakeRecipients] = []
        self.wakes = 0

    def prepare(self) -> None:
        pass

    def open_link(self, transport: WebRtcTransport, local_address: str | None) -> FakeLink:
        link = self.links[transport.id] = FakeLink(transport, local_address)
        return link

    def recipients(self, links: Sequence[Link]) -> FakeRecipients:
        self.together.append(FakeRecipients(links))
        return self.together[-1]

    def report_defect(self, transport: WebRtcTransport, error: Exception) -> None:
        raise error

    def wake(self) -> None:
        self.wakes += 1


class Peer:
    """One transport with the far end's view of it."""

    def __init__(self, stage: Stage, transport: WebRtcTransport, link: FakeLink) -> None:
        self.stage = stage
        self.transport = transport
        self.link = link

    def connect(self) -> None:
        """Finishes ICE and DTLS."""
        self.transport.link_connected(self.stage.now_ns)
        self.stage.process()

    def sends(self, *packets: bytes) -> None:
        """Sends RTP, all of which arrives at once."""
        for packet in packets:
            self.transport.receive_rtp(packet, self.stage.now_ns)
        self.stage.process()

    def reports(self, *packets: RtcpPacket) -> None:
        """Sends RTCP as one compound."""
        data = b"".join(packet.to_bytes() for packet in packets)
        self.transport.receive_rtcp(data, self.stage.now_ns)
        self.stage.process()

    def gets(self) -> list[RtpPacket]:
        """Takes the RTP that has come since the last call."""
        packets, self.link.rtp = self.link.rtp, []
        return [parse_rtp(data) for data in packets]

    def hears(self) -> list[RtcpPacket]:
        """Takes the RTCP that has come since the last call."""
        return [packet for compound in self.hears_compounds() for packet in compound]

    def hears_compounds(self) -> list[list[RtcpPacket]]:
        """The same, compound by compound."""
        compounds, self.link.rtcp = self.link.rtcp, []
        return [parse_rtcp(data) for data in compounds]

    def produces_video(self, parameters: RtpParameters | None = None) -> Producer:
        return self.transport.produce("video", parameters or video())

    def produces_audio(self, parameters: RtpParameters | None = None) -> Producer:
        return self.transport.produce("audio", parameters or audio())

    def consumes(
        self, producer: Producer, capabilities: RtpCapabilities = CAPABILITIES
    ) -> Consumer:
        """Consumes and resumes."""
        consumer = self.transport.consume(producer, capabilities)
        consumer.resume()
        self.stage.process()
        return consumer


class Stage:
    """A worker with one router, a clock and recorded output."""

    def __init__(self, seed: int = 1) -> None:
        self.now_ns = START_NS
        self.network = FakeNetwork()
        self.worker = Worker(
            self.network, random.Random(seed), max_incoming_bitrate_bps=MAX_BITRATE_BPS
        )
        self.process()
        self.router = self.worker.create_router()

    def peer(self, *, connected: bool = True, owner: str | None = None) -> Peer:
        """Opens a transport."""
        transport = self.router.create_transport(None, owner)
        peer = Peer(self, transport, self.network.links[transport.id])
        if connected:
            peer.connect()
        return peer

    def process(self) -> None:
        """Has done what is due now."""
        self.worker.process(self.now_ns)

    def advance(self, duration_ns: int) -> None:
        """Lets time pass; everything that becomes due meanwhile is done when it is."""
        end_ns = self.now_ns + duration_ns
        calls = 0
        while self.worker.next_timeout_ns <= end_ns:
            calls += 1
            if calls > 10_000:
                raise AssertionError(f"time does not get beyond {self.now_ns} ns")
            self.now_ns = max(self.now_ns, self.worker.next_timeout_ns)
            self.process()
        self.now_ns = end_ns


class Lesson(Stage):
    """A teacher whose video one student watches."""

    def __init__(
        self,
        parameters: RtpParameters | None = None,
        capabilities: RtpCapabilities = CAPABILITIES,
    ) -> None:
        super().__init__()
        self.teacher = self.peer()
        self.student = self.peer()
        self.producer = self.teacher.produces_video(parameters)
        self.consumer = self.student.consumes(self.producer, capabilities)
        self.teacher.hears()

    def teacher_sends(
        self, *sequence_numbers: int, payload: bytes = b"\x61", each_ms: int = 0
    ) -> None:
        """Sends a packet for each number; its timestamp is 90 ticks per number."""
        for sequence_number in sequence_numbers:
            self.teacher.sends(rtp(sequence_number, payload, timestamp=sequence_number * 90))
            self.advance(each_ms * MS)

    def start(self, sequence_number: int = 100) -> RtpPacket:
        """Has the student start on a key frame; returns what came of it."""
        self.teacher_sends(sequence_number, payload=b"\x67")
        (first,) = self.student.gets()
        return first
