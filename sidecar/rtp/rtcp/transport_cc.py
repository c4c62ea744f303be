"""Transport-wide congestion control feedback.

draft-holmer-rmcat-transport-wide-cc-extensions-01, section 3.1.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Self

from sidecar.rtp.errors import RtpError
from sidecar.rtp.rtcp import wire

# Sender, media source, base sequence, status count, reference time, feedback count.
_HEADER: Final = struct.Struct("!IIHH3sB")

_REFERENCE_TIME_MIN: Final = -0x800000
_REFERENCE_TIME_MAX: Final = 0x7FFFFF
_SMALL_DELTA_MAX: Final = 0xFF
_LARGE_DELTA_MIN: Final = -0x8000
_LARGE_DELTA_MAX: Final = 0x7FFF

MAX_STATUSES: Final = 8192
"""In one feedback packet that is parsed. A chunk of two bytes can stand for 8191 packets, so that
without a bound a short datagram would become a list of 65535."""

# Packet status symbols; 3 is reserved.
_NOT_RECEIVED: Final = 0
_SMALL_DELTA: Final = 1
_LARGE_DELTA: Final = 2

_VECTOR_CHUNK: Final = 0x8000
_TWO_BIT_SYMBOLS: Final = 0x4000
_RUN_LENGTH_MAX: Final = 0x1FFF
_RUN_SYMBOL_SHIFT: Final = 13
_VECTOR_BITS: Final = 14


@dataclass(frozen=True, slots=True)
class TransportCcFeedback:
    """Which packets of a transport arrived, and when.

    Attributes:
        sender_ssrc: Who reports.
        media_ssrc: Any stream of the transport.
        base_sequence: Transport-wide sequence number of the first packet, 16 bits.
        reference_time: The time that the first delta counts from, in units of 64 ms,
            24 bits signed.
        feedback_count: Number of this feedback packet, 8 bits, wraps.
        deltas: For packet ``base_sequence + i``, the time since the previous packet
            that arrived, in ticks of 250 us, -32768 to 32767; None if it did not arrive.
    """

    FMT: ClassVar[int] = 15

    sender_ssrc: int
    media_ssrc: int
    base_sequence: int
    reference_time: int
    feedback_count: int
    deltas: tuple[int | None, ...]

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Parses the body of a transport-cc feedback; raises RtpError."""
        if len(body) < _HEADER.size:
            raise RtpError("RTCP transport-cc feedback is truncated")
        sender_ssrc, media_ssrc, base_sequence, status_count, reference_time, feedback_count = (
            _HEADER.unpack_from(body)
        )
        if status_count == 0:
            raise RtpError("RTCP transport-cc feedback is empty")
        if status_count > MAX_STATUSES:
            raise RtpError("RTCP transport-cc feedback is about too many packets")
        symbols, position = _parse_chunks(body, _HEADER.size, status_count)
        return cls(
            sender_ssrc,
            media_ssrc,
            base_sequence,
            int.from_bytes(reference_time, "big", signed=True),
            feedback_count,
            _parse_deltas(body, position, symbols),
        )

    def to_bytes(self) -> bytes:
        """Serialises the feedback.

        Raises:
            ValueError: It is empty, or a field does not fit. A delta that is out of
                range belongs into a feedback packet of its own, whose reference
                time is nearer.
        """
        if not self.deltas:
            raise ValueError("transport-cc feedback reports at least one packet")
        if not _REFERENCE_TIME_MIN <= self.reference_time <= _REFERENCE_TIME_MAX:
            raise ValueError("reference_time does not fit 24 signed bits")
        body = bytearray(
            wire.pack(
                _HEADER,
                self.sender_ssrc,
                self.media_ssrc,
                self.base_sequence,
                len(self.deltas),
                self.reference_time.to_bytes(3, "big", signed=True),
                self.feedback_count,
            )
        )
        body += _encode_chunks([_symbol(delta) for delta in self.deltas])
        for delta in self.deltas:
            if delta is not None:
                small = 0 <= delta <= _SMALL_DELTA_MAX
                body += delta.to_bytes(1 if small else 2, "big", signed=not small)
        return wire.frame(wire.TRANSPORT_FEEDBACK, self.FMT, bytes(body))


