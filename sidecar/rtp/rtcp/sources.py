"""Packets about the sources themselves: SDES and BYE (RFC 3550, sections 6.5 and 6.6)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final, Self

from sidecar.rtp.errors import RtpError
from sidecar.rtp.rtcp import wire

_SSRC: Final = struct.Struct("!I")
_MAX_TEXT_BYTES: Final = 255

_SDES_END: Final = 0
_SDES_CNAME: Final = 1


@dataclass(frozen=True, slots=True)
class SdesChunk:
    """The canonical name of one source; "" if the chunk holds none."""

    ssrc: int
    cname: str

    def to_bytes(self) -> bytes:
        """Serialises the chunk; ValueError if a field does not fit."""
        items = bytes((_SDES_CNAME,)) + _pack_text(self.cname) if self.cname else b""
        # At least one null byte ends the items, more of them reach the 32-bit boundary.
        return wire.pack(_SSRC, self.ssrc) + items + bytes(4 - len(items) % 4)


@dataclass(frozen=True, slots=True)
class SourceDescription:
    """SDES, of which only CNAME items are kept (RFC 3550, section 6.5)."""

    chunks: tuple[SdesChunk, ...]

    @classmethod
    def parse(cls, count: int, body: bytes) -> Self:
        """Parses the body of an SDES with `count` chunks; raises RtpError."""
        chunks = []
        position = 0
        for _ in range(count):
            chunk, position = _parse_chunk(body, position)
            chunks.append(chunk)
        return cls(tuple(chunks))

    def to_bytes(self) -> bytes:
        """Serialises the packet; ValueError if a field does not fit."""
        body = b"".join(chunk.to_bytes() for chunk in self.chunks)
        return wire.frame(wire.SOURCE_DESCRIPTION, len(self.chunks), body)


@dataclass(frozen=True, slots=True)
class Bye:
    """BYE: sources that leave, and why (RFC 3550, section 6.6)."""

    ssrcs: tuple[int, ...]
    reason: str = ""

    @classmethod
    def parse(cls, count: int, body: bytes) -> Self:
        """Parses the body of a BYE with `count` sources; raises RtpError."""
        position = count * _SSRC.size
        if position > len(body):
            raise RtpError("RTCP BYE is truncated")
        ssrcs = tuple(ssrc for (ssrc,) in _SSRC.iter_unpack(body[:position]))
        reason = ""
        if position < len(body):
            reason, _ = _parse_text(body, position)
        return cls(ssrcs, reason)

    def to_bytes(self) -> bytes:
        """Serialises the packet; ValueError if a field does not fit."""
        body = b"".join(wire.pack(_SSRC, ssrc) for ssrc in self.ssrcs)
        if self.reason:
            reason = _pack_text(self.reason)
            body += reason + bytes(-len(reason) % 4)
        return wire.frame(wire.BYE, len(self.ssrcs), body)


def _parse_chunk(body: bytes, position: int) -> tuple[SdesChunk, int]:
    """Returns the chunk at `position` and where the next one starts."""
    if position + _SSRC.size > len(body):
        raise RtpError("RTCP SDES chunk is truncated")
    (ssrc,) = _SSRC.unpack_from(body, position)
    position += _SSRC.size
    cname = ""
    while position < len(body):
        item_type = body[position]
        position += 1
        if item_type == _SDES_END:
            # Chunks start at 32-bit boundaries of the body.
            return SdesChunk(ssrc, cname), position + -position % 4
        if item_type == _SDES_CNAME:
            cname, position = _parse_text(body, position)
        else:
            position = _text_end(body, position)
    raise RtpError("RTCP SDES chunk is not terminated")


def _parse_text(body: bytes, position: int) -> tuple[str, int]:
    """Returns the counted text at `position` and where it ends."""
    end = _text_end(body, position)
    try:
        return body[position + 1 : end].decode(), end
    except UnicodeDecodeError as error:
        raise RtpError("RTCP text is no UTF-8") from error


def _text_end(body: bytes, position: int) -> int:
    if position >= len(body) or position + 1 + body[position] > len(body):
        raise RtpError("RTCP text is truncated")
    return position + 1 + body[position]


def _pack_text(text: str) -> bytes:
    encoded = text.encode()
    if len(encoded) > _MAX_TEXT_BYTES:
        raise ValueError("RTCP text is longer than 255 bytes")
    return bytes((len(encoded),)) + encoded
