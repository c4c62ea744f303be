"""A browser that shares its screen and talks, as far as the media layer can tell."""

from __future__ import annotations

from sidecar.engine.ntp import ntp_interval
from sidecar.ortc import MediaKind, RtpParameters
from sidecar.rtp.header_extensions import encode_transport_sequence
from sidecar.rtp.packet import is_rtcp, parse_rtp
from sidecar.rtp.rtcp import (
    GenericNack,
    PictureLossIndication,
    SenderReport,
    TransportCcFeedback,
    parse_rtcp,
)
from tests.sim.link import MS, Link, S
from tests.unit.sfu import media

FRAME_NS = 40 * MS
FRAME_TICKS = 3600
PACKETS_PER_FRAME = 4
AUDIO_FRAME_NS = 20 * MS
PAYLOAD_BYTES = 200
NTP_START = 3_900_000_000 << 32


def payload(kind: bytes, first: bytes, position: int) -> bytes:
    """What the packet at this position of its stream carries: the same for the same position."""
    return (first + kind + position.to_bytes(4, "big")).ljust(PAYLOAD_BYTES, b".")


class Teacher:
    """Sends 25 frames and 50 audio packets a second; answers NACK and PLI.

    Attributes:
        offers: The kinds and parameters to produce with.
        key_frames: The positions of the packets that key frames started with.
        requests: When key frames were asked for.
        sharing: Whether it sends at all.
        video_position: How many video packets it has sent, or would have.
        audio_position: How many audio packets.
        retransmitted: Packets sent again.
        acknowledged: Transport-wide numbers reported as received.
    """

    def __init__(self, link: Link[bytes], first_sequence: int) -> None:
        self.offers: tuple[tuple[MediaKind, RtpParameters], ...] = (
            ("video", media.video()),
            ("audio", media.audio()),
        )
        self.key_frames: list[int] = []
        self.requests: list[int] = []
        self.retransmitted = 0
        self.acknowledged: set[int] = set()
        self.sharing = True
        self.video_position = 0
        self.audio_position = 0
        self._link = link
        self._sequence = first_sequence
        self._timestamp_offset = 0xFFFFFFFF - 5 * FRAME_TICKS
        self._key_frame_wanted = True
        self._next_frame_ns = 0
        self._next_audio_ns = 0
        self._next_report_ns = 500 * MS
        self._transport_sequence = 65_000
        self._rtx_sequence = 0
        self._sent: dict[int, bytes] = {}

    @property
    def next_timeout_ns(self) -> int | None:
        """When it sends next."""
        if not self.sharing:
            return None
        return min(self._next_frame_ns, self._next_audio_ns, self._next_report_ns)

    def restart_encoder(self) -> None:
        """Goes on with unrelated numbers under the same SSRC."""
        self._sequence += 20_000
        self._timestamp_offset += 0x40000000
        self._key_frame_wanted = True

    def poll(self, now_ns: int) -> None:
        """Sends what is due."""
        if not self.sharing:
            return
        if now_ns >= self._next_frame_ns:
            self._send_frame(now_ns)
            self._next_frame_ns += FRAME_NS
        if now_ns >= self._next_audio_ns:
            self._send_audio(now_ns)
            self._next_audio_ns += AUDIO_FRAME_NS
        if now_ns >= self._next_report_ns:
            self._next_report_ns += S
            self._send_reports(now_ns)

    def receive(self, data: bytes, now_ns: int) -> None:
        """Takes the feedback of the media layer."""
        assert is_rtcp(data)
        for packet in parse_rtcp(data):
            if isinstance(packet, GenericNack):
                for number in packet.lost:
                    self._send_again(number, now_ns)
            elif isinstance(packet, PictureLossIndication):
                self.requests.append(now_ns)
                self._key_frame_wanted = True
            elif isinstance(packet, TransportCcFeedback):
                self.acknowledged.update(
                    (packet.base_sequence + index) & 0xFFFF
                    for index, delta in enumerate(packet.deltas)
                    if delta is not None
                )

    def video_timestamp(self, captured_ns: int) -> int:
        """The RTP timestamp of a picture taken then."""
        return (self._timestamp_offset + captured_ns * 90_000 // S) & 0xFFFFFFFF

    def _send_frame(self, now_ns: int) -> None:
        is_key, self._key_frame_wanted = self._key_frame_wanted, False
        if is_key:
            self.key_frames.append(self.video_position)
        for index in range(PACKETS_PER_FRAME):
            first = media.DELTA
            if is_key:
                first = media.KEY_REST if index else media.KEY_START
            data = media.rtp(
                self._sequence,
                payload(b"v", first, self.video_position),
                timestamp=self.video_timestamp(self._next_frame_ns),
                marker=index == PACKETS_PER_FRAME - 1,
                elements=self._elements(),
            )
            self._sent[self._sequence & 0xFFFF] = data
            self._link.send(data, now_ns)
            self._sequence += 1
            self.video_position += 1

    def _send_audio(self, now_ns: int) -> None:
        data = media.rtp(
            self.audio_position,
            payload(b"a", b"", self.audio_position),
            timestamp=self._next_audio_ns * 48_000 // S,
            ssrc=media.AUDIO_SSRC,
            payload_type=media.OPUS,
            elements=(*self._elements(), (media.AUDIO_LEVEL, b"\x9e")),
        )
        self.audio_position += 1
        self._link.send(data, now_ns)

    def _send_again(self, number: int, now_ns: int) -> None:
        original = parse_rtp(self._sent[number])
        data = media.rtx(self._rtx_sequence, original, elements=self._elements())
        self._rtx_sequence += 1
        self.retransmitted += 1
        self._link.send(data, now_ns)

    def _send_reports(self, now_ns: int) -> None:
        ntp = NTP_START + ntp_interval(now_ns)
        for ssrc, timestamp in (
            (media.VIDEO_SSRC, self.video_timestamp(now_ns)),
            (media.AUDIO_SSRC, now_ns * 48_000 // S),
        ):
            self._link.send(SenderReport(ssrc, ntp, timestamp, 1, 1).to_bytes(), now_ns)

    def _elements(self) -> tuple[tuple[int, bytes], ...]:
        self._transport_sequence += 1
        return (
            (media.MID, b"0"),
            (media.TRANSPORT_CC, encode_transport_sequence(self._transport_sequence)),
        )
