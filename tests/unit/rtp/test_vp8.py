"""Which VP8 payloads begin a key frame; the descriptors are of RFC 7741, section 4.2."""

from __future__ import annotations

import pytest

from sidecar.rtp.vp8 import starts_key_frame

KEY = "50b501 9d012a"  # payload header with P = 0, then the start code
DELTA = "51b501"


@pytest.mark.parametrize(
    "descriptor",
    [
        pytest.param("10", id="mandatory byte only"),
        pytest.param("30", id="non-reference frame"),
        pytest.param("9080 11", id="RFC 7741, section 4.6.1: picture id 17"),
        pytest.param("9080 9234", id="picture id of 15 bits"),
        pytest.param("9000", id="extension byte without fields"),
        pytest.param("9040 05", id="TL0PICIDX"),
        pytest.param("9020 40", id="TID"),
        pytest.param("9010 07", id="KEYIDX"),
        pytest.param("90f0 9234 05 47", id="all fields"),
        pytest.param("90f0 12 05 47", id="all fields, short picture id"),
    ],
)
def test_payload_header_is_found_behind_every_descriptor(descriptor: str) -> None:
    key = bytes.fromhex(descriptor + KEY)
    assert starts_key_frame(key, 0, len(key)) is True
    delta = bytes.fromhex(descriptor + DELTA)
    assert starts_key_frame(delta, 0, len(delta)) is False
    cut_off = bytes.fromhex(descriptor)
    for end in range(len(cut_off) + 1):
        assert starts_key_frame(key, 0, end) is False


@pytest.mark.parametrize(
    "descriptor",
    [
        pytest.param("00", id="middle of a partition"),
        pytest.param("11", id="start of the second partition"),
        pytest.param("14", id="start of the fifth partition"),
        pytest.param("8080 11", id="middle of a partition, picture id"),
        pytest.param("9180 11", id="start of the second partition, picture id"),
    ],
)
def test_only_the_start_of_the_first_partition_counts(descriptor: str) -> None:
    data = bytes.fromhex(descriptor + KEY)
    assert starts_key_frame(data, 0, len(data)) is False


def test_looks_at_the_range_only() -> None:
    data = bytes.fromhex("ffff 9080 11 50 00")
    assert starts_key_frame(data, 2, len(data)) is True
    assert starts_key_frame(data, 2, 5) is False
    assert starts_key_frame(data, 0, len(data)) is False
