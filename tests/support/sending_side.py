"""The sending half of a synthetic peer: sources, pacing, Sender Reports, answers to feedback."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import Counter, deque
from itertools import count
from typing import Any

from sidecar.rtp.rtcp import (
    Bye,
    FullIntraRequest,
    GenericNack,
    PictureLossIndication,
    ReceiverEstimatedMaxBitrate,
    RtcpPacket,
    SdesChunk,
    SourceDescription,
    TransportCcFeedback,
)
from tests.support.media_peer import MediaPeer
from tests.support.media_sources import H264Source, opus_packet
from tests.support.rtp_parameters import (
    AUDIO_PAYLOAD_TYPE,
    VIDEO_PAYLOAD_TYPE,
    VIDEO_RTX_PAYLOAD_TYPE,
    send_parameters,
)
from tests.support.rtp_sender import RtpSender, StreamIds

BURST_INTERVAL_S = 0.005
PACING_FACTOR = 2.5
REPORT_INTERVAL_S = 1.0
VIDEO_CLOCK_RATE = 90_000
AUDIO_CLOCK_RATE = 48_000
AUDIO_FRAME_S = 0.02


class SendingSide:
    """Sends video and audio over one `MediaPeer` the way Chromium does.

    Packets leave in bursts, every 5 ms at 2.5 times the media rate; a NACK is answered by RTX,
    a PLI or FIR by a key frame.

    Args:
        peer: The transport.
        cname: RTCP canonical name, also the seed of all that is random.
        source: The picture.
        burst_interval_s: From one burst of the pacer to the next.

    Attributes:
        senders: By kind.
        rtcp: Received RTCP packets by type name.
        key_frame_requests: PLI and FIR received.
        nacked: Sequence numbers asked for, by SSRC.
        acknowledged: Transport-wide sequence numbers reported as received.
        remb_bps: The last REMB, 0 before.
    """

    def __init__(
        self,
        peer: MediaPeer,
        cname: str,
        source: H264Source | None = None,
        *,
        burst_interval_s: float = BURST_INTERVAL_S,
    ) -> None:
        self.peer = peer
        self.source = source or H264Source()
        self.senders: dict[str, RtpSender] = {}
        self.rtcp: Counter[str] = Counter()
        self.key_frame_requests = 0
        self.nacked: Counter[int] = Counter()
        self.acknowledged: set[int] = set()
        self.remb_bps = 0
        self._cname = cname
        self._burst_interval_s = burst_interval_s
        self._random = random.Random(cname)
        self._transport_sequence = count(self._random.getrandbits(15))
        self._pending: deque[tuple[bytes, int, bool]] = deque()
        self._budget_bytes = 0.0
        self._loop = asyncio.get_running_loop()
        self._media_started_s = self._loop.time()
        self._media_started_ns = time.time_ns()
        self._mids = count()
        self._next_picture = 0
        self._next_sound = 0
        self._pump: asyncio.Task[None] | None = None
        peer.on_rtcp = self._on_rtcp

    def add(self, kind: str, *, first_sequence: int | None = None) -> dict[str, Any]:
        """Make the stream of a kind (`video`, `audio`) and return its RtpParameters.

        One that was there before is sent no more, and nobody is told.
        """
        mid = str(next(self._mids))
        ssrc, rtx_ssrc = self._random.getrandbits(32), self._random.getrandbits(32)
        if kind == "video":
            ids = StreamIds(
                mid, VIDEO_PAYLOAD_TYPE, VIDEO_CLOCK_RATE, ssrc, VIDEO_RTX_PAYLOAD_TYPE, rtx_ssrc
            )
        else:
            ids = StreamIds(mid, AUDIO_PAYLOAD_TYPE, AUDIO_CLOCK_RATE, ssrc)
        self.senders[kind] = RtpSender(
            ids,
            self.peer.send_rtp,
            lambda: next(self._transport_sequence),
            media_started_ns=self._media_started_ns,
            seed=self._random.getrandbits(32),
            first_sequence=first_sequence,
        )
        return send_parameters(kind, ids, self._cname)

    def start(self) -> None:
        """Begin to send all streams that there are, or go on after `stop`."""
        elapsed_s = self._elapsed_s()
        # The media clock has not stood still, but nothing was captured in the meantime.
        self._next_picture = math.ceil(elapsed_s * self.source.frames_per_second)
        self._next_sound = math.ceil(elapsed_s / AUDIO_FRAME_S)
        self._pump = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop the sources; what was queued is sent, so that frames are whole."""
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.wait([self._pump])
            self._pump = None
        while self._pending:
            payload, media_time, marker = self._pending.popleft()
            self.senders["video"].send(payload, media_time, marker=marker)

    def send_reports(self) -> None:
        """Send a Sender Report and the CNAME of every stream."""
        for sender in self.senders.values():
            chunk = SdesChunk(sender.ids.ssrc, self._cname)
            self.peer.send_rtcp(sender.sender_report(), SourceDescription((chunk,)))

    def send_bye(self) -> None:
        """Say that all streams end."""
        self.peer.send_rtcp(Bye(tuple(sender.ids.ssrc for sender in self.senders.values())))

    async def _run(self) -> None:
        next_report_s = next_burst_s = self._elapsed_s()
        while True:
            await asyncio.sleep(max(0.0, next_burst_s - self._elapsed_s()))
            next_burst_s += self._burst_interval_s
            self._capture(self._elapsed_s())
            self._release()
            if next_burst_s >= next_report_s:
                self.send_reports()
                next_report_s += REPORT_INTERVAL_S

    def _elapsed_s(self) -> float:
        return self._loop.time() - self._media_started_s

    def _capture(self, elapsed_s: float) -> None:
        """Take the frames that are due: video is queued for the pacer, audio leaves at once."""
        if "video" in self.senders:
            while self._next_picture <= elapsed_s * self.source.frames_per_second:
                self._queue_picture()
        if "audio" in self.senders:
            while self._next_sound * AUDIO_FRAME_S <= elapsed_s:
                media_time = int(self._next_sound * AUDIO_FRAME_S * AUDIO_CLOCK_RATE)
                self.senders["audio"].send(opus_packet(self._random), media_time, marker=False)
                self._next_sound += 1

    def _queue_picture(self) -> None:
        media_time = self._next_picture * VIDEO_CLOCK_RATE // self.source.frames_per_second
        self._next_picture += 1
        payloads = self.source.next_frame()
        last = len(payloads) - 1
        self._pending.extend(
            (payload, media_time, index == last) for index, payload in enumerate(payloads)
        )

    def _release(self) -> None:
        """Send one burst of the queue."""
        rate_bytes_per_s = self.source.bitrate_bps * PACING_FACTOR / 8
        self._budget_bytes = min(0.0, self._budget_bytes)
        self._budget_bytes += rate_bytes_per_s * self._burst_interval_s
        while self._pending and self._budget_bytes > 0:
            payload, media_time, marker = self._pending.popleft()
            self._budget_bytes -= len(payload)
            self.senders["video"].send(payload, media_time, marker=marker)

    def _on_rtcp(self, packets: list[RtcpPacket]) -> None:
        for packet in packets:
            self.rtcp[type(packet).__name__] += 1
            match packet:
                case GenericNack():
                    self._on_nack(packet)
                case PictureLossIndication() | FullIntraRequest():
                    self.key_frame_requests += 1
                    self.source.key_frame_wanted = True
                case ReceiverEstimatedMaxBitrate():
                    self.remb_bps = packet.bitrate_bps
                case TransportCcFeedback():
                    self.acknowledged.update(
                        (packet.base_sequence + index) & 0xFFFF
                        for index, delta in enumerate(packet.deltas)
                        if delta is not None
                    )

    def _on_nack(self, nack: GenericNack) -> None:
        self.nacked[nack.media_ssrc] += len(nack.lost)
        for sender in self.senders.values():
            if sender.ids.ssrc == nack.media_ssrc:
                for sequence in nack.lost:
                    sender.retransmit(sequence)
