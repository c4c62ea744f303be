from __future__ import annotations

import pytest

from sidecar.engine import rtx
from sidecar.rtp.errors import RtpError
from sidecar.rtp.header_extensions import build_extension_block, parse_extensions
from sidecar.rtp.packet import build_rtp, parse_rtp


@pytest.mark.parametrize("sequence_number", [0, 1, 127, 32767, 32768, 65534, 65535])
@pytest.mark.parametrize("marker", [False, True])
def test_packet_survives_the_round_trip(sequence_number: int, marker: bool) -> None:
    original = build_rtp(
        payload_type=101,
        sequence_number=sequence_number,
        timestamp=0xDEADBEEF,
        ssrc=1111,
        payload=b"picture",
        marker=marker,
        extensions=build_extension_block([(4, b"abc")]),
    )
    retransmission = rtx.encapsulate(
        original,
        parse_rtp(original).payload_start,
        payload_type=102,
        sequence_number=77,
        ssrc=2222,
    )
    packet = parse_rtp(retransmission)
    assert (packet.payload_type, packet.sequence_number, packet.ssrc) == (102, 77, 2222)
    assert packet.payload == sequence_number.to_bytes(2, "big") + b"picture"
    assert rtx.decapsulate(packet, 101, 1111).data == original


def test_extensions_and_marker_and_timestamp_are_kept() -> None:
    retransmission = build_rtp(
        payload_type=102,
        sequence_number=5,
        timestamp=3000,
        ssrc=2222,
        payload=b"\x12\x34picture",
        marker=True,
        extensions=build_extension_block([(4, b"abc")]),
    )
    packet = rtx.decapsulate(parse_rtp(retransmission), 101, 1111)
    assert packet.sequence_number == 0x1234
    assert (packet.marker, packet.timestamp, packet.payload) == (True, 3000, b"picture")
    assert parse_extensions(packet) == [(4, b"abc")]


def test_padding_of_the_retransmission_is_dropped() -> None:
    retransmission = build_rtp(
        payload_type=102,
        sequence_number=5,
        timestamp=0,
        ssrc=2222,
        payload=b"\x12\x34picture",
        padding_bytes=9,
    )
    packet = rtx.decapsulate(parse_rtp(retransmission), 101, 1111)
    assert (packet.payload, packet.padding_bytes) == (b"picture", 0)


@pytest.mark.parametrize(("payload", "padding_bytes"), [(b"", 0), (b"", 200), (b"\x01", 3)])
def test_probe_without_an_original_is_an_error(payload: bytes, padding_bytes: int) -> None:
    probe = build_rtp(
        payload_type=102,
        sequence_number=5,
        timestamp=0,
        ssrc=2222,
        payload=payload,
        padding_bytes=padding_bytes,
    )
    with pytest.raises(RtpError):
        rtx.decapsulate(parse_rtp(probe), 101, 1111)
