"""Feedback messages: NACK, PLI, FIR (RFC 4585, RFC 5104) and REMB."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import ClassVar, Final, Self

from sidecar.rtp.errors import RtpError
from sidecar.rtp.rtcp import wire

_SSRCS: Final = struct.Struct("!II")  # sender and media source, first in all feedback
_NACK_ENTRY: Final = struct.Struct("!HH")
_FIR_ENTRY: Final = struct.Struct("!IB3x")
_SSRC: Final = struct.Struct("!I")

_NACK_BITMASK_BITS: Final = 16

MAX_NACKED_PACKETS: Final = 1000
"""What one compound can ask for: a browser keeps no more on its list. 6000 would fit into one."""

_REMB_ID: Final = b"REMB"
_REMB_ID_START: Final = _SSRCS.size
_REMB_HEADER: Final = struct.Struct("!4sI")
_REMB_SSRCS_START: Final = _REMB_ID_START + _REMB_HEADER.size
_REMB_MANTISSA_BITS: Final = 18
_REMB_MANTISSA_MASK: Final = (1 << _REMB_MANTISSA_BITS) - 1
_REMB_EXPONENT_MAX: Final = 63


@dataclass(frozen=True, slots=True)
class GenericNack:
    """Asks for retransmission (RFC 4585, section 6.2.1).

    Attributes:
        sender_ssrc: Who asks.
        media_ssrc: The stream.
        lost: 16-bit sequence numbers, oldest first (across the wrap-around too), which
            packs them best; other orders are sent correctly, but take more room.
    """

    FMT: ClassVar[int] = 1

    sender_ssrc: int
    media_ssrc: int
    lost: tuple[int, ...]

    @classmethod
    def parse(cls, body: bytes, most: int = MAX_NACKED_PACKETS) -> Self:
        """Parses the body of a generic NACK; raises RtpError.

        Args:
            body: What follows the common header.
            most: Of more numbers than this the rest is left out.
        """
        sender_ssrc, media_ssrc = _parse_ssrcs(body)
        lost: list[int] = []
        for packet_id, bitmask in _NACK_ENTRY.iter_unpack(_entries(body, _NACK_ENTRY.size)):
            if len(lost) >= most:
                break
            lost.append(packet_id)
            while bitmask:
                lowest_bit = bitmask & -bitmask
                lost.append((packet_id + lowest_bit.bit_length()) & 0xFFFF)
                bitmask ^= lowest_bit
        return cls(sender_ssrc, media_ssrc, tuple(lost[:most]))

    def to_bytes(self) -> bytes:
        """Serialises the NACK; ValueError if it is empty or a field does not fit."""
        if not self.lost:
            raise ValueError("a NACK names at least one packet")
        body = wire.pack(_SSRCS, self.sender_ssrc, self.media_ssrc)
        body += b"".join(wire.pack(_NACK_ENTRY, *entry) for entry in _nack_entries(self.lost))
        return wire.frame(wire.TRANSPORT_FEEDBACK, self.FMT, body)


def _nack_entries(lost: tuple[int, ...]) -> list[tuple[int, int]]:
    """Gathers sequence numbers to pairs of packet id and bitmask of the 16 that follow it."""
    entries: list[tuple[int, int]] = []
    packet_id, bitmask = lost[0], 0
    for sequence_number in lost[1:]:
        bit = (sequence_number - packet_id - 1) & 0xFFFF
        if bit < _NACK_BITMASK_BITS:
            bitmask |= 1 << bit
        else:
            entries.append((packet_id, bitmask))
            packet_id, bitmask = sequence_number, 0
    entries.append((packet_id, bitmask))
    return entries


@dataclass(frozen=True, slots=True)
class PictureLossIndication:
    """PLI: asks for a key frame (RFC 4585, section 6.3.1)."""

    FMT: ClassVar[int] = 1

    sender_ssrc: int
    media_ssrc: int

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Parses the body of a PLI; raises RtpError."""
        return cls(*_parse_ssrcs(body))

    def to_bytes(self) -> bytes:
        """Serialises the PLI; ValueError if a field does not fit."""
        body = wire.pack(_SSRCS, self.sender_ssrc, self.media_ssrc)
        return wire.frame(wire.PAYLOAD_FEEDBACK, self.FMT, body)


