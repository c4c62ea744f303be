"""NACK, PLI, FIR and REMB."""

from __future__ import annotations

import pytest

from sidecar.rtp.errors import RtpError
from sidecar.rtp.rtcp import (
    FirEntry,
    FullIntraRequest,
    GenericNack,
    PictureLossIndication,
    ReceiverEstimatedMaxBitrate,
    parse_rtcp,
)


@pytest.mark.parametrize(
    ("lost", "entries"),
    [
        pytest.param((0,), "0000 0000", id="one"),
        pytest.param((1, 2), "0001 0001", id="two in a row"),
        pytest.param((100, 116), "0064 8000", id="last bit of the mask"),
        pytest.param((100, 117), "0064 0000 0075 0000", id="one beyond the mask"),
        pytest.param(tuple(range(127, 127 + 17)), "007f ffff", id="all that fits an entry"),
        pytest.param(tuple(range(127, 127 + 18)), "007f ffff 0090 0000", id="one more than fits"),
        pytest.param((65534, 65535, 0, 1), "fffe 0007", id="across the wrap-around"),
        pytest.param((65535, 0), "ffff 0001", id="from 65535"),
        pytest.param((65535, 15), "ffff 8000", id="last bit across the wrap-around"),
        pytest.param((65535, 16), "ffff 0000 0010 0000", id="beyond the mask, wrapped"),
    ],
)
def test_nack(lost: tuple[int, ...], entries: str) -> None:
    body = bytes.fromhex("00000001 00000002" + entries)
    data = bytes((0x81, 205, 0, len(body) // 4)) + body
    packet = GenericNack(1, 2, lost)
    assert packet.to_bytes() == data
    assert parse_rtcp(data) == [packet]


@pytest.mark.parametrize("first", [0, 1, 127, 128, 32767, 32768, 65519, 65520, 65534, 65535])
@pytest.mark.parametrize("step", [1, 3, 16, 17, 5000])
def test_nack_sweeps_the_wrap_around(first: int, step: int) -> None:
    lost = tuple((first + step * i) & 0xFFFF for i in range(40))
    packet = GenericNack(1, 2, lost)
    assert parse_rtcp(packet.to_bytes()) == [packet]


def test_nack_in_another_order_names_the_same_packets() -> None:
    (packet,) = parse_rtcp(GenericNack(1, 2, (7, 5, 6, 65535)).to_bytes())
    assert isinstance(packet, GenericNack)
    assert sorted(packet.lost) == [5, 6, 7, 65535]


def test_pli() -> None:
    data = bytes.fromhex("81ce0002 00000001 00000002")
    assert parse_rtcp(data) == [PictureLossIndication(1, 2)]
    assert PictureLossIndication(1, 2).to_bytes() == data


def test_fir() -> None:
    data = bytes.fromhex("84ce0006 00000001 00000000 00000002 07000000 00000003 ff000000")
    packet = FullIntraRequest(1, (FirEntry(2, 7), FirEntry(3, 255)))
    assert parse_rtcp(data) == [packet]
    assert packet.to_bytes() == data


@pytest.mark.parametrize(
    ("bitrate_bps", "encoded"),
    [
        (0, "000000"),
        (1, "000001"),
        (262_143, "03ffff"),
        (262_144, "060000"),
        (6_000_000, "16dc6c"),
        (2**63, "ba0000"),
        (0x3FFFF << 63, "ffffff"),
    ],
)
def test_remb(bitrate_bps: int, encoded: str) -> None:
    data = bytes.fromhex(f"8fce0005 00000001 00000000 52454d42 01{encoded} 00000002")
    packet = ReceiverEstimatedMaxBitrate(1, bitrate_bps, (2,))
    assert packet.to_bytes() == data
    assert parse_rtcp(data) == [packet]


def test_remb_rounds_down_to_its_18_bits() -> None:
    (packet,) = parse_rtcp(ReceiverEstimatedMaxBitrate(1, 2_500_001, (2, 3)).to_bytes())
    assert packet == ReceiverEstimatedMaxBitrate(1, 2_500_000, (2, 3))


def test_remb_without_streams() -> None:
    packet = ReceiverEstimatedMaxBitrate(1, 1000, ())
    assert parse_rtcp(packet.to_bytes()) == [packet]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param("81cd0001 00000001", id="NACK: media source missing"),
        pytest.param("81cd0002 00000001 00000002", id="NACK: no entry"),
        pytest.param("a1cd0003 00000001 00000002 00010002", id="NACK: entry cut by padding"),
        pytest.param("81ce0001 00000001", id="PLI: media source missing"),
        pytest.param("81ce0000", id="PLI: empty"),
        pytest.param("84ce0002 00000001 00000000", id="FIR: no entry"),
        pytest.param("84ce0003 00000001 00000000 00000002", id="FIR: half an entry"),
        pytest.param("8fce0003 00000001 00000000 52454d42", id="REMB: bitrate missing"),
        pytest.param("8fce0004 00000001 00000000 52454d42 01000001", id="REMB: source missing"),
        pytest.param(
            "8fce0005 00000001 00000000 52454d42 02000001 00000002", id="REMB: second one missing"
        ),
    ],
)
def test_truncated(data: str) -> None:
    with pytest.raises(RtpError, match="truncated"):
        parse_rtcp(bytes.fromhex(data))


@pytest.mark.parametrize(
    "packet",
    [
        GenericNack(1, 2, ()),
        GenericNack(1, 2, (65536,)),
        GenericNack(2**32, 2, (1,)),
        PictureLossIndication(1, 2**32),
        FullIntraRequest(1, ()),
        FullIntraRequest(1, (FirEntry(2, 256),)),
        ReceiverEstimatedMaxBitrate(1, -1, (2,)),
        ReceiverEstimatedMaxBitrate(1, 1 << 81, (2,)),
        ReceiverEstimatedMaxBitrate(1, 1, (2,) * 256),
    ],
)
def test_refuses_what_does_not_fit(
    packet: GenericNack | PictureLossIndication | FullIntraRequest | ReceiverEstimatedMaxBitrate,
) -> None:
    with pytest.raises(ValueError, match=r"range|names") as caught:
        packet.to_bytes()
    assert not isinstance(caught.value, RtpError)
