from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from pylibsrtp import ffi  # type: ignore[attr-defined]

from sidecar.net.limits import MAX_PACKETS, MAX_RTP_BYTES
from sidecar.net.packet_memory import CELLS, MAX_RUN_BYTES, Image, PacketMemory, equal_runs
from sidecar.net.srtp import PROFILES
from sidecar.sfu.batch import Packets

GCM_TAG, CM_TAG = 16, 10


def packets(*sizes: int) -> list[bytes]:
    return [bytes([index + 1]) * size for index, size in enumerate(sizes)]


def prepare(memory: PacketMemory, some: Sequence[bytes], tag_bytes: int = GCM_TAG) -> Image:
    """Lays packets out that fit in at once."""
    prepared = memory.prepare(Packets(some), tag_bytes)
    assert prepared.too_long == 0
    (image,) = prepared.images
    return image


def load(memory: PacketMemory, some: Sequence[bytes], tag_bytes: int = GCM_TAG) -> list[bytes]:
    """Puts one copy of packets in, and returns what is where libsrtp looks for them."""
    image = prepare(memory, some, tag_bytes)
    memory.load(image, 1)
    return contents(memory, image.count)[0]


def contents(memory: PacketMemory, count: int, copies: int = 1) -> list[list[bytes]]:
    """What libsrtp finds, copy by copy."""
    found = [
        bytes(ffi.buffer(pointer, length[0]))
        for pointer, length in zip(memory.pointers, memory.length_pointers, strict=True)
    ]
    return [found[start : start + count] for start in range(0, count * copies, count)]


@pytest.fixture
def memory() -> PacketMemory:
    return PacketMemory()


def test_libsrtp_finds_the_packets_and_their_lengths(memory: PacketMemory) -> None:
    assert load(memory, packets(1100, 1101, 400)) == packets(1100, 1101, 400)
    assert load(memory, packets(7)) == packets(7)


def test_copies_lie_side_by_side_and_nothing_is_written_beyond_them(
    memory: PacketMemory,
) -> None:
    image = prepare(memory, packets(100, 60))
    memory.load(image, 3)
    assert contents(memory, 2, CELLS // 2) == [packets(100, 60)] * 3 + [[b"", b""]] * (
        CELLS // 2 - 3
    )
    memory.load(image, CELLS // 2)
    assert contents(memory, 2, CELLS // 2) == [packets(100, 60)] * (CELLS // 2)


def test_there_is_room_for_as_many_copies_of_few_packets_as_there_are_cells(
    memory: PacketMemory,
) -> None:
    memory.load(prepare(memory, packets(1000)), CELLS)
    assert contents(memory, 1, CELLS) == [packets(1000)] * CELLS


def test_what_is_sent_lies_where_libsrtp_has_protected_it(memory: PacketMemory) -> None:
    some = packets(100, 100, 60)
    image = prepare(memory, some)
    copies = CELLS // 3
    memory.load(image, copies)
    for copy in range(copies):
        datagrams = memory.datagrams(image, copy)
        assert [len(each) for each in datagrams] == [116, 116, 76]
        assert [bytes(each[:-GCM_TAG]) for each in datagrams] == some
        for number in range(3):
            cell = copy * 3 + number
            pointer = memory.pointers[cell]
            assert int(ffi.cast("uintptr_t", pointer)) == memory.address(cell)
            pointer[0] = bytes([cell])
            assert datagrams[number][0] == cell


def test_packets_are_aligned_for_libsrtp(memory: PacketMemory) -> None:
    addresses = [memory.address(cell) for cell in range(CELLS)]
    assert all(address % 4 == 0 for address in addresses)
    assert sorted(set(addresses)) == addresses


def test_the_same_packets_are_laid_out_once_and_loaded_anew_for_others(
    memory: PacketMemory,
) -> None:
    some = Packets(packets(100, 100, 60))
    prepared = memory.prepare(some, GCM_TAG)
    assert memory.prepare(some, GCM_TAG) is prepared
    assert memory.prepare(some, CM_TAG) is not prepared
    (image,) = prepared.images
    for _ in range(2):
        memory.load(image, 1)
        assert contents(memory, 3) == [some.packets]
        # As libsrtp does.
        memory.length_pointers[0][0] = 116
        memory.pointers[0][20] = b"\xff"


def test_the_largest_packets_fit(memory: PacketMemory) -> None:
    assert {profile.tag_bytes for profile in PROFILES} == {GCM_TAG, CM_TAG}
    full = packets(*[MAX_RTP_BYTES] * MAX_PACKETS)
    image = prepare(memory, full)
    memory.load(image, 1)
    assert contents(memory, MAX_PACKETS) == [full]
    assert len(memory.datagrams(image, 0)[-1]) == MAX_RTP_BYTES + GCM_TAG


def test_what_is_too_long_is_left_out_and_what_is_too_much_is_divided(
    memory: PacketMemory,
) -> None:
    some = packets(MAX_RTP_BYTES + 1, *[10] * (2 * MAX_PACKETS), MAX_RTP_BYTES + 1, 20)
    prepared = memory.prepare(Packets(some), GCM_TAG)
    assert prepared.too_long == 2
    loaded: list[bytes] = []
    for image in prepared.images:
        memory.load(image, 1)
        loaded += contents(memory, image.count)[0]
    assert loaded == [each for each in some if len(each) <= MAX_RTP_BYTES]
    assert [image.count for image in prepared.images] == [64, 64, 1]


def test_nothing_is_left_of_packets_that_are_all_too_long(memory: PacketMemory) -> None:
    assert memory.prepare(Packets(packets(MAX_RTP_BYTES + 1)), GCM_TAG) == ([], 1)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("tag_bytes", [GCM_TAG, CM_TAG])
def test_order_and_content_are_kept_whatever_the_sizes(
    tag_bytes: int, seed: int, memory: PacketMemory
) -> None:
    rng = random.Random(seed)
    some = packets(*(rng.choice([60, 1100, 1101, 1102]) for _ in range(MAX_PACKETS)))
    assert load(memory, some, tag_bytes) == some
    image = prepare(memory, some, tag_bytes)
    assert [size for run in image.runs for size in run.sizes] == [
        len(each) + tag_bytes for each in some
    ]
    for run in image.runs:
        *others, last = run.sizes
        assert set(others) <= {run.segment_bytes}
        assert last <= run.segment_bytes
        assert run.is_single == (not others)


def test_a_run_ends_with_a_shorter_packet() -> None:
    assert equal_runs([1116, 1116, 1116, 416, 1116, 1116, 76, 77, 77]) == [
        (0, [1116, 1116, 1116, 416]),
        (4, [1116, 1116, 76]),
        (7, [77, 77]),
    ]


def test_a_run_has_no_more_bytes_than_a_datagram() -> None:
    runs = equal_runs([1316] * MAX_PACKETS)
    assert max(len(run.sizes) for run in runs) * 1316 <= MAX_RUN_BYTES
    assert len(runs) == 2
