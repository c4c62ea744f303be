"""Transport-wide feedback: every kind of chunk and delta, and the encoder's choices.

The chunks marked "draft" are the examples of
draft-holmer-rmcat-transport-wide-cc-extensions-01, sections 3.1.3 and 3.1.4.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from sidecar.rtp.errors import RtpError
from sidecar.rtp.rtcp import TransportCcFeedback, parse_rtcp
from sidecar.rtp.rtcp.transport_cc import MAX_STATUSES

PACKET = TransportCcFeedback(
    sender_ssrc=1,
    media_ssrc=2,
    base_sequence=3,
    reference_time=4,
    feedback_count=5,
    deltas=(0,),
)


def framed(status_count: int, chunks_and_deltas: str) -> bytes:
    """Frames chunks and deltas as `PACKET` with that many statuses."""
    body = bytes.fromhex("00000001 00000002 0003") + status_count.to_bytes(2, "big")
    body += bytes.fromhex("000004 05" + chunks_and_deltas)
    padding_bytes = -len(body) % 4
    first = 0xAF if padding_bytes else 0x8F
    if padding_bytes:
        body += bytes(padding_bytes - 1) + bytes((padding_bytes,))
    return bytes((first, 205)) + (len(body) // 4).to_bytes(2, "big") + body


def deltas_of(data: bytes) -> tuple[int | None, ...]:
    (packet,) = parse_rtcp(data)
    assert isinstance(packet, TransportCcFeedback)
    assert replace(packet, deltas=(0,)) == PACKET
    return packet.deltas


@pytest.mark.parametrize(
    ("deltas", "encoded"),
    [
        pytest.param((0,), "2001 00", id="run: one small"),
        pytest.param((255, 255), "2002 ffff", id="run: largest small"),
        pytest.param((-1,), "4001 ffff", id="run: smallest negative"),
        pytest.param((256, -32768, 32767), "4003 0100 8000 7fff", id="run: limits of large"),
        pytest.param((None,) * 221, "00dd", id="run: 221 not received (draft)"),
        pytest.param((1,) * 20, "2014" + "01" * 20, id="run: longer than a vector"),
        pytest.param((1,) * 8191, "3fff" + "01" * 8191, id="run: longest"),
        pytest.param((1,) * 8192, "3fff2001" + "01" * 8192, id="run: longest and one"),
        pytest.param(
            (None, 1, 2, 3, 4, 5, None, None, None, 6, 7, 8, None, None),
            "9f1c 0102030405060708",
            id="one bit: (draft)",
        ),
        pytest.param((1, None, 2), "a800 0102", id="one bit: less than a chunk"),
        pytest.param((1, None) * 7 + (2,), "aaaa 2001 01010101010101 02", id="one bit: then a run"),
        pytest.param((None, 1, -1), "c600 01 ffff", id="two bits: less than a chunk"),
        pytest.param(
            (None, 300, 1, 1, 1, None, None),
            "c950 012c 010101",
            id="two bits: a whole chunk",
        ),
        pytest.param(
            (1,) * 8 + (300,), "2008 4001" + "01" * 8 + "012c", id="run up to a large delta"
        ),
    ],
)
def test_chunks(deltas: tuple[int | None, ...], encoded: str) -> None:
    data = framed(len(deltas), encoded)
    assert replace(PACKET, deltas=deltas).to_bytes() == data
    assert deltas_of(data) == deltas


@pytest.mark.parametrize(
    ("status_count", "encoded", "deltas"),
    [
        pytest.param(3, "3fff 010203", (1, 2, 3), id="run longer than announced"),
        pytest.param(2, "bfff 0102", (1, 2), id="one-bit vector longer than announced"),
        pytest.param(1, "dfff 01", (1,), id="reserved symbols beyond what was announced"),
        pytest.param(2, "2000 2002 0102", (1, 2), id="run of none"),
        pytest.param(1, "4001 0005", (5,), id="small delta in two bytes"),
        pytest.param(1, "2001 01 000000000000", (1,), id="zero padding without the padding bit"),
    ],
)
def test_what_other_encoders_may_send(
    status_count: int, encoded: str, deltas: tuple[int, ...]
) -> None:
    assert deltas_of(framed(status_count, encoded)) == deltas


@pytest.mark.parametrize(
    ("status_count", "encoded", "complaint"),
    [
        (0, "", "empty"),
        (1, "", "chunk is truncated"),
        (15, "8000", "chunk is truncated"),
        (8192, "1fff", "chunk is truncated"),
        (1, "2001", "delta is truncated"),
        (2, "4002 000100", "delta is truncated"),
        (24, "6018", "reserved"),
        (7, "ffff", "reserved"),
    ],
)
def test_invalid(status_count: int, encoded: str, complaint: str) -> None:
    with pytest.raises(RtpError, match=complaint):
        parse_rtcp(framed(status_count, encoded))


def test_truncated_header() -> None:
    with pytest.raises(RtpError, match="truncated"):
        parse_rtcp(bytes.fromhex("8fcd0003 00000001 00000002 00030001"))


@pytest.mark.parametrize("reference_time", [0, 1, -1, 0x7FFFFF, -0x800000])
def test_reference_time_is_signed(reference_time: int) -> None:
    packet = replace(PACKET, reference_time=reference_time)
    assert parse_rtcp(packet.to_bytes()) == [packet]


@pytest.mark.parametrize("base_sequence", [0, 1, 127, 65534, 65535])
def test_base_sequence_near_the_wrap_around(base_sequence: int) -> None:
    packet = replace(PACKET, base_sequence=base_sequence, deltas=(1, None, 300, 2))
    assert parse_rtcp(packet.to_bytes()) == [packet]


def test_as_many_packets_as_can_be_said() -> None:
    packet = replace(PACKET, deltas=(None, 1, -1) * 2730)
    assert parse_rtcp(packet.to_bytes()) == [packet]


def test_a_few_bytes_do_not_become_a_list_of_many_thousands() -> None:
    bomb = replace(PACKET, deltas=(None,) * (MAX_STATUSES + 1))
    with pytest.raises(RtpError, match="too many"):
        parse_rtcp(bomb.to_bytes())


@pytest.mark.parametrize(
    "packet",
    [
        replace(PACKET, deltas=()),
        replace(PACKET, deltas=(32768,)),
        replace(PACKET, deltas=(-32769,)),
        replace(PACKET, deltas=(None,) * 65536),
        replace(PACKET, base_sequence=65536),
        replace(PACKET, reference_time=0x800000),
        replace(PACKET, reference_time=-0x800001),
        replace(PACKET, feedback_count=256),
    ],
)
def test_refuses_what_does_not_fit(packet: TransportCcFeedback) -> None:
    with pytest.raises(ValueError, match=r"fit|range|at least one") as caught:
        packet.to_bytes()
    assert not isinstance(caught.value, RtpError)
