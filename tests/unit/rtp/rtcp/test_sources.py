"""Source descriptions and goodbyes."""

from __future__ import annotations

import pytest

from sidecar.rtp.errors import RtpError
from sidecar.rtp.rtcp import Bye, SdesChunk, SourceDescription, parse_rtcp


@pytest.mark.parametrize(
    ("data", "chunks"),
    [
        pytest.param("80ca0000", (), id="no chunk"),
        pytest.param("81ca0002 00000001 01016100", (SdesChunk(1, "a"),), id="one null byte"),
        pytest.param(
            "81ca0003 00000001 01026162 00000000", (SdesChunk(1, "ab"),), id="four null bytes"
        ),
        pytest.param("81ca0002 00000001 00000000", (SdesChunk(1, ""),), id="no item"),
        pytest.param(
            "82ca0005 00000001 01036162 63000000 00000002 01017a00",
            (SdesChunk(1, "abc"), SdesChunk(2, "z")),
            id="two chunks",
        ),
        pytest.param(
            "81ca0003 00000001 0102c3a9 00000000",
            (SdesChunk(1, "é"),),
            id="UTF-8",
        ),
    ],
)
def test_source_description(data: str, chunks: tuple[SdesChunk, ...]) -> None:
    packet = SourceDescription(chunks)
    assert parse_rtcp(bytes.fromhex(data)) == [packet]
    assert packet.to_bytes() == bytes.fromhex(data)


def test_other_items_are_skipped() -> None:
    name, cname, private = "0203426f62", "010161", "080401706b76"
    data = bytes.fromhex(f"81ca0005 00000001 {name}{cname}{private} 0000")
    assert parse_rtcp(data) == [SourceDescription((SdesChunk(1, "a"),))]


def test_longest_cname() -> None:
    packet = SourceDescription((SdesChunk(1, "x" * 255),))
    assert parse_rtcp(packet.to_bytes()) == [packet]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param("81ca0000", id="chunk missing"),
        pytest.param("82ca0002 00000001 01016100", id="second chunk missing"),
        pytest.param("81ca0001 00000001", id="items missing"),
        pytest.param("81ca0002 00000001 01026162", id="not terminated"),
        pytest.param("81ca0002 00000001 01036162", id="cname cut off"),
        pytest.param("81ca0002 00000001 02056162", id="other item cut off"),
        pytest.param("81ca0002 00000001 02016101", id="length cut off"),
        pytest.param("81ca0002 00000001 0101ff00", id="no UTF-8"),
    ],
)
def test_invalid_source_description(data: str) -> None:
    with pytest.raises(RtpError):
        parse_rtcp(bytes.fromhex(data))


@pytest.mark.parametrize(
    ("data", "packet"),
    [
        pytest.param("80cb0000", Bye(()), id="nobody"),
        pytest.param("81cb0001 00000001", Bye((1,)), id="one source"),
        pytest.param("82cb0002 00000001 00000002", Bye((1, 2)), id="two sources"),
        pytest.param("81cb0002 00000001 03627965", Bye((1,), "bye"), id="reason of one word"),
        pytest.param("81cb0003 00000001 04646f6e 65000000", Bye((1,), "done"), id="padded reason"),
    ],
)
def test_bye(data: str, packet: Bye) -> None:
    assert parse_rtcp(bytes.fromhex(data)) == [packet]
    assert packet.to_bytes() == bytes.fromhex(data)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param("81cb0000", id="source missing"),
        pytest.param("82cb0001 00000001", id="second source missing"),
        pytest.param("81cb0002 00000001 04627965", id="reason cut off"),
        pytest.param("81cb0002 00000001 03ff7965", id="no UTF-8"),
    ],
)
def test_invalid_bye(data: str) -> None:
    with pytest.raises(RtpError):
        parse_rtcp(bytes.fromhex(data))


@pytest.mark.parametrize(
    "packet",
    [
        SourceDescription((SdesChunk(1, "x" * 256),)),
        SourceDescription((SdesChunk(2**32, "x"),)),
        SourceDescription((SdesChunk(1, "x"),) * 32),
        Bye((1,), "é" * 128),
        Bye((-1,)),
        Bye((1,) * 32),
    ],
)
def test_refuses_what_does_not_fit(packet: SourceDescription | Bye) -> None:
    with pytest.raises(ValueError, match=r"fit|range|longer") as caught:
        packet.to_bytes()
    assert not isinstance(caught.value, RtpError)
