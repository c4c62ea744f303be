"""Sender and receiver reports."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sidecar.rtp.errors import RtpError
from sidecar.rtp.rtcp import ReceiverReport, ReportBlock, SenderReport, parse_rtcp

# The reports of the round-trip example of RFC 3550, section 6.4.1, figure 2.
RFC_SR = bytes.fromhex("80c80006 00000001 b44db705 20000000 00000bb8 0000000a 000003e8")
RFC_RR = bytes.fromhex("81c90007 00000002 00000001 40000005 00012345 00000010 b7052000 00054000")
RFC_BLOCK = ReportBlock(
    ssrc=1,
    fraction_lost=64,
    packets_lost=5,
    highest_sequence=0x12345,
    jitter=16,
    last_sr=0xB7052000,
    delay_since_last_sr=0x00054000,
)


def test_sender_report() -> None:
    report = SenderReport(
        ssrc=1,
        ntp_timestamp=0xB44DB705_20000000,
        rtp_timestamp=3000,
        packet_count=10,
        octet_count=1000,
    )
    assert parse_rtcp(RFC_SR) == [report]
    assert report.to_bytes() == RFC_SR


def test_receiver_report() -> None:
    report = ReceiverReport(2, (RFC_BLOCK,))
    assert parse_rtcp(RFC_RR) == [report]
    assert report.to_bytes() == RFC_RR


def test_sender_report_with_blocks() -> None:
    report = SenderReport(1, 2, 3, 4, 5, (RFC_BLOCK, replace(RFC_BLOCK, ssrc=9)))
    data = report.to_bytes()
    assert data[:4] == bytes.fromhex("82c80012")
    assert data[28:52] == RFC_RR[8:]
    assert parse_rtcp(data) == [report]


@pytest.mark.parametrize(
    ("packets_lost", "encoded"),
    [(0, "000000"), (-1, "ffffff"), (0x7FFFFF, "7fffff"), (-0x800000, "800000")],
)
def test_packets_lost_is_signed(packets_lost: int, encoded: str) -> None:
    block = replace(RFC_BLOCK, packets_lost=packets_lost)
    data = ReceiverReport(2, (block,)).to_bytes()
    assert data[13:16] == bytes.fromhex(encoded)
    assert parse_rtcp(data) == [ReceiverReport(2, (block,))]


def test_largest_field_values() -> None:
    block = ReportBlock(2**32 - 1, 255, 0x7FFFFF, 2**32 - 1, 2**32 - 1, 2**32 - 1, 2**32 - 1)
    report = SenderReport(
        2**32 - 1, 2**64 - 1, 2**32 - 1, 2**32 - 1, 2**32 - 1, reports=(block,) * 31
    )
    assert parse_rtcp(report.to_bytes()) == [report]


def test_profile_specific_extensions_are_tolerated() -> None:
    (rr,) = parse_rtcp(bytes.fromhex("80c90003 00000002 aaaaaaaa bbbbbbbb"))
    assert rr == ReceiverReport(2)
    (sr,) = parse_rtcp(bytes.fromhex("80c80007") + RFC_SR[4:] + bytes(4))
    assert sr == parse_rtcp(RFC_SR)[0]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param("80c80005 00000001 b44db705 20000000 00000bb8 0000000a", id="SR: sender info"),
        pytest.param("80c80000", id="SR: empty"),
        pytest.param("80c90000", id="RR: empty"),
        pytest.param("81c90001 00000002", id="RR: block missing"),
        pytest.param(
            "81c90006 00000002 00000001 40000005 00012345 00000010 b7052000", id="RR: half a block"
        ),
        pytest.param(
            "82c90007 00000002 00000001 40000005 00012345 00000010 b7052000 00054000",
            id="RR: second block missing",
        ),
    ],
)
def test_truncated(data: str) -> None:
    with pytest.raises(RtpError, match="truncated"):
        parse_rtcp(bytes.fromhex(data))


@pytest.mark.parametrize(
    "report",
    [
        ReceiverReport(2**32),
        ReceiverReport(-1),
        ReceiverReport(1, (RFC_BLOCK,) * 32),
        ReceiverReport(1, (replace(RFC_BLOCK, fraction_lost=256),)),
        ReceiverReport(1, (replace(RFC_BLOCK, packets_lost=0x800000),)),
        ReceiverReport(1, (replace(RFC_BLOCK, packets_lost=-0x800001),)),
        SenderReport(1, 2**64, 0, 0, 0),
        SenderReport(1, 0, 2**32, 0, 0),
    ],
)
def test_refuses_what_does_not_fit(report: SenderReport | ReceiverReport) -> None:
    with pytest.raises(ValueError, match=r"fit|range") as caught:
        report.to_bytes()
    assert not isinstance(caught.value, RtpError)
