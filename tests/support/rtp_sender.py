"""One RTP stream as a browser sends it: header extensions, history, RTX, Sender Reports."""

from __future__ import annotations

import random
import struct
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from sidecar.rtp.header_extensions import (
    AudioLevel,
    build_extension_block,
    encode_abs_send_time,
    encode_audio_level,
    encode_text,
    encode_transport_sequence,
)
from sidecar.rtp.packet import build_rtp
from sidecar.rtp.rtcp import SenderReport

MID_ID = 9
ABS_SEND_TIME_ID = 2
TRANSPORT_CC_ID = 4
AUDIO_LEVEL_ID = 14
SPEAKING = encode_audio_level(AudioLevel(voice_activity=True, level_dbov=-30))

HISTORY_PACKETS = 2048
SEND_TIME_BYTES = 8
CONTENT_INDEX_BYTES = 4
TRAILER_BYTES = SEND_TIME_BYTES + CONTENT_INDEX_BYTES
NTP_EPOCH_OFFSET_S = 2_208_988_800
NS_PER_SECOND = 1_000_000_000


_trailer = struct.Struct("!QI").pack


def send_time_ns(payload: bytes) -> int:
    """When a payload was sent for the first time, by the sender's wall clock."""
    return int.from_bytes(payload[-TRAILER_BYTES:-CONTENT_INDEX_BYTES], "big")


@dataclass(frozen=True, slots=True)
class StreamIds:
    """What names a stream on the wire.

    Attributes:
        rtx_payload_type: 0 for a stream that is not retransmitted.
    """

    mid: str
    payload_type: int
    clock_rate: int
    ssrc: int
    rtx_payload_type: int = 0
    rtx_ssrc: int = 0


@dataclass(frozen=True, slots=True)
class _Sent:
    payload: bytes
    timestamp: int
    marker: bool


class RtpSender:
    """Numbers, stamps and remembers the packets of one stream.

    Every payload gets a trailer, big endian: the wall clock in nanoseconds (`SEND_TIME_BYTES`), so
    that a receiver can tell how long the packet was on its way, and the stream's own running number
    (`CONTENT_INDEX_BYTES`), so that it can tell which packet it holds, whatever the forwarder did
    to the RTP header.

    Args:
        ids: SSRCs and payload types.
        send: Called with each packet.
        next_transport_sequence: The counter that all streams of the transport share.
        media_started_ns: Wall clock at media time 0.
        seed: For the initial sequence number and timestamp.
        first_sequence: Overrides the seeded one, to place the wrap-around.

    Attributes:
        media_times: Of every packet, by content index.
        retransmissions: How many NACKs were answered.
    """

    def __init__(
        self,
        ids: StreamIds,
        send: Callable[[bytes], None],
        next_transport_sequence: Callable[[], int],
        *,
        media_started_ns: int,
        seed: int,
        first_sequence: int | None = None,
    ) -> None:
        generator = random.Random(seed)
        self.ids = ids
        self.media_times: list[int] = []
        self.retransmissions = 0
        self._timestamp_origin = generator.getrandbits(32)
        self._media_started_ns = media_started_ns
        self._sequence = generator.getrandbits(15) if first_sequence is None else first_sequence
        self._rtx_sequence = count(generator.getrandbits(15))
        self._send = send
        self._next_transport_sequence = next_transport_sequence
        self._history: OrderedDict[int, _Sent] = OrderedDict()
        self._octets = 0

    @property
    def packets(self) -> int:
        """How many have been built, retransmissions and padding aside."""
        return len(self.media_times)

    def send(self, body: bytes, media_time: int, *, marker: bool) -> None:
        """Send one packet.

        Args:
            body: The payload but for the trailer.
            media_time: In clock-rate units since the start of the stream.
            marker: The end of a frame or the start of a talk spurt.
        """
        self._send(self.prepare(body, media_time, marker=marker))

    def prepare(self, body: bytes, media_time: int, *, marker: bool) -> bytes:
        """Build the next packet without sending it, for whoever sends it late, twice or never."""
        payload = body + _trailer(time.time_ns(), self.packets)
        timestamp = self._timestamp(media_time)
        sequence = self._sequence & 0xFFFF
        self._sequence += 1
        self.media_times.append(media_time)
        self._octets += len(payload)
        self._history[sequence] = _Sent(payload, timestamp, marker)
        if len(self._history) > HISTORY_PACKETS:
            self._history.popitem(last=False)
        return build_rtp(
            payload_type=self.ids.payload_type,
            sequence_number=sequence,
            timestamp=timestamp,
            ssrc=self.ids.ssrc,
            payload=payload,
            marker=marker,
            extensions=self._extensions(),
        )

    def send_padding(self, padding_bytes: int = 200) -> None:
        """Send a packet without payload, as a bandwidth probe without RTX does."""
        sequence = self._sequence & 0xFFFF
        self._sequence += 1
        self._send(
            build_rtp(
                payload_type=self.ids.payload_type,
                sequence_number=sequence,
                timestamp=self._timestamp(self.media_times[-1]),
                ssrc=self.ids.ssrc,
                payload=b"",
                extensions=self._extensions(),
                padding_bytes=padding_bytes,
            )
        )

    def retransmit(self, sequence: int) -> bool:
        """Answer a NACK for one packet by RTX (RFC 4588); False where it is not kept."""
        sent = self._history.get(sequence)
        if sent is None or not self.ids.rtx_payload_type:
            return False
        self.retransmissions += 1
        self._send(
            build_rtp(
                payload_type=self.ids.rtx_payload_type,
                sequence_number=next(self._rtx_sequence) & 0xFFFF,
                timestamp=sent.timestamp,
                ssrc=self.ids.rtx_ssrc,
                payload=sequence.to_bytes(2, "big") + sent.payload,
                marker=sent.marker,
                extensions=self._extensions(),
            )
        )
        return True

    def sender_report(self) -> SenderReport:
        """The relation of wall clock and media time right now (RFC 3550 section 6.4.1)."""
        now_ns = time.time_ns()
        elapsed = (now_ns - self._media_started_ns) * self.ids.clock_rate // NS_PER_SECOND
        return SenderReport(
            ssrc=self.ids.ssrc,
            ntp_timestamp=(now_ns + NTP_EPOCH_OFFSET_S * NS_PER_SECOND << 32) // NS_PER_SECOND,
            rtp_timestamp=self._timestamp(elapsed),
            packet_count=self.packets,
            octet_count=self._octets,
            reports=(),
        )

    def _timestamp(self, media_time: int) -> int:
        return (self._timestamp_origin + media_time) & 0xFFFFFFFF

    def _extensions(self) -> bytes:
        elements = [
            (MID_ID, encode_text(self.ids.mid)),
            (ABS_SEND_TIME_ID, encode_abs_send_time(time.time_ns())),
            (TRANSPORT_CC_ID, encode_transport_sequence(self._next_transport_sequence())),
        ]
        if not self.ids.rtx_payload_type:
            elements.append((AUDIO_LEVEL_ID, SPEAKING))
        return build_extension_block(elements)
