"""One RTP stream that arrives from a producer, with the stream that repairs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from sidecar.engine.key_frame_requester import KeyFrameRequester
from sidecar.engine.liveness import AUDIO_PATIENCE, VIDEO_PATIENCE, Liveness
from sidecar.engine.nack_generator import NackGenerator
from sidecar.engine.receive_statistics import ReceiveStatistics
from sidecar.engine.retransmission_buffer import RetransmissionBuffer
from sidecar.engine.rtx import decapsulate
from sidecar.engine.sampled_rate import SampledRate
from sidecar.engine.sender_report_mapper import SenderReportMapper
from sidecar.engine.sequence_unwrapper import SequenceUnwrapper
from sidecar.ortc import RtpMapping
from sidecar.ortc.parameters import RtpCodecParameters, RtpParameters
from sidecar.rtp import h264, vp8
from sidecar.rtp.packet import RtpPacket
from sidecar.rtp.rtcp import (
    FirEntry,
    FullIntraRequest,
    GenericNack,
    PictureLossIndication,
    RtcpPacket,
)
from sidecar.sfu.forwarding import MAX_LATE_PACKETS, ForwardedPacket, PacketTranslator
from sidecar.sfu.replay import ReplayStart, find_replay_start

KeyFrameInspector = Callable[[bytes, int, int], bool]
"""Whether a decoder can start with the payload at data[start:end]."""

RETRANSMISSION_PACKETS: Final = 1024
"""About 1.6 s at 6 Mbit/s."""

RETRANSMISSION_AGE_NS: Final = 2_000_000_000
"""A receiver has given up on whatever is older."""

_KEY_FRAME_INSPECTORS: Final[dict[str, KeyFrameInspector]] = {
    "video/h264": h264.starts_key_frame,
    "video/vp8": vp8.starts_key_frame,
}


def _always_starts(_data: bytes, _start: int, _end: int) -> bool:
    return True


class IncomingStream:
    """Receives a producer's packets: repairs, counts, inspects and translates them.

    Attributes:
        ssrc: The stream's SSRC, None until the first packet tells it.
        rtx_ssrc: The SSRC of its retransmissions, None without RTX or until known.
        clock_rate: Of its RTP timestamps, in Hz.
        understands_remb: The sender limits its bitrate when told to by REMB.
        statistics: Loss and jitter.
        liveness: When it was heard last.
        buffer: The latest packets, for consumers that ask for them again or start.
        newest_seq: The extended sequence number of the newest packet, -1 before the first.
        bytes_received: With retransmissions and what is not forwarded.
        key_frames: Key frames that have started.
        nacked_packets: Packets that were asked for again, counted once per request.
        key_frame_requests: PLIs or FIRs sent.
        restarts: How often the sender began a new sequence under the same SSRC.
    """

    def __init__(
        self,
        parameters: RtpParameters,
        mapping: RtpMapping,
        translator: PacketTranslator,
        now_ns: int,
    ) -> None:
        """Waits for the first packet.

        Args:
            parameters: What the peer said it sends.
            mapping: From its payload types and extension ids to the router's.
            translator: Carries that out.
            now_ns: The time.
        """
        encoding = parameters.encodings[0]
        media = [codec for codec in parameters.codecs if not _is_rtx(codec)]
        codec = media[0]
        feedback = {(each.type, each.parameter) for each in codec.rtcp_feedback}
        self.ssrc = encoding.ssrc
        self.rtx_ssrc = encoding.rtx.ssrc if encoding.rtx is not None else None
        self.clock_rate = codec.clock_rate
        self.understands_remb = ("goog-remb", "") in feedback
        self.statistics = ReceiveStatistics(codec.clock_rate)
        self.buffer = RetransmissionBuffer[ForwardedPacket](
            RETRANSMISSION_PACKETS, RETRANSMISSION_AGE_NS
        )
        self.newest_seq = -1
        self.bytes_received = 0
        self.key_frames = 0
        self.nacked_packets = 0
        self.key_frame_requests = 0
        self.restarts = 0
        self._rate = SampledRate()
        self._translator = translator
        self._unwrapper = SequenceUnwrapper()
        self._nack = NackGenerator() if ("nack", "") in feedback else None
        self._key_frame_requester = KeyFrameRequester()
        self._prefers_pli = ("nack", "pli") in feedback or ("ccm", "fir") not in feedback
        self._fir_sequence = 0
        self._key_frame: ForwardedPacket | None = None
        self._inspectors = {
            each.payload_type: _KEY_FRAME_INSPECTORS.get(each.mime_type.lower(), _always_starts)
            for each in media
            if each.payload_type in mapping.codecs
        }
        self._repaired_payload_types = {
            each.payload_type: int(each.parameters["apt"] or 0)
            for each in parameters.codecs
            if _is_rtx(each) and each.payload_type in mapping.codecs
        }
        self._is_video = codec.mime_type.lower().startswith("video/")
        patience = VIDEO_PATIENCE if self._is_video else AUDIO_PATIENCE
        self.liveness = Liveness(patience, now_ns)

    @property
    def extension_ids(self) -> Mapping[int, int]:
        """The sender's ids of the header extensions that go on, and the router's."""
        return self._translator.extension_ids

    def accepts(self, payload_type: int) -> bool:
        """Whether a packet with this payload type belongs to the stream or its repair."""
        return self.is_media(payload_type) or payload_type in self._repaired_payload_types

    def is_media(self, payload_type: int) -> bool:
        """Whether this payload type is the stream's own, not that of its retransmissions."""
        return payload_type in self._inspectors

    @property
    def next_timeout_ns(self) -> int | None:
        """When `poll` has something to do even if nothing arrives."""
        if self.ssrc is None:
            return None
        request_ns = self._key_frame_requester.next_timeout_ns
        nack_ns = self._nack.next_timeout_ns if self._nack is not None else None
        if request_ns is None or nack_ns is None:
            return request_ns if nack_ns is None else nack_ns
        return min(request_ns, nack_ns)

    def receive(
        self, packet: RtpPacket, elements: Sequence[tuple[int, bytes]], now_ns: int
    ) -> ForwardedPacket | None:
        """Takes one packet of the stream or of its retransmissions.

        Args:
            packet: The packet.
            elements: Of its header extension elements those of `extension_ids`, under the
                router's ids.
            now_ns: The time.

        Returns:
            What consumers are to get; None for duplicates, probes, unknown payload types and what
            is far too late.

        Raises:
            RtpError: A retransmission without content.
        """
        size_bytes = len(packet.data)
        if not self.bytes_received:
            self._rate.sample(0, now_ns)
        self.bytes_received += size_bytes
        inspect = self._inspectors.get(packet.payload_type)
        recovered = inspect is None
        if inspect is None:
            repaired = self._repaired_payload_types.get(packet.payload_type)
            if repaired is None or packet.is_padding_only:
                return None  # the latter is a bandwidth probe
            packet = decapsulate(packet, repaired, self.ssrc or 0)
            inspect = self._inspectors[repaired]
        ext_seq = self._unwrapper.unwrap(packet.sequence_number)
        if not self.statistics.on_packet(ext_seq, packet.timestamp, size_bytes, now_ns, recovered):
            if not self.statistics.take_restart():
                return None
            ext_seq = self._restart(packet, size_bytes, now_ns)
        self.liveness.heard_ns = now_ns
        if self._nack is not None:
            self._nack.on_packet(ext_seq, now_ns, recovered)
        if ext_seq > self.newest_seq:
            self.newest_seq = ext_seq
        is_key_frame = inspect(packet.data, packet.payload_start, packet.payload_end)
        forwarded = self._translator.translate(packet, elements, ext_seq, is_key_frame, now_ns)
        self.buffer.store(ext_seq, forwarded, now_ns)
        if is_key_frame and self._is_video:
            self._on_key_frame(forwarded, now_ns)
        # Who has missed a packet that comes so late asks for it, and gets it as a retransmission.
        return forwarded if ext_seq > self.newest_seq - MAX_LATE_PACKETS else None

    def bits_per_second(self, now_ns: int) -> int:
        """What arrives, retransmissions included, over the last second or two."""
        return self._rate.bits_per_second(self.bytes_received, now_ns)

    def sample_rate(self, now_ns: int) -> None:
        """To be called every second or so, for `bits_per_second`."""
        self._rate.sample(self.bytes_received, now_ns)

    def find_replay_start(self) -> ReplayStart | None:
        """Where a receiver can start without a new key frame, None if it can't."""
        if self._key_frame is None:
            return None
        return find_replay_start(
            self.buffer,
            self._key_frame.ext_seq,
            self.newest_seq,
            holes_are_filled=self._nack is not None,
        )

    def check_clock(self, clock: SenderReportMapper) -> None:
        """Holds what the sender's reports say of the RTP clock against the newest packet."""
        newest = self.buffer.peek(self.newest_seq)
        arrival_ns = self.buffer.stored_at(self.newest_seq)
        if self.ssrc is not None and newest is not None and arrival_ns is not None:
            clock.on_packet(self.ssrc, newest.timestamp, arrival_ns)

    def silence(self) -> None:
        """Drops what has arrived so far for good, and asks for nothing of it any more.

        What comes next need not go on from where the last sequence stopped.
        """
        self.forget_key_frame()
        self.buffer.clear()
        self.statistics.expect_restart()
        self.cancel_key_frame_request()
        if self._nack is not None:
            self._nack.on_key_frame(self.newest_seq + 1)
            self._nack.take_key_frame_needed()

    def expect_new_sequence(self) -> None:
        """Takes the next packet for the first of a new sequence: its sender has a new SSRC."""
        if self.newest_seq < 0:
            return
        self._unwrapper.expect_new_sequence()
        self.statistics.begin_sequence()
        self.forget_key_frame()
        self.restarts += 1

    def forget_key_frame(self) -> None:
        """Lets nobody start with what has arrived so far."""
        self._key_frame = None

    @property
    def awaits_key_frame(self) -> bool:
        """Whether the sender has been, or is being asked for a key frame that has not come yet."""
        return self._key_frame_requester.next_timeout_ns is not None

    def skip_gap(self, now_ns: int) -> None:
        """Notes that we have refused packets: what is missing now is not asked for again."""
        if self._nack is not None:
            self._nack.skip_gap(now_ns)

    def request_key_frame(self, now_ns: int) -> None:
        """Wants a key frame; `poll` says when to ask the sender for it."""
        if self._is_video:
            self._key_frame_requester.request(now_ns)

    def cancel_key_frame_request(self) -> None:
        """Nobody waits for a key frame any more."""
        self._key_frame_requester.cancel()

    def poll(self, now_ns: int, sender_ssrc: int) -> list[RtcpPacket]:
        """The feedback due now.

        Args:
            now_ns: The time.
            sender_ssrc: Our SSRC in feedback messages.
        """
        if self.ssrc is None:
            return []
        feedback: list[RtcpPacket] = []
        if self._nack is not None:
            lost = self._nack.poll(now_ns)
            if lost:
                self.nacked_packets += len(lost)
                sequence_numbers = tuple(ext_seq & 0xFFFF for ext_seq in lost)
                feedback.append(GenericNack(sender_ssrc, self.ssrc, sequence_numbers))
            if self._nack.take_key_frame_needed():
                self.forget_key_frame()  # what followed it is incomplete for good
                self.request_key_frame(now_ns)
        if self._key_frame_requester.poll(now_ns):
            self.key_frame_requests += 1
            feedback.append(self._key_frame_request(sender_ssrc, self.ssrc))
        return feedback

    def _restart(self, packet: RtpPacket, size_bytes: int, now_ns: int) -> int:
        """Numbers and counts the first packet of a new sequence.

        Its numbers lie so far above the old ones that nothing of the old one is asked for any
        more.
        """
        ext_seq = self._unwrapper.restart(packet.sequence_number)
        self.statistics.on_packet(ext_seq, packet.timestamp, size_bytes, now_ns)
        self.forget_key_frame()
        self.restarts += 1
        return ext_seq

    def _on_key_frame(self, packet: ForwardedPacket, now_ns: int) -> None:
        self.key_frames += 1
        self._key_frame_requester.on_key_frame(now_ns)
        if self._nack is not None:
            self._nack.on_key_frame(packet.ext_seq)
        known = self._key_frame
        # A frame may carry its parameter sets twice: it begins with the first of them.
        if known is None or (
            packet.ext_seq > known.ext_seq and packet.timestamp != known.timestamp
        ):
            self._key_frame = packet

    def _key_frame_request(self, sender_ssrc: int, media_ssrc: int) -> RtcpPacket:
        if self._prefers_pli:
            return PictureLossIndication(sender_ssrc, media_ssrc)
        self._fir_sequence = (self._fir_sequence + 1) & 0xFF
        return FullIntraRequest(sender_ssrc, (FirEntry(media_ssrc, self._fir_sequence),))


def _is_rtx(codec: RtpCodecParameters) -> bool:
    return codec.mime_type.lower().endswith("/rtx")
