from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from sidecar.net.limits import MAX_PACKETS, MAX_RTP_BYTES
from sidecar.net.packet_memory import MAX_RUN_BYTES, Image, Layout, PacketMemory, equal_runs
from sidecar.net.srtp import PROFILES
from sidecar.sfu.batch import Packets

GCM_TAG, CM_TAG = 16, 10


def packets(*sizes: int) -> list[bytes]:
    return [bytes([index + 1]) * size for index, size in enumerate(sizes)]


def load_image(memory: PacketMemory, image: Image) -> None:
    memory.view[: len(image.data)] = image.data


def load(memory: PacketMemory, some: Sequence[bytes], tag_bytes: int = GCM_TAG) -> Layout:
    """Puts packets into the memory that fit in at once."""
    prepared = memory.prepare(Packets(some), tag_bytes)
    assert prepared.too_long == 0
    (image,) = prepared.images
    load_image(memory, image)
    return image.layout


def contents(layout: Layout, tag_bytes: int = GCM_TAG) -> list[bytes]:
    """The packets where libsrtp would find them."""
    return [bytes(each[: len(each) - tag_bytes]) for each in layout.datagrams]


@pytest.fixture
def memory() -> PacketMemory:
    return PacketMemory()


def test_equal_packets_lie_in_one_piece(memory: PacketMemory) -> None:
    layout = load(memory, packets(1100, 1100, 400))
    assert contents(layout) == packets(1100, 1100, 400)
    (run,) = layout.runs
    (buffer,) = run.buffers
    assert bytes(buffer) == b"".join(map(bytes, run.datagrams))
    assert run.segment_bytes == 1116


def test_packets_that_alignment_keeps_apart_are_sent_in_pieces(memory: PacketMemory) -> None:
    layout = load(memory, packets(1101, 1101))
    (run,) = layout.runs
    assert [len(each) for each in run.buffers] == [1117, 1117]
    starts = [int(pointer - memory.pointer) for pointer in layout.pointers]
    assert all(start % 4 == 0 for start in starts)


def test_the_same_packets_are_laid_out_once_and_loaded_anew_for_each_receiver(
    memory: PacketMemory,
) -> None:
    some = Packets(packets(100, 100, 60))
    prepared = memory.prepare(some, GCM_TAG)
    assert memory.prepare(some, GCM_TAG) is prepared
    assert memory.prepare(some, CM_TAG) is not prepared
    (image,) = prepared.images
    for _ in range(2):
        load_image(memory, image)
        assert [length[0] for length in image.layout.length_pointers] == [100, 100, 60]
        assert contents(image.layout) == some.packets
        image.layout.length_pointers[0][0] = 116  # as libsrtp does
        memory.view[:] = bytes(len(memory.view))


def test_what_follows_from_the_sizes_is_worked_out_once(memory: PacketMemory) -> None:
    first = load(memory, packets(100, 100))
    assert load(memory, [b"x" * 100, b"y" * 100]) is first
    assert load(memory, packets(100, 100), CM_TAG) is not first
    for size in range(100):
        load(memory, packets(size + 1))
    assert contents(load(memory, packets(100, 100))) == packets(100, 100)


def test_what_was_prepared_is_not_taken_for_what_is_made_in_its_place(
    memory: PacketMemory,
) -> None:
    for number in range(100):
        # Nobody keeps them: the next ones may well come to lie at the same address.
        some = [bytes([number]) * 100]
        assert contents(load(memory, some)) == some


def test_the_largest_packets_fit(memory: PacketMemory) -> None:
    assert {profile.tag_bytes for profile in PROFILES} == {GCM_TAG, CM_TAG}
    full = packets(*[MAX_RTP_BYTES] * MAX_PACKETS)
    assert contents(load(memory, full)) == full


def test_what_is_too_long_is_left_out_and_what_is_too_much_is_divided(
    memory: PacketMemory,
) -> None:
    some = packets(MAX_RTP_BYTES + 1, *[10] * (2 * MAX_PACKETS), MAX_RTP_BYTES + 1, 20)
    prepared = memory.prepare(Packets(some), GCM_TAG)
    assert prepared.too_long == 2
    loaded = []
    for image in prepared.images:
        load_image(memory, image)
        loaded += contents(image.layout)
    assert loaded == [each for each in some if len(each) <= MAX_RTP_BYTES]
    assert [len(image.layout.datagrams) for image in prepared.images] == [64, 64, 1]


def test_nothing_is_left_of_packets_that_are_all_too_long(memory: PacketMemory) -> None:
    assert memory.prepare(Packets(packets(MAX_RTP_BYTES + 1)), GCM_TAG) == ([], 1)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("tag_bytes", [GCM_TAG, CM_TAG])
def test_order_and_content_are_kept_whatever_the_sizes(
    tag_bytes: int, seed: int, memory: PacketMemory
) -> None:
    rng = random.Random(seed)
    some = packets(*(rng.choice([60, 1100, 1101, 1102]) for _ in range(MAX_PACKETS)))
    layout = load(memory, some, tag_bytes)
    assert contents(layout, tag_bytes) == some
    assert [each for run in layout.runs for each in run.datagrams] == layout.datagrams
    for run in layout.runs:
        assert b"".join(run.buffers) == b"".join(run.datagrams)
        *others, last = map(len, run.datagrams)
        assert set(others) <= {run.segment_bytes}
        assert last <= run.segment_bytes


def test_a_run_ends_with_a_shorter_packet() -> None:
    runs = equal_runs([1100, 1100, 1100, 400, 1100, 1100, 60, 61, 61], GCM_TAG)
    assert list(runs) == [(0, 4), (4, 7), (7, 9)]


def test_a_run_has_no_more_bytes_than_a_datagram() -> None:
    runs = list(equal_runs([1300] * MAX_PACKETS, GCM_TAG))
    assert max(end - start for start, end in runs) * (1300 + GCM_TAG) <= MAX_RUN_BYTES
    assert len(runs) == 2
