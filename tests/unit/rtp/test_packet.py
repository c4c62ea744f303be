"""RTP packets: fixtures with their truncated and invalid twins, and the way back."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.rtp.errors import RtpError
from sidecar.rtp.packet import build_rtp, is_rtcp, parse_rtp

PLAIN = bytes.fromhex("80 ef 3039 00000bb8 deadbeef 010203")
WITH_CSRCS = bytes.fromhex("82 60 0001 00000002 00000003 aaaaaaaa bbbbbbbb 99")
WITH_EXTENSION = bytes.fromhex("90 60 0001 00000002 00000003 bede0001 10aa0000 99")
WITH_CSRC_EXTENSION_PADDING = bytes.fromhex(
    "b1 60 0001 00000002 00000003 cccccccc 10000001 0101aa00 7788 000003"
)
PADDING_ONLY = bytes.fromhex("a0 60 0001 00000002 00000003 00000004")


def test_plain() -> None:
    packet = parse_rtp(PLAIN)
    assert packet.data is PLAIN
    assert packet.marker is True
    assert packet.payload_type == 111
    assert packet.sequence_number == 12345
    assert packet.timestamp == 3000
    assert packet.ssrc == 0xDEADBEEF
    assert packet.extension_profile == 0
    assert packet.extension_start == 12
    assert (packet.payload_start, packet.payload_end) == (12, 15)
    assert packet.padding_bytes == 0
    assert packet.payload == b"\x01\x02\x03"
    assert not packet.is_padding_only


def test_largest_field_values() -> None:
    packet = parse_rtp(bytes.fromhex("80 ff ffff ffffffff ffffffff"))
    assert packet.marker is True
    assert packet.payload_type == 127
    assert packet.sequence_number == 0xFFFF
    assert packet.timestamp == 0xFFFFFFFF
    assert packet.ssrc == 0xFFFFFFFF
    assert packet.payload == b""
    assert not packet.is_padding_only


def test_contributing_sources_are_skipped() -> None:
    packet = parse_rtp(WITH_CSRCS)
    assert packet.marker is False
    assert packet.extension_start == packet.payload_start == 20
    assert packet.payload == b"\x99"


def test_extension() -> None:
    packet = parse_rtp(WITH_EXTENSION)
    assert packet.extension_profile == 0xBEDE
    assert (packet.extension_start, packet.payload_start) == (12, 20)
    assert packet.payload == b"\x99"


def test_extension_without_elements() -> None:
    packet = parse_rtp(bytes.fromhex("90 60 0001 00000002 00000003 bede0000 99"))
    assert packet.extension_profile == 0xBEDE
    assert (packet.extension_start, packet.payload_start) == (12, 16)


def test_contributing_source_extension_and_padding_together() -> None:
    packet = parse_rtp(WITH_CSRC_EXTENSION_PADDING)
    assert packet.extension_profile == 0x1000
    assert (packet.extension_start, packet.payload_start) == (16, 24)
    assert packet.payload == b"\x77\x88"
    assert packet.padding_bytes == 3
    assert not packet.is_padding_only


def test_padding_only() -> None:
    packet = parse_rtp(PADDING_ONLY)
    assert packet.payload == b""
    assert packet.padding_bytes == 4
    assert packet.is_padding_only


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "shorter"),
        (PLAIN[:11], "shorter"),
        (WITH_CSRCS[:19], "header is truncated"),
        (WITH_EXTENSION[:15], "extension is truncated"),
        (WITH_EXTENSION[:19], "header is truncated"),
        (WITH_CSRC_EXTENSION_PADDING[:14], "extension is truncated"),
    ],
)
def test_truncated(data: bytes, complaint: str) -> None:
    with pytest.raises(RtpError, match=complaint):
        parse_rtp(data)


@pytest.mark.parametrize("first", [0x00, 0x40, 0xC0])
def test_invalid_version(first: int) -> None:
    with pytest.raises(RtpError, match="version"):
        parse_rtp(bytes((first,)) + PLAIN[1:])


@pytest.mark.parametrize(
    "data",
    [
        pytest.param("a0 60 0001 00000002 00000003 00000000", id="zero"),
        pytest.param("a0 60 0001 00000002 00000003 00000005", id="longer than the payload"),
        pytest.param("a0 60 0001 00000002 00000003", id="no room for its length"),
        pytest.param("b0 60 0001 00000002 00000003 bede0001 10aa0001", id="only an extension"),
    ],
)
def test_invalid_padding(data: str) -> None:
    with pytest.raises(RtpError, match="padding"):
        parse_rtp(bytes.fromhex(data))


def test_repr_names_the_stream_and_not_the_bytes() -> None:
    text = repr(parse_rtp(PLAIN))
    assert "ssrc=3735928559" in text
    assert "sequence_number=12345" in text
    assert "payload_bytes=3" in text


@pytest.mark.parametrize(
    ("second", "expected"),
    [(191, False), (192, True), (200, True), (206, True), (223, True), (224, False), (96, False)],
)
def test_is_rtcp_by_packet_type(second: int, expected: bool) -> None:
    assert is_rtcp(bytes((0x80, second))) is expected


@pytest.mark.parametrize("data", [b"", b"\x80"])
def test_is_rtcp_of_too_little(data: bytes) -> None:
    assert is_rtcp(data) is False


def test_build_plain() -> None:
    assert PLAIN == build_rtp(
        payload_type=111,
        sequence_number=12345,
        timestamp=3000,
        ssrc=0xDEADBEEF,
        payload=b"\x01\x02\x03",
        marker=True,
    )


def test_build_with_extension() -> None:
    assert WITH_EXTENSION == build_rtp(
        payload_type=96,
        sequence_number=1,
        timestamp=2,
        ssrc=3,
        payload=b"\x99",
        extensions=bytes.fromhex("bede0001 10aa0000"),
    )


@pytest.mark.parametrize(("padding_bytes", "tail"), [(1, b"\x01"), (255, bytes(254) + b"\xff")])
def test_build_with_padding(padding_bytes: int, tail: bytes) -> None:
    data = build_rtp(
        payload_type=96,
        sequence_number=1,
        timestamp=2,
        ssrc=3,
        payload=b"\x99",
        padding_bytes=padding_bytes,
    )
    assert data == bytes.fromhex("a0 60 0001 00000002 00000003 99") + tail


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("payload_type", 128),
        ("payload_type", -1),
        ("sequence_number", 0x10000),
        ("timestamp", 0x100000000),
        ("ssrc", -1),
        ("padding_bytes", 256),
        ("padding_bytes", -1),
    ],
)
def test_build_refuses_what_does_not_fit(field: str, value: int) -> None:
    fields: dict[str, Any] = {"payload_type": 96, "sequence_number": 1, "timestamp": 2, "ssrc": 3}
    fields[field] = value
    with pytest.raises(ValueError, match=r"fit|range") as caught:
        build_rtp(payload=b"", **fields)
    assert not isinstance(caught.value, RtpError)
