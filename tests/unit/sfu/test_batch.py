"""Packets that arrived together: made once for all who send them under the same numbers."""

from __future__ import annotations

from sidecar.rtp.packet import parse_rtp
from sidecar.sfu.batch import Batch, Count, Numbers
from sidecar.sfu.forwarding import ForwardedPacket

EXTENSIONS = b"\xbe\xde\x00\x01\x42abc"


def packet(ext_seq: int, payload: bytes = b"picture", *, key: bool = False) -> ForwardedPacket:
    tail = EXTENSIONS + payload
    return ForwardedPacket(0x90E0, ext_seq, ext_seq * 90, tail, len(EXTENSIONS), key)


def test_packets_get_a_consumers_numbers() -> None:
    batch = Batch([packet(70_000), packet(70_001, b"more")], 1)
    numbered = batch.numbered(Numbers(7, 0xFFFF, 0xFFFFFFFF))
    first, second = map(parse_rtp, numbered.packets)
    assert (first.ssrc, first.marker, first.payload_type) == (7, True, 96)
    assert first.sequence_number == (70_000 - 1) & 0xFFFF
    assert first.timestamp == 70_000 * 90 - 1
    assert first.payload == b"picture"
    assert second.sequence_number == (70_001 - 1) & 0xFFFF
    assert second.payload == b"more"


def test_those_who_have_the_same_numbers_get_the_same_object() -> None:
    batch = Batch([packet(70_000)], 1)
    one = batch.numbered(Numbers(7, 1, 2))
    assert batch.numbered(Numbers(7, 1, 2)) is one
    for other in (Numbers(8, 1, 2), Numbers(7, 2, 2), Numbers(7, 1, 3)):
        assert batch.numbered(other) is not one
        assert batch.numbered(other).packets != one.packets


def test_counts_go_on_from_batch_to_batch() -> None:
    first = Batch([packet(1, key=True), packet(2)], 1)
    second = Batch([packet(3, b"")], 2, first)
    size_bytes = 2 * (12 + len(EXTENSIONS) + len(b"picture"))
    assert first.count == first.own_count == Count(2, size_bytes, 2 * len(b"picture"), 1)
    assert second.own_count == Count(1, 12 + len(EXTENSIONS), 0, 0)
    assert second.count == first.count.plus(second.own_count)
    assert second.count is second.count


def test_padding_is_no_payload() -> None:
    padded = packet(1)
    padded.pad(5)
    assert Batch([padded], 1).count.payload_bytes == len(b"picture")


def test_newest_packet_is_that_of_all_batches_so_far() -> None:
    first = Batch([packet(10), packet(12), packet(11)], 1)
    late = Batch([packet(9)], 2, first)
    newer = Batch([packet(13)], 3, late)
    assert [each.lowest_seq for each in (first, late, newer)] == [10, 9, 13]
    assert [each.newest.ext_seq for each in (first, late, newer)] == [12, 12, 13]
    assert [each.newest_ns for each in (first, late, newer)] == [1, 1, 3]


def test_lowest_number_is_found_wherever_it_stands() -> None:
    assert Batch([packet(10), packet(12), packet(8), packet(9)], 1).lowest_seq == 8