@dataclass(frozen=True, slots=True)
class FirEntry:
    """One stream that needs a key frame; repeating its 8-bit number repeats the request."""

    ssrc: int
    sequence_number: int


@dataclass(frozen=True, slots=True)
class FullIntraRequest:
    """FIR: demands key frames of some streams (RFC 5104, section 4.3.1)."""

    FMT: ClassVar[int] = 4

    sender_ssrc: int
    entries: tuple[FirEntry, ...]

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Parses the body of a FIR; raises RtpError."""
        sender_ssrc, _ = _parse_ssrcs(body)
        entries = _FIR_ENTRY.iter_unpack(_entries(body, _FIR_ENTRY.size))
        return cls(sender_ssrc, tuple(FirEntry(*entry) for entry in entries))

    def to_bytes(self) -> bytes:
        """Serialises the FIR; ValueError if it is empty or a field does not fit."""
        if not self.entries:
            raise ValueError("a FIR names at least one stream")
        # The streams stand in the entries; the common media source is unused and 0.
        body = wire.pack(_SSRCS, self.sender_ssrc, 0)
        body += b"".join(
            wire.pack(_FIR_ENTRY, entry.ssrc, entry.sequence_number) for entry in self.entries
        )
        return wire.frame(wire.PAYLOAD_FEEDBACK, self.FMT, body)


@dataclass(frozen=True, slots=True)
class ReceiverEstimatedMaxBitrate:
    """REMB: what a receiver can take (draft-alvestrand-rmcat-remb-03).

    Attributes:
        sender_ssrc: Who estimates.
        bitrate_bps: Bits per second of all the streams together. Sent with 18
            significant bits, rounded down.
        ssrcs: The streams it is about.
    """

    FMT: ClassVar[int] = 15

    sender_ssrc: int
    bitrate_bps: int
    ssrcs: tuple[int, ...]

    @staticmethod
    def matches(body: bytes) -> bool:
        """Whether application layer feedback (PSFB, FMT 15) is a REMB."""
        return body.startswith(_REMB_ID, _REMB_ID_START)

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Parses the body of a REMB; raises RtpError."""
        sender_ssrc, _ = _parse_ssrcs(body)
        if len(body) < _REMB_SSRCS_START:
            raise RtpError("RTCP REMB is truncated")
        _, bitrate = _REMB_HEADER.unpack_from(body, _REMB_ID_START)
        end = _REMB_SSRCS_START + (bitrate >> 24) * _SSRC.size
        if end > len(body):
            raise RtpError("RTCP REMB is truncated")
        exponent = (bitrate >> _REMB_MANTISSA_BITS) & _REMB_EXPONENT_MAX
        ssrcs = _SSRC.iter_unpack(body[_REMB_SSRCS_START:end])
        return cls(
            sender_ssrc,
            (bitrate & _REMB_MANTISSA_MASK) << exponent,
            tuple(ssrc for (ssrc,) in ssrcs),
        )

    def to_bytes(self) -> bytes:
        """Serialises the REMB; ValueError if a field does not fit."""
        exponent = max(0, self.bitrate_bps.bit_length() - _REMB_MANTISSA_BITS)
        if self.bitrate_bps < 0 or exponent > _REMB_EXPONENT_MAX or len(self.ssrcs) > 255:
            raise ValueError("RTCP REMB field out of range")
        mantissa = self.bitrate_bps >> exponent
        bitrate = len(self.ssrcs) << 24 | exponent << _REMB_MANTISSA_BITS | mantissa
        body = wire.pack(_SSRCS, self.sender_ssrc, 0)
        body += wire.pack(_REMB_HEADER, _REMB_ID, bitrate)
        body += b"".join(wire.pack(_SSRC, ssrc) for ssrc in self.ssrcs)
        return wire.frame(wire.PAYLOAD_FEEDBACK, self.FMT, body)


def _parse_ssrcs(body: bytes) -> tuple[int, int]:
    if len(body) < _SSRCS.size:
        raise RtpError("RTCP feedback is truncated")
    sender_ssrc, media_ssrc = _SSRCS.unpack_from(body)
    return sender_ssrc, media_ssrc


def _entries(body: bytes, entry_bytes: int) -> bytes:
    """Returns the feedback control information, at least one entry of the given size."""
    entries = body[_SSRCS.size :]
    if not entries or len(entries) % entry_bytes:
        raise RtpError("RTCP feedback entry is missing or truncated")
    return entries
