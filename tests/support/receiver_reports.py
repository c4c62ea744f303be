"""What a receiver says about its streams every second, as a browser does (RFC 3550, REMB)."""

from __future__ import annotations

import time
from collections.abc import Iterable

from sidecar.rtp.rtcp import (
    ReceiverEstimatedMaxBitrate,
    ReceiverReport,
    ReportBlock,
    RtcpPacket,
    SenderReport,
)
from tests.support.received_stream import ReceivedStream

# What the estimator of a receiver ends up with that has seen no congestion.
ESTIMATE_BPS = 10_000_000
NS_PER_SECOND = 1_000_000_000
FRACTION_UNITS = 256


class ReceiverReporter:
    """Makes the compound packet of one receiving transport.

    Args:
        ssrc: Of the reporter.
    """

    def __init__(self, ssrc: int) -> None:
        self._ssrc = ssrc
        self._reported: dict[int, tuple[int, int]] = {}
        self._sender_reports: dict[int, tuple[int, int]] = {}

    def on_sender_report(self, report: SenderReport) -> None:
        """Keep what the next report of that stream echoes (LSR, DLSR)."""
        last_sr = report.ntp_timestamp >> 16 & 0xFFFFFFFF
        self._sender_reports[report.ssrc] = last_sr, time.monotonic_ns()

    def compound(
        self, streams: Iterable[ReceivedStream], estimated_ssrcs: tuple[int, ...]
    ) -> list[RtcpPacket]:
        """Report on all streams that have begun.

        Args:
            streams: All of the transport.
            estimated_ssrcs: Those that negotiated REMB.

        Returns:
            What to send as one datagram; nothing before the first packet.
        """
        blocks = tuple(self._block(stream) for stream in streams if stream.packets)
        if not blocks:
            return []
        packets: list[RtcpPacket] = [ReceiverReport(self._ssrc, blocks)]
        if estimated_ssrcs:
            packets.append(ReceiverEstimatedMaxBitrate(self._ssrc, ESTIMATE_BPS, estimated_ssrcs))
        return packets

    def _block(self, stream: ReceivedStream) -> ReportBlock:
        """RFC 3550 section 6.4.1; the jitter is left out: it would cost time in every packet."""
        highest, received = stream.highest_sequence, stream.packets
        # A stream that was never reported on counts from its first packet, which is not kept.
        since, received_before = self._reported.get(stream.ssrc, (highest, received))
        self._reported[stream.ssrc] = highest, received
        expected = highest - since
        lost = max(0, expected - (received - received_before))
        last_sr, arrived_ns = self._sender_reports.get(stream.ssrc, (0, 0))
        elapsed_ns = time.monotonic_ns() - arrived_ns if last_sr else 0
        return ReportBlock(
            ssrc=stream.ssrc,
            fraction_lost=min(FRACTION_UNITS - 1, lost * FRACTION_UNITS // max(1, expected)),
            packets_lost=len(stream.missing) + stream.abandoned,
            highest_sequence=highest & 0xFFFFFFFF,
            jitter=0,
            last_sr=last_sr,
            delay_since_last_sr=min(0xFFFFFFFF, (elapsed_ns << 16) // NS_PER_SECOND),
        )
