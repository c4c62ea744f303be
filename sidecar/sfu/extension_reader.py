"""The header extensions (RFC 8285) of one stream: nearly all packets are laid out alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from sidecar.rtp.errors import RtpError
from sidecar.rtp.header_extensions import locate_extensions
from sidecar.rtp.packet import RtpPacket

_SEQUENCE_BYTES: Final = 2

_block_number = int.from_bytes


class ExtensionReader:
    """Takes what is of use out of the header extension of each packet.

    A sender writes the same elements into packet after packet, and only their values differ. So
    where they lie is worked out once, and remembered together with all bits of the block that say
    so: as long as these are the same, values are taken from where they were.
    """

    __slots__ = ("_frame", "_frame_mask", "_ids", "_places", "_sequence_shift", "_transport_cc_id")

    def __init__(self, ids: Mapping[int, int], transport_cc_id: int) -> None:
        """Prepares to read.

        Args:
            ids: The sender's ids of the elements that go on, and those under which they do.
            transport_cc_id: The sender's id of the transport-wide sequence number
                (draft-holmer-rmcat-transport-wide-cc-extensions-01 section 2), or -1.
        """
        self._ids = ids
        self._transport_cc_id = transport_cc_id
        # Of a packet without an extension.
        self._frame_mask = -1
        self._frame = 0
        self._places: Sequence[tuple[int, int, int]] = ()
        self._sequence_shift = -1

    def read(self, packet: RtpPacket) -> tuple[int, Sequence[tuple[int, bytes]]]:
        """Reads a packet's header extension.

        Args:
            packet: The packet.

        Returns:
            The transport-wide sequence number (16 bits), -1 if there is none, and those elements
            that go on, each with the id under which it does.

        Raises:
            RtpError: An element reaches beyond the extension, or the transport-wide sequence number
                is not two bytes.
        """
        block = packet.data[packet.extension_start : packet.payload_start]
        number = _block_number(block, "big")
        if number & self._frame_mask != self._frame:
            self._learn(packet, number)
        shift = self._sequence_shift
        sequence = number >> shift & 0xFFFF if shift >= 0 else -1
        places = self._places
        if not places:
            return sequence, ()
        return sequence, [(identifier, block[start:end]) for identifier, start, end in places]

    def _learn(self, packet: RtpPacket, number: int) -> None:
        """Works out where the elements lie.

        Args:
            packet: The packet.
            number: Its extension block, taken as a number.
        """
        block_start, block_end = packet.extension_start, packet.payload_start
        # In front of the block the mask has ones as well, so that no longer one is taken for this
        # one. No shorter one is, since it lacks the profile at the front, which is not 0 where
        # there are elements.
        mask = -1
        shift = -1
        places = []
        for identifier, start, end in locate_extensions(packet):
            mask ^= (1 << (block_end - start) * 8) - (1 << (block_end - end) * 8)
            if identifier == self._transport_cc_id:
                if end - start != _SEQUENCE_BYTES:
                    raise RtpError("transport-wide sequence number is not two bytes")
                shift = (block_end - end) * 8
            elif identifier in self._ids:
                places.append((self._ids[identifier], start - block_start, end - block_start))
        self._frame_mask, self._frame = mask, number & mask
        self._sequence_shift, self._places = shift, places
