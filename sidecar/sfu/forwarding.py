"""From a producer's packet to what all of its consumers get: done once per incoming packet.

The router's payload types and header-extension ids are the same for every consumer, so only the
sequence number, the timestamp and the SSRC are left to each of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from sidecar.ortc import RtpMapping
from sidecar.rtp.header_extensions import (
    ONE_BYTE_PROFILE,
    build_extension_block,
    encode_abs_send_time,
)
from sidecar.rtp.packet import RtpPacket

MAX_LATE_PACKETS: Final = 128
"""So far behind the newest one sent, SRTP protects no packet any more under its own number."""

_VERSION_AND_EXTENSION: Final = 0x9000
"""First 16 bits of an RTP header: version 2, no padding, an extension, no CSRC."""

_PADDING: Final = 0x2000
_MARKER: Final = 0x0080

_ABS_SEND_TIME_BYTES: Final = 3
_ONE_BYTE_VALUE_OFFSET: Final = 5
_TWO_BYTE_VALUE_OFFSET: Final = 6
"""Where the value of the first element lies in an extension block."""

_ONE_BYTE_PREFIX: Final = ONE_BYTE_PROFILE.to_bytes(2, "big")


def _with_send_time(tail: bytes, send_time: bytes) -> bytes:
    """Writes abs-send-time anew, which is the first element of every extension block of ours."""
    one_byte = tail[:2] == _ONE_BYTE_PREFIX
    start = _ONE_BYTE_VALUE_OFFSET if one_byte else _TWO_BYTE_VALUE_OFFSET
    return tail[:start] + send_time + tail[start + _ABS_SEND_TIME_BYTES :]


class ForwardedPacket:
    """A packet as its consumers get it, but for sequence number, timestamp and SSRC.

    Attributes:
        first_word: The first 16 bits of the header: version, extension, marker, payload type.
        ext_seq: The producer's extended sequence number.
        timestamp: The producer's RTP timestamp (32 bits).
        tail: Everything behind the 12 fixed header bytes: extension block and payload.
        payload_offset: Where the payload starts in `tail`.
        padding_bytes: At the end of `tail`.
        is_key_frame: A decoder can start here (always true of audio).
    """

    __slots__ = (
        "_sent_again_ns",
        "_tail_sent_again",
        "ext_seq",
        "first_word",
        "is_key_frame",
        "padding_bytes",
        "payload_offset",
        "tail",
        "timestamp",
    )

    def __init__(
        self,
        first_word: int,
        ext_seq: int,
        timestamp: int,
        tail: bytes,
        payload_offset: int,
        is_key_frame: bool,
    ) -> None:
        self.first_word = first_word
        self.ext_seq = ext_seq
        self.timestamp = timestamp
        self.tail = tail
        self.payload_offset = payload_offset
        self.padding_bytes = 0
        self.is_key_frame = is_key_frame
        self._sent_again_ns = -1
        self._tail_sent_again = b""

    @property
    def marker(self) -> bool:
        """The marker bit: of video, whether it is the last packet of its frame."""
        return bool(self.first_word & _MARKER)

    def pad(self, count: int) -> None:
        """Appends padding (RFC 3550 section 5.1) to a packet that nobody has got yet.

        Args:
            count: How many bytes, 1 to 255.
        """
        self.first_word |= _PADDING
        self.padding_bytes = count
        self.tail += count.to_bytes(count, "big")

    def tail_sent_at(self, now_ns: int) -> bytes:
        """The tail with abs-send-time for sending again; made once for all who get it now."""
        if now_ns != self._sent_again_ns:
            self._tail_sent_again = _with_send_time(self.tail, encode_abs_send_time(now_ns))
            self._sent_again_ns = now_ns
        return self._tail_sent_again


class PacketTranslator:
    """Turns one producer's packets into `ForwardedPacket`s.

    MID, RID and transport-cc stay behind: they mean something between the sender and us only.
    Padding stays behind as well; a packet of nothing but padding goes on as an empty one, so that
    the sequence has no hole that a receiver would ask for.
    """

    __slots__ = (
        "_abs_send_time_id",
        "_bare_block",
        "_extension_ids",
        "_first_words",
        "_send_time",
        "_sent_ns",
    )

    def __init__(
        self, mapping: RtpMapping, *, abs_send_time_id: int, hop_by_hop_ids: frozenset[int]
    ) -> None:
        """Prepares the translation.

        Args:
            mapping: From the producer's payload types and extension ids to the router's.
            abs_send_time_id: The router's id of abs-send-time, which is always written anew.
            hop_by_hop_ids: The router's ids of what stays behind.
        """
        self._first_words = {
            producer_type | marker: _VERSION_AND_EXTENSION | router_type | marker
            for producer_type, router_type in mapping.codecs.items()
            for marker in (0, _MARKER)
        }
        self._abs_send_time_id = abs_send_time_id
        self._sent_ns = -1
        self._send_time = (abs_send_time_id, bytes(_ABS_SEND_TIME_BYTES))
        self._bare_block = build_extension_block([self._send_time])
        left_behind = hop_by_hop_ids | {abs_send_time_id}
        self._extension_ids = {
            producer_id: router_id
            for producer_id, router_id in mapping.header_extensions.items()
            if router_id not in left_behind
        }

    @property
    def extension_ids(self) -> Mapping[int, int]:
        """The producer's ids of the header extensions that go on, and the router's."""
        return self._extension_ids

    def translate(
        self,
        packet: RtpPacket,
        elements: Sequence[tuple[int, bytes]],
        ext_seq: int,
        is_key_frame: bool,
        now_ns: int,
    ) -> ForwardedPacket:
        """Makes the packet that goes to every consumer.

        Args:
            packet: The packet; its payload type is one of the mapping's.
            elements: Of its header extension elements those that go on, under the router's ids.
            ext_seq: Its extended sequence number.
            is_key_frame: Whether a decoder can start with it.
            now_ns: When it is sent on.
        """
        if now_ns != self._sent_ns:
            # What arrives together is sent on together.
            self._sent_ns = now_ns
            send_time = encode_abs_send_time(now_ns)
            self._send_time = (self._abs_send_time_id, send_time)
            self._bare_block = _with_send_time(self._bare_block, send_time)
        block = self._bare_block
        if elements:
            block = build_extension_block([self._send_time, *elements])
        return ForwardedPacket(
            self._first_words[packet.data[1]],
            ext_seq,
            packet.timestamp,
            block + packet.data[packet.payload_start : packet.payload_end],
            len(block),
            is_key_frame,
        )