def _parse_chunks(body: bytes, position: int, status_count: int) -> tuple[list[int], int]:
    """Returns one status symbol for each packet, and where the deltas start."""
    symbols: list[int] = []
    while len(symbols) < status_count:
        if position + 2 > len(body):
            raise RtpError("RTCP transport-cc status chunk is truncated")
        chunk = body[position] << 8 | body[position + 1]
        position += 2
        if not chunk & _VECTOR_CHUNK:
            symbols += [chunk >> _RUN_SYMBOL_SHIFT] * (chunk & _RUN_LENGTH_MAX)
        elif chunk & _TWO_BIT_SYMBOLS:
            symbols += [chunk >> shift & 3 for shift in range(_VECTOR_BITS - 2, -1, -2)]
        else:
            symbols += [chunk >> shift & 1 for shift in range(_VECTOR_BITS - 1, -1, -1)]
    # The last chunk may say more than was announced.
    del symbols[status_count:]
    return symbols, position


def _parse_deltas(body: bytes, position: int, symbols: list[int]) -> tuple[int | None, ...]:
    """Reads the delta of each packet that arrived; what follows the last one is padding."""
    deltas: list[int | None] = []
    for symbol in symbols:
        if symbol == _NOT_RECEIVED:
            deltas.append(None)
            continue
        if symbol > _LARGE_DELTA:
            raise RtpError("RTCP transport-cc status symbol is reserved")
        # A small delta is one unsigned byte, a large one is two signed bytes.
        end = position + symbol
        if end > len(body):
            raise RtpError("RTCP transport-cc delta is truncated")
        delta = int.from_bytes(body[position:end], "big", signed=symbol == _LARGE_DELTA)
        deltas.append(delta)
        position = end
    return tuple(deltas)


def _symbol(delta: int | None) -> int:
    if delta is None:
        return _NOT_RECEIVED
    if 0 <= delta <= _SMALL_DELTA_MAX:
        return _SMALL_DELTA
    if _LARGE_DELTA_MIN <= delta <= _LARGE_DELTA_MAX:
        return _LARGE_DELTA
    raise ValueError("transport-cc delta does not fit 16 signed bits")


def _encode_chunks(symbols: list[int]) -> bytes:
    """Describes the symbols with chunks, each the one that reaches furthest."""
    chunks = bytearray()
    position = 0
    while position < len(symbols):
        bits = 2 if _LARGE_DELTA in symbols[position : position + _VECTOR_BITS] else 1
        vector = symbols[position : position + _VECTOR_BITS // bits]
        run = _run_length(symbols, position)
        if run >= len(vector):
            chunk = symbols[position] << _RUN_SYMBOL_SHIFT | run
            position += run
        else:
            chunk = _vector_chunk(vector, bits)
            position += len(vector)
        chunks += chunk.to_bytes(2, "big")
    return bytes(chunks)


def _run_length(symbols: Sequence[int], start: int) -> int:
    """Counts how often the symbol at `start` repeats, as far as a chunk can say."""
    end = start + 1
    limit = min(len(symbols), start + _RUN_LENGTH_MAX)
    while end < limit and symbols[end] == symbols[start]:
        end += 1
    return end - start


def _vector_chunk(vector: list[int], bits: int) -> int:
    """Packs symbols of one or two bits, first symbol highest, zeros after the last."""
    packed = 0
    for symbol in vector:
        packed = packed << bits | symbol
    packed <<= _VECTOR_BITS - bits * len(vector)
    return _VECTOR_CHUNK | (_TWO_BIT_SYMBOLS if bits == 2 else 0) | packed
