"""RTCP packets of types that the SFU does not interpret."""

from __future__ import annotations

from dataclasses import dataclass

from sidecar.rtp.rtcp import wire


@dataclass(frozen=True, slots=True)
class UnknownRtcp:
    """A well-framed packet of another type: XR, APP, feedback with an unknown FMT.

    Attributes:
        payload_type: RTCP packet type.
        count: The five bits that hold a count, subtype or FMT.
        body: What comes after the common header, padding excluded.
    """

    payload_type: int
    count: int
    body: bytes

    def to_bytes(self) -> bytes:
        """Serialises the packet; ValueError if a field does not fit."""
        return wire.frame(self.payload_type, self.count, self.body)
