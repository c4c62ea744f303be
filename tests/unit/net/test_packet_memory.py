from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from sidecar.net.limits import MAX_PACKETS, MAX_RTP_BYTES
from sidecar.net.packet_memory import MAX_RUN_BYTES, Layout, PacketMemory, Run, equal_runs
from sidecar.net.srtp import PROFILES

GCM_TAG, CM_TAG = 16, 10


def packets(*sizes: int) -> list[bytes]:
    return [bytes([index + 1]) * size for index, size in enumerate(sizes)]


def contents(layout: Layout, tag_bytes: int) -> list[bytes]:
    """The packets where libsrtp would find them."""
    return [bytes(each[: len(each) - tag_bytes]) for each in layout.datagrams]


def sizes(runs: Sequence[Run]) -> list[list[int]]:
    return [[len(each) for each in run.datagrams] for run in runs]


@pytest.fixture
def memory() -> PacketMemory:
    return PacketMemory()


def test_equal_packets_lie_in_one_piece(memory: PacketMemory) -> None:
    layout = memory.load(packets(1100, 1100, 400), GCM_TAG)
    assert contents(layout, GCM_TAG) == packets(1100, 1100, 400)
    (run,) = layout.runs
    (buffer,) = run.buffers
    assert bytes(buffer) == b"".join(map(bytes, run.datagrams))
    assert run.segment_bytes == 1116


def test_packets_that_alignment_keeps_apart_are_sent_in_pieces(memory: PacketMemory) -> None:
    layout = memory.load(packets(1101, 1101), GCM_TAG)
    (run,) = layout.runs
    assert [len(each) for each in run.buffers] == [1117, 1117]
    starts = [int(pointer - memory.pointer) for pointer in layout.pointers]
    assert all(start % 4 == 0 for start in starts)


def test_the_size_of_each_packet_is_set_anew_each_time(memory: PacketMemory) -> None:
    for _ in range(2):
        layout = memory.load(packets(100, 100, 60), GCM_TAG)
        assert [length[0] for length in layout.lengths] == [100, 100, 60]
        layout.lengths[0][0] = 116  # as libsrtp does


def test_what_follows_from_the_sizes_is_worked_out_once(memory: PacketMemory) -> None:
    first = memory.load(packets(100, 100), GCM_TAG)
    assert memory.load(packets(100, 100), GCM_TAG) is first
    assert memory.load(packets(100, 100), CM_TAG) is not first
    for size in range(100):
        memory.load(packets(size + 1), GCM_TAG)
    assert sizes(memory.load(packets(100, 100), GCM_TAG).runs) == [[116, 116]]


def test_the_largest_packets_fit(memory: PacketMemory) -> None:
    assert {profile.tag_bytes for profile in PROFILES} == {GCM_TAG, CM_TAG}
    full = packets(*[MAX_RTP_BYTES] * MAX_PACKETS)
    assert contents(memory.load(full, GCM_TAG), GCM_TAG) == full


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("tag_bytes", [GCM_TAG, CM_TAG])
def test_order_and_content_are_kept_whatever_the_sizes(
    tag_bytes: int, seed: int, memory: PacketMemory
) -> None:
    rng = random.Random(seed)
    some = packets(*(rng.choice([60, 1100, 1101, 1102]) for _ in range(MAX_PACKETS)))
    layout = memory.load(some, tag_bytes)
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
