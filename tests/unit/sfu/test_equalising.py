"""Padding to a common size: what gets it, how much, and that receivers never notice."""

from __future__ import annotations

import random

import pytest

from sidecar.rtp.packet import parse_rtp
from sidecar.sfu.equalising import MAX_PADDING_BYTES, MAX_TAIL_BYTES, equalise
from sidecar.sfu.forwarding import ForwardedPacket

HEADER = (1).to_bytes(2, "big") + bytes(10)


def packets(*sizes: int) -> list[ForwardedPacket]:
    """Packets with tails of these sizes, of which nothing is a header extension."""
    return [
        ForwardedPacket(0x8065, number, 0, bytes([number % 251 + 1]) * size, 0, False)
        for number, size in enumerate(sizes)
    ]


def sizes(some: list[ForwardedPacket]) -> list[int]:
    return [len(packet.tail) for packet in some]


def payload(packet: ForwardedPacket) -> bytes:
    """What a receiver makes of a packet."""
    data = packet.first_word.to_bytes(2, "big") + HEADER[:10] + packet.tail
    parsed = parse_rtp(data)
    return parsed.data[parsed.payload_start : parsed.payload_end]


def test_what_differs_by_a_byte_becomes_equal_and_aligned() -> None:
    some = packets(1001, 1001, 1002, 1002)
    equalise(some)
    assert sizes(some) == [1004] * 4
    assert [packet.padding_bytes for packet in some] == [3, 3, 2, 2]


def test_what_is_equal_and_aligned_already_stays_as_it_is() -> None:
    some = packets(1000, 1000)
    equalise(some)
    assert sizes(some) == [1000, 1000]
    assert all(packet.first_word == 0x8065 for packet in some)


def test_a_packet_of_another_size_is_left_alone() -> None:
    some = packets(1001, 1000, 300, 999, 998)
    equalise(some)
    assert sizes(some) == [1004, 1004, 300, 1000, 1000]


@pytest.mark.parametrize("before", [(1000, 1010, 1020), (1020, 1010, 1000)])
def test_sizes_that_creep_away_do_not_become_one(before: tuple[int, ...]) -> None:
    some = packets(*before)
    equalise(some)
    first = max(before[:2])
    first += -first % 4
    assert sizes(some) == [first, first, before[2]]


def test_a_single_packet_gets_nothing() -> None:
    some = packets(1001)
    equalise(some)
    assert sizes(some) == [1001]
    equalise([])


def test_packets_that_are_as_long_as_they_may_be_get_nothing() -> None:
    some = packets(MAX_TAIL_BYTES + 1, MAX_TAIL_BYTES)
    equalise(some)
    assert sizes(some) == [MAX_TAIL_BYTES + 1, MAX_TAIL_BYTES]


@pytest.mark.parametrize("seed", range(50))
def test_payloads_stay_and_padding_is_bounded(seed: int) -> None:
    rng = random.Random(seed)
    before = [rng.choice([40, 990, 1000, 1003, 1017, 1300, 1310]) for _ in range(20)]
    some = packets(*before)
    payloads = [packet.tail for packet in some]
    equalise(some)
    assert [payload(packet) for packet in some] == payloads
    for packet, size in zip(some, before, strict=True):
        assert len(packet.tail) - size == packet.padding_bytes <= MAX_PADDING_BYTES
