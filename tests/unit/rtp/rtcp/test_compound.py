"""Compound packets: framing, padding, and types that are not interpreted."""

from __future__ import annotations

import pytest

from sidecar.rtp.errors import RtpError
from sidecar.rtp.rtcp import (
    PictureLossIndication,
    ReceiverReport,
    SdesChunk,
    SourceDescription,
    UnknownRtcp,
    parse_rtcp,
)

EMPTY_RR = "80c90001 00000001"
SDES = "81ca0002 00000001 01016100"
PLI = "81ce0002 00000001 00000002"
COMPOUND = bytes.fromhex(EMPTY_RR + SDES + PLI)


def test_compound() -> None:
    packets = parse_rtcp(COMPOUND)
    assert packets == [
        ReceiverReport(1),
        SourceDescription((SdesChunk(1, "a"),)),
        PictureLossIndication(1, 2),
    ]
    assert b"".join(packet.to_bytes() for packet in packets) == COMPOUND


def test_reduced_size() -> None:
    assert parse_rtcp(bytes.fromhex(PLI)) == [PictureLossIndication(1, 2)]


def test_every_truncation_between_packets_parses_and_no_other_does() -> None:
    for length in range(len(COMPOUND)):
        if length in (8, 20):
            assert len(parse_rtcp(COMPOUND[:length])) == (1 if length == 8 else 2)
        else:
            with pytest.raises(RtpError):
                parse_rtcp(COMPOUND[:length])


@pytest.mark.parametrize("garbage", ["00", "000000", "00000000", "ffffffff", "80c90001"])
def test_trailing_garbage(garbage: str) -> None:
    with pytest.raises(RtpError):
        parse_rtcp(COMPOUND + bytes.fromhex(garbage))


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ("00c90001 00000001", "version"),
        ("40c90001 00000001", "version"),
        ("c0c90001 00000001", "version"),
        ("80600001 00000001", "type"),
        ("80bf0001 00000001", "type"),
        ("80e00001 00000001", "type"),
    ],
)
def test_invalid_header(data: str, complaint: str) -> None:
    with pytest.raises(RtpError, match=complaint):
        parse_rtcp(bytes.fromhex(data))


@pytest.mark.parametrize(
    ("data", "body"),
    [
        ("a0cf0001 00000004", ""),
        ("a0cf0002 11111111 00000004", "11111111"),
        ("a0cf0001 11111101", "111111"),
        ("a0cf0001 11000003", "11"),
    ],
)
def test_padding_is_excluded(data: str, body: str) -> None:
    assert parse_rtcp(bytes.fromhex(data)) == [UnknownRtcp(207, 0, bytes.fromhex(body))]


@pytest.mark.parametrize(
    "data", ["a0cf0001 00000000", "a0cf0001 00000005", "a0cf0000", "a0cf0001 000000ff"]
)
def test_invalid_padding(data: str) -> None:
    with pytest.raises(RtpError, match="padding"):
        parse_rtcp(bytes.fromhex(data))


def test_padding_before_the_last_packet_is_tolerated() -> None:
    packets = parse_rtcp(bytes.fromhex("a0cf0001 11111101" + EMPTY_RR))
    assert packets == [UnknownRtcp(207, 0, b"\x11\x11\x11"), ReceiverReport(1)]


@pytest.mark.parametrize(
    ("data", "packet"),
    [
        pytest.param("80cf0001 00000001", UnknownRtcp(207, 0, bytes.fromhex("00000001")), id="XR"),
        pytest.param(
            "85cc0002 00000001 6e616d65", UnknownRtcp(204, 5, b"\x00\x00\x00\x01name"), id="APP"
        ),
        pytest.param("82cd0000", UnknownRtcp(205, 2, b""), id="RTPFB with unknown FMT"),
        pytest.param("9fce0000", UnknownRtcp(206, 31, b""), id="PSFB with unknown FMT"),
        pytest.param("8fce0000", UnknownRtcp(206, 15, b""), id="empty application feedback"),
        pytest.param(
            "8fce0003 00000001 00000000 4d494e45",
            UnknownRtcp(206, 15, b"\x00\x00\x00\x01\x00\x00\x00\x00MINE"),
            id="application feedback that is no REMB",
        ),
    ],
)
def test_unknown_types(data: str, packet: UnknownRtcp) -> None:
    assert parse_rtcp(bytes.fromhex(data)) == [packet]
    assert packet.to_bytes() == bytes.fromhex(data)


def test_unknown_body_is_padded_to_words() -> None:
    packet = UnknownRtcp(207, 0, b"\x11")
    assert packet.to_bytes() == bytes.fromhex("a0cf0001 11000003")


@pytest.mark.parametrize(
    "packet",
    [UnknownRtcp(207, 32, b""), UnknownRtcp(256, 0, b""), UnknownRtcp(207, 0, bytes(2**18))],
)
def test_unknown_refuses_what_does_not_fit(packet: UnknownRtcp) -> None:
    with pytest.raises(ValueError, match=r"fit|range"):
        packet.to_bytes()
