"""Which H.264 payloads a decoder can start on."""

from __future__ import annotations

import pytest

from sidecar.rtp.h264 import starts_key_frame

SPS = "6742c01f"
PPS = "68ce3c80"
IDR = "6588840a"
DELTA = "419a2211"


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(SPS, id="single SPS"),
        pytest.param("67", id="single SPS of one byte"),
        pytest.param(f"780004{SPS}0004{PPS}", id="STAP-A: SPS, PPS"),
        pytest.param(f"780004{SPS}0004{PPS}0004{IDR}", id="STAP-A: SPS, PPS, IDR"),
        pytest.param(f"78000209f00004{SPS}", id="STAP-A: access unit delimiter, SPS"),
        pytest.param(f"780004{SPS}0005{PPS}", id="STAP-A: SPS before a truncated unit"),
        pytest.param("7c8742c0", id="FU-A: first fragment of an SPS"),
    ],
)
def test_starts(payload: str) -> None:
    data = bytes.fromhex(payload)
    assert starts_key_frame(data, 0, len(data)) is True


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param("", id="empty"),
        pytest.param(IDR, id="bare IDR"),
        pytest.param(PPS, id="PPS"),
        pytest.param(DELTA, id="delta"),
        pytest.param("7c858840", id="FU-A: first fragment of an IDR"),
        pytest.param("7c0742c0", id="FU-A: middle of an SPS"),
        pytest.param("7c4742c0", id="FU-A: end of an SPS"),
        pytest.param("7c", id="FU-A: no header"),
        pytest.param("78", id="STAP-A: empty"),
        pytest.param("7800", id="STAP-A: half a size"),
        pytest.param("780001", id="STAP-A: size without a unit"),
        pytest.param(f"780005{SPS}", id="STAP-A: truncated SPS"),
        pytest.param(f"7800000004{SPS}", id="STAP-A: unit of no bytes"),
        pytest.param(f"780004{PPS}0004{IDR}", id="STAP-A: PPS, IDR"),
        pytest.param(f"79000100{SPS}", id="STAP-B is of another packetization mode"),
    ],
)
def test_does_not_start(payload: str) -> None:
    data = bytes.fromhex(payload)
    assert starts_key_frame(data, 0, len(data)) is False


def test_looks_at_the_range_only() -> None:
    data = bytes.fromhex(f"0000780004{SPS}67")
    assert starts_key_frame(data, 2, len(data) - 1) is True
    assert starts_key_frame(data, 2, len(data) - 2) is False
    assert starts_key_frame(data, 0, len(data)) is False
    assert starts_key_frame(data, len(data) - 1, len(data)) is True
    assert starts_key_frame(data, len(data) - 1, len(data) - 1) is False
