"""What is read of a header extension, whatever the packet before looked like."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.rtp.errors import RtpError
from sidecar.rtp.header_extensions import build_extension_block, parse_extensions
from sidecar.rtp.packet import RtpPacket, build_rtp, parse_rtp
from sidecar.sfu.extension_reader import ExtensionReader

NUMBER, LEVEL, ORIENTATION, OTHER = 3, 4, 5, 6
IDS = {LEVEL: 10, ORIENTATION: 11}

Elements = list[tuple[int, bytes]]


def packet_with(block: bytes) -> RtpPacket:
    data = build_rtp(
        payload_type=96,
        sequence_number=1,
        timestamp=2,
        ssrc=3,
        # Looks like more elements, to whoever reads beyond the extension.
        payload=b"\x30\xff\x31\xff\xff" * 4,
        extensions=block,
    )
    return parse_rtp(data)


def packet_of(elements: Elements) -> RtpPacket:
    return packet_with(build_extension_block(elements))


def number(value: int) -> tuple[int, bytes]:
    return NUMBER, value.to_bytes(2, "big")


@pytest.fixture
def reader() -> ExtensionReader:
    return ExtensionReader(IDS, NUMBER)


def test_the_number_is_read_and_what_goes_on_gets_its_other_id(reader: ExtensionReader) -> None:
    for value in (0, 7, 0xFFFF):
        level = bytes((value & 0x7F,))
        packet = packet_of([(OTHER, b"abc"), number(value), (LEVEL, level), (ORIENTATION, b"\x01")])
        assert reader.read(packet) == (value, [(10, level), (11, b"\x01")])


def test_what_is_laid_out_alike_is_not_looked_at_anew(
    reader: ExtensionReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader.read(packet_of([number(7), (LEVEL, b"\x01")]))
    monkeypatch.setattr("sidecar.sfu.extension_reader.locate_extensions", None)
    assert reader.read(packet_of([number(8), (LEVEL, b"\xfe")])) == (8, [(10, b"\xfe")])


def test_without_an_extension_there_is_nothing(reader: ExtensionReader) -> None:
    for elements in ([], [number(7), (LEVEL, b"\x01")], []):
        expected = (7, [(10, b"\x01")]) if elements else (-1, ())
        assert reader.read(packet_of(elements)) == expected


def test_a_stream_without_transport_wide_numbers_has_none() -> None:
    reader = ExtensionReader(IDS, -1)
    assert reader.read(packet_of([number(7), (LEVEL, b"\x01")])) == (-1, [(10, b"\x01")])


@pytest.mark.parametrize("value", [b"\x07", b"\x00\x07\x00"])
def test_a_number_of_another_size_is_malformed_each_time(
    reader: ExtensionReader, value: bytes
) -> None:
    for _ in range(2):
        with pytest.raises(RtpError, match="two bytes"):
            reader.read(packet_of([(NUMBER, value)]))
    assert reader.read(packet_of([number(9)])) == (9, ())


@pytest.mark.parametrize("block", ["bede0001 3100074f", "10000001 03030007"])
def test_what_is_truncated_is_malformed_also_after_what_is_not(
    reader: ExtensionReader, block: str
) -> None:
    truncated = packet_with(bytes.fromhex(block))
    for _ in range(2):
        reader.read(packet_of([number(9)]))
        with pytest.raises(RtpError, match="truncated"):
            reader.read(truncated)


def expected_of(packet: RtpPacket) -> tuple[int, Elements]:
    """The same by looking at all elements of a packet."""
    elements = parse_extensions(packet)
    numbers = [int.from_bytes(value, "big") for each, value in elements if each == NUMBER]
    kept = [(IDS[each], value) for each, value in elements if each in IDS]
    return (numbers[-1] if numbers else -1), kept


one_byte_values = st.binary(min_size=1, max_size=5)
elements_lists = st.lists(
    st.one_of(
        st.integers(0, 0xFFFF).map(number),
        st.tuples(st.sampled_from([LEVEL, ORIENTATION, OTHER, 14]), one_byte_values),
        st.tuples(st.sampled_from([LEVEL, 15, 200]), st.binary(max_size=20)),
    ),
    max_size=4,
)
bodies = st.lists(
    st.sampled_from(
        [b"\0", b"\0\0\0\0", b"\x31\x00\x07", b"\x40\x01", b"\x52abc", b"\x03\x02\x01\x02"]
    ),
    max_size=5,
).map(b"".join)
raw_blocks = st.builds(
    lambda profile, body: (
        profile + ((len(body) + 3) // 4).to_bytes(2, "big") + body + bytes(-len(body) % 4)
    ),
    st.sampled_from([b"\xbe\xde", b"\x10\x00", b"\x10\x01", b"\0\0", b"\x12\x34"]),
    bodies,
)


@given(st.lists(st.one_of(elements_lists.map(build_extension_block), raw_blocks), max_size=12))
def test_one_packet_after_the_other_is_read_as_if_it_were_the_first(blocks: list[bytes]) -> None:
    reader = ExtensionReader(IDS, NUMBER)
    for block in blocks:
        packet = packet_with(block)
        try:
            sequence, elements = reader.read(packet)
        except RtpError:
            with pytest.raises(RtpError):
                ExtensionReader(IDS, NUMBER).read(packet)
        else:
            assert (sequence, list(elements)) == expected_of(packet)
