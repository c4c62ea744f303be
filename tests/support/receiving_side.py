"""The receiving half of a synthetic peer: streams, content check, NACK, reports, REMB."""

from __future__ import annotations

import asyncio
import struct
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from sidecar.rtp.h264 import starts_key_frame
from sidecar.rtp.packet import RtpPacket, parse_rtp
from sidecar.rtp.rtcp import (
    Bye,
    GenericNack,
    PictureLossIndication,
    RtcpPacket,
    SenderReport,
    SourceDescription,
)
from tests.support.media_peer import MediaPeer
from tests.support.received_stream import ReceivedStream
from tests.support.receiver_reports import ReceiverReporter
from tests.support.rtp_sender import CONTENT_INDEX_BYTES

NACK_DELAY_S = 0.01
NACK_INTERVAL_S = 0.06
MAX_NACKED_PACKETS = 200
REPORT_INTERVAL_S = 1.0
RTX_HEADER_BYTES = 2
OUR_SSRC = 1

ContentHandler = Callable[[ReceivedStream, int, RtpPacket, bool], None]

_unpack_header = struct.Struct("!HII").unpack_from


class ReceivingSide:
    """Receives consumers over one `MediaPeer`.

    Args:
        peer: The transport.
        decrypt_every: Decrypt and check one packet in so many (RTX always). Sequence numbers are
            followed in every packet: the RTP header is not encrypted.
        nack: Whether to ask for what is missing of the streams that negotiated it.

    Attributes:
        decrypt_every: May be changed at any time.
        on_content: Called with each packet that was decrypted: its stream, its extended sequence
            number, itself, and whether it is a retransmission.
        streams: By kind, then in the order of `add`.
        rtcp: Received RTCP packets by type name.
        sender_reports: The last one of each SSRC.
        cnames: By SSRC, as told by SDES.
        ended_ssrcs: Said BYE of.
        unknown_packets: RTP of an SSRC that nobody announced.
        retransmitted_packets: RTX received.
        nacks_sent: Sequence numbers asked for.
    """

    def __init__(self, peer: MediaPeer, *, decrypt_every: int = 1, nack: bool = True) -> None:
        self.peer = peer
        self.streams: dict[str, list[ReceivedStream]] = {"audio": [], "video": []}
        self.rtcp: Counter[str] = Counter()
        self.sender_reports: dict[int, SenderReport] = {}
        self.cnames: dict[int, str] = {}
        self.ended_ssrcs: set[int] = set()
        self.unknown_packets = 0
        self.retransmitted_packets = 0
        self.nacks_sent = 0
        self.decrypt_every = decrypt_every
        self.on_content: ContentHandler = lambda stream, extended, packet, retransmitted: None
        self._until_decryption = 1
        self._nack = nack
        self._primary: dict[int, ReceivedStream] = {}
        self._repairable: set[ReceivedStream] = set()
        self._estimated_ssrcs: tuple[int, ...] = ()
        self._reporter = ReceiverReporter(OUR_SSRC)
        self._by_rtx_ssrc: dict[int, ReceivedStream] = {}
        self._loop = asyncio.get_running_loop()
        self._nack_timer: asyncio.TimerHandle | None = None
        self._report_timer = self._loop.call_later(REPORT_INTERVAL_S, self._send_reports)
        peer.on_srtp = self._on_srtp
        peer.on_rtcp = self._on_rtcp

    def add(self, consumer: dict[str, Any]) -> ReceivedStream:
        """Expect the stream of a consumer, given the data of `consumed`."""
        parameters = consumer["rtpParameters"]
        codec, encoding = parameters["codecs"][0], parameters["encodings"][0]
        stream = ReceivedStream(encoding["ssrc"], time.monotonic_ns)
        self.streams[consumer["kind"]].append(stream)
        self._primary[stream.ssrc] = stream
        if "rtx" in encoding:
            self._by_rtx_ssrc[encoding["rtx"]["ssrc"]] = stream
        if self._nack and {"type": "nack", "parameter": ""} in codec["rtcpFeedback"]:
            self._repairable.add(stream)
        if {"type": "goog-remb", "parameter": ""} in codec["rtcpFeedback"]:
            self._estimated_ssrcs += (stream.ssrc,)
        return stream

    def request_key_frame(self, stream: ReceivedStream) -> None:
        """Say that the picture can't be decoded (PLI, RFC 4585 section 6.3.1)."""
        self.peer.send_rtcp(PictureLossIndication(OUR_SSRC, stream.ssrc))

    def stop(self) -> None:
        """Stop the timers."""
        self._report_timer.cancel()
        if self._nack_timer is not None:
            self._nack_timer.cancel()

    def _on_srtp(self, datagram: bytes) -> None:
        sequence, _, ssrc = _unpack_header(datagram, 2)
        stream = self._primary.get(ssrc)
        if stream is None:
            self._on_other_ssrc(ssrc, datagram)
            return
        extended = stream.on_packet(sequence)
        if stream.missing and self._nack_timer is None and stream in self._repairable:
            self._nack_timer = self._loop.call_later(NACK_DELAY_S, self._send_nacks)
        self._until_decryption -= 1
        if self._until_decryption:
            return
        self._until_decryption = self.decrypt_every
        plain = self.peer.unprotect(datagram)
        if plain is not None:
            packet = parse_rtp(plain)
            _check_content(stream, extended, packet.timestamp, packet.payload)
            self.on_content(stream, extended, packet, False)

    def _on_other_ssrc(self, ssrc: int, datagram: bytes) -> None:
        stream = self._by_rtx_ssrc.get(ssrc)
        if stream is None:
            self.unknown_packets += 1
            return
        plain = self.peer.unprotect(datagram)
        if plain is None:
            return
        self.retransmitted_packets += 1
        packet = parse_rtp(plain)
        if len(packet.payload) >= RTX_HEADER_BYTES:
            original = int.from_bytes(packet.payload[:RTX_HEADER_BYTES], "big")
            extended = stream.on_retransmission(original)
            _check_content(stream, extended, packet.timestamp, packet.payload[RTX_HEADER_BYTES:])
            self.on_content(stream, extended, packet, True)

    def _send_nacks(self) -> None:
        self._nack_timer = None
        for stream in self._repairable:
            if stream.missing:
                lost = tuple(e & 0xFFFF for e in sorted(stream.missing)[:MAX_NACKED_PACKETS])
                self.nacks_sent += len(lost)
                self.peer.send_rtcp(GenericNack(OUR_SSRC, stream.ssrc, lost))
        if any(stream.missing for stream in self._repairable):
            self._nack_timer = self._loop.call_later(NACK_INTERVAL_S, self._send_nacks)

    def _send_reports(self) -> None:
        compound = self._reporter.compound(self._primary.values(), self._estimated_ssrcs)
        if compound:
            self.peer.send_rtcp(*compound)
        self._report_timer = self._loop.call_later(REPORT_INTERVAL_S, self._send_reports)

    def _on_rtcp(self, packets: list[RtcpPacket]) -> None:
        for packet in packets:
            self.rtcp[type(packet).__name__] += 1
            if isinstance(packet, SenderReport):
                self.sender_reports[packet.ssrc] = packet
                self._reporter.on_sender_report(packet)
            elif isinstance(packet, SourceDescription):
                self.cnames.update((chunk.ssrc, chunk.cname) for chunk in packet.chunks)
            elif isinstance(packet, Bye):
                self.ended_ssrcs.update(packet.ssrcs)


def _check_content(
    stream: ReceivedStream, extended_sequence: int, timestamp: int, payload: bytes
) -> None:
    # A packet of padding alone has no content.
    if len(payload) >= CONTENT_INDEX_BYTES:
        index = int.from_bytes(payload[-CONTENT_INDEX_BYTES:], "big")
        stream.on_content(extended_sequence, timestamp, index, payload)
        if starts_key_frame(payload, 0, len(payload)):
            stream.on_key_frame(extended_sequence)
