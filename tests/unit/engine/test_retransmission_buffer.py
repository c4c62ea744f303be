from __future__ import annotations

import pytest

from sidecar.engine.retransmission_buffer import RetransmissionBuffer

STARTS = [65536 + start for start in (0, 1, 127, 32767, 32768, 65534, 65535)]


@pytest.fixture
def buffer() -> RetransmissionBuffer[str]:
    return RetransmissionBuffer(8, 1000)


@pytest.mark.parametrize("start", STARTS)
def test_last_packets_are_kept(buffer: RetransmissionBuffer[str], start: int) -> None:
    for seq in range(start, start + 20):
        buffer.store(seq, f"packet {seq}", 0)
    assert [seq for seq in range(start - 8, start + 30) if buffer.get(seq, 0)] == list(
        range(start + 12, start + 20)
    )
    assert buffer.get(start + 15, 0) == f"packet {start + 15}"


def test_never_stored_packet_is_missing(buffer: RetransmissionBuffer[str]) -> None:
    buffer.store(70_000, "a", 0)
    buffer.store(70_002, "c", 0)
    assert buffer.get(70_001, 0) is None


def test_old_packet_is_not_given_out(buffer: RetransmissionBuffer[str]) -> None:
    buffer.store(70_000, "a", 0)
    assert buffer.get(70_000, 1000) == "a"
    assert buffer.get(70_000, 1001) is None
    assert buffer.peek(70_000) == "a"
    buffer.store(70_008, "b", 1001)
    assert buffer.peek(70_000) is None


def test_late_packet_fills_its_place(buffer: RetransmissionBuffer[str]) -> None:
    buffer.store(70_002, "c", 0)
    buffer.store(70_001, "b", 0)
    assert buffer.get(70_001, 0) == "b"


def test_very_late_packet_does_not_replace_a_newer_one(buffer: RetransmissionBuffer[str]) -> None:
    buffer.store(70_008, "new", 0)
    buffer.store(70_000, "old", 0)
    assert buffer.get(70_008, 0) == "new"
    assert buffer.get(70_000, 0) is None


@pytest.mark.parametrize("capacity", [-8, 0, 3, 1000])
def test_capacity_must_be_a_power_of_two(capacity: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        RetransmissionBuffer[str](capacity, 1000)


def test_nothing_is_left_when_it_was_cleared(buffer: RetransmissionBuffer[str]) -> None:
    for seq in range(70_000, 70_008):
        buffer.store(seq, "old", 0)
    buffer.clear()
    assert all(buffer.peek(seq) is None for seq in range(70_000, 70_008))
    buffer.store(70_003, "new", 0)
    assert buffer.get(70_003, 0) == "new"
