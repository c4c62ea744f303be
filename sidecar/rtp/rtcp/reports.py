"""Sender and receiver reports (RFC 3550, section 6.4)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final, Self

from sidecar.rtp.errors import RtpError
from sidecar.rtp.rtcp import wire

_BLOCK: Final = struct.Struct("!IB3sIIII")
_SENDER_INFO: Final = struct.Struct("!IQIII")
_SSRC: Final = struct.Struct("!I")

_PACKETS_LOST_MIN: Final = -0x800000
_PACKETS_LOST_MAX: Final = 0x7FFFFF


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """What a receiver says of one source.

    Attributes:
        ssrc: The source that is reported on.
        fraction_lost: Loss since the previous report, in 256ths (0 to 255).
        packets_lost: Loss since the beginning, signed 24 bits; duplicates make it negative.
        highest_sequence: Highest sequence number received, extended to 32 bits by
            the count of its cycles.
        jitter: Interarrival jitter in units of the RTP timestamp.
        last_sr: Middle 32 bits of the NTP timestamp of the last sender report, or 0.
        delay_since_last_sr: Time since that report came in, in 1/65536 seconds.
    """

    ssrc: int
    fraction_lost: int
    packets_lost: int
    highest_sequence: int
    jitter: int
    last_sr: int
    delay_since_last_sr: int

    def to_bytes(self) -> bytes:
        """Serialises the block; ValueError if a field does not fit."""
        if not _PACKETS_LOST_MIN <= self.packets_lost <= _PACKETS_LOST_MAX:
            raise ValueError("packets_lost does not fit 24 signed bits")
        return wire.pack(
            _BLOCK,
            self.ssrc,
            self.fraction_lost,
            self.packets_lost.to_bytes(3, "big", signed=True),
            self.highest_sequence,
            self.jitter,
            self.last_sr,
            self.delay_since_last_sr,
        )


@dataclass(frozen=True, slots=True)
class SenderReport:
    """SR: a sender's clock and counters (RFC 3550, section 6.4.1).

    Attributes:
        ssrc: The sender.
        ntp_timestamp: Wall clock as a 64-bit NTP timestamp.
        rtp_timestamp: The same instant on the stream's RTP clock.
        packet_count: Packets sent, modulo 2**32.
        octet_count: Payload bytes sent, modulo 2**32.
        reports: What the sender received of others.
    """

    ssrc: int
    ntp_timestamp: int
    rtp_timestamp: int
    packet_count: int
    octet_count: int
    reports: tuple[ReportBlock, ...] = ()

    @classmethod
    def parse(cls, count: int, body: bytes) -> Self:
        """Parses the body of an SR with `count` report blocks; raises RtpError."""
        if len(body) < _SENDER_INFO.size:
            raise RtpError("RTCP sender report is truncated")
        ssrc, ntp_timestamp, rtp_timestamp, packet_count, octet_count = _SENDER_INFO.unpack_from(
            body
        )
        return cls(
            ssrc,
            ntp_timestamp,
            rtp_timestamp,
            packet_count,
            octet_count,
            _parse_blocks(body, _SENDER_INFO.size, count),
        )

    def to_bytes(self) -> bytes:
        """Serialises the report; ValueError if a field does not fit."""
        sender_info = wire.pack(
            _SENDER_INFO,
            self.ssrc,
            self.ntp_timestamp,
            self.rtp_timestamp,
            self.packet_count,
            self.octet_count,
        )
        blocks = b"".join(block.to_bytes() for block in self.reports)
        return wire.frame(wire.SENDER_REPORT, len(self.reports), sender_info + blocks)


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    """RR: what a receiver got (RFC 3550, section 6.4.2).

    Attributes:
        ssrc: Who reports.
        reports: One block for each source.
    """

    ssrc: int
    reports: tuple[ReportBlock, ...] = ()

    @classmethod
    def parse(cls, count: int, body: bytes) -> Self:
        """Parses the body of an RR with `count` report blocks; raises RtpError."""
        if len(body) < _SSRC.size:
            raise RtpError("RTCP receiver report is truncated")
        (ssrc,) = _SSRC.unpack_from(body)
        return cls(ssrc, _parse_blocks(body, _SSRC.size, count))

    def to_bytes(self) -> bytes:
        """Serialises the report; ValueError if a field does not fit."""
        blocks = b"".join(block.to_bytes() for block in self.reports)
        body = wire.pack(_SSRC, self.ssrc) + blocks
        return wire.frame(wire.RECEIVER_REPORT, len(self.reports), body)


def _parse_blocks(body: bytes, position: int, count: int) -> tuple[ReportBlock, ...]:
    """Parses report blocks; what follows them is a profile-specific extension, ignored."""
    end = position + count * _BLOCK.size
    if end > len(body):
        raise RtpError("RTCP report block is truncated")
    return tuple(
        ReportBlock(
            ssrc,
            fraction_lost,
            int.from_bytes(packets_lost, "big", signed=True),
            highest_sequence,
            jitter,
            last_sr,
            delay_since_last_sr,
        )
        for (
            ssrc,
            fraction_lost,
            packets_lost,
            highest_sequence,
            jitter,
            last_sr,
            delay_since_last_sr,
        ) in _BLOCK.iter_unpack(body[position:end])
    )
