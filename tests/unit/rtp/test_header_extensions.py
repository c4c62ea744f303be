"""Header extensions in both forms, and the values inside them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sidecar.rtp.errors import RtpError
from sidecar.rtp.header_extensions import (
    AudioLevel,
    build_extension_block,
    decode_abs_send_time,
    decode_audio_level,
    decode_text,
    encode_abs_send_time,
    encode_audio_level,
    encode_text,
    encode_transport_sequence,
    locate_extensions,
    parse_extensions,
)
from sidecar.rtp.packet import build_rtp, parse_rtp

# The shape of the example of RFC 8285, section 4.2: three elements of 1, 2 and 4
# bytes with padding between and after them.
ONE_BYTE = bytes.fromhex("bede0003 10aa 21bbcc 0000 33 01020304")
# The same of section 4.3: values of 0, 1 and 4 bytes.
TWO_BYTE = bytes.fromhex("10000003 0100 0201 aa 00 0304 01020304 00")


def elements_of(block: str | bytes) -> list[tuple[int, bytes]]:
    extensions = bytes.fromhex(block) if isinstance(block, str) else block
    data = build_rtp(
        payload_type=96,
        sequence_number=1,
        timestamp=2,
        ssrc=3,
        # Looks like one more element, to whoever reads beyond the extension.
        payload=b"\x10\xff",
        extensions=extensions,
    )
    return parse_extensions(parse_rtp(data))


def test_one_byte_form() -> None:
    assert elements_of(ONE_BYTE) == [
        (1, b"\xaa"),
        (2, b"\xbb\xcc"),
        (3, b"\x01\x02\x03\x04"),
    ]


def test_two_byte_form() -> None:
    assert elements_of(TWO_BYTE) == [
        (1, b""),
        (2, b"\xaa"),
        (3, b"\x01\x02\x03\x04"),
    ]


def test_elements_are_located_in_the_packet() -> None:
    header = bytes.fromhex("91 60 0001 00000002 00000003 00000004")  # one contributing source
    packet = parse_rtp(header + ONE_BYTE)
    assert locate_extensions(packet) == [(1, 21, 22), (2, 23, 25), (3, 28, 32)]


def test_two_byte_form_with_application_bits() -> None:
    assert elements_of("100f0001 0102aabb") == [(1, b"\xaa\xbb")]


def test_no_extension() -> None:
    assert elements_of(b"") == []


@pytest.mark.parametrize("block", ["bede0000", "10000000", "bede0001 00000000"])
def test_no_elements(block: str) -> None:
    assert elements_of(block) == []


@pytest.mark.parametrize("block", ["12340001 10aa0000", "00000001 10aa0000", "11000001 0101aa00"])
def test_other_profiles_have_no_elements(block: str) -> None:
    assert elements_of(block) == []


def test_id_15_stops_the_one_byte_form() -> None:
    assert elements_of("bede0002 10aa f0bb 20cc 0000") == [(1, b"\xaa")]


def test_id_15_is_an_id_like_others_in_the_two_byte_form() -> None:
    assert elements_of("10000001 0f01aa00") == [(15, b"\xaa")]


def test_id_0_with_a_length_stops_the_one_byte_form() -> None:
    assert elements_of("bede0002 10aa 01bbcc 20dd 00") == [(1, b"\xaa")]


@pytest.mark.parametrize(
    "block",
    [
        pytest.param("bede0001 10aa0033", id="one-byte: value cut off"),
        pytest.param("bede0001 1faabbcc", id="one-byte: longer than the block"),
        pytest.param("10000001 0101aa02", id="two-byte: length cut off"),
        pytest.param("10000001 0103aabb", id="two-byte: value cut off"),
    ],
)
def test_truncated_elements(block: str) -> None:
    with pytest.raises(RtpError, match="element is truncated"):
        elements_of(block)


def test_build_nothing() -> None:
    assert build_extension_block([]) == b""


@pytest.mark.parametrize(
    ("elements", "block"),
    [
        ([(1, b"\xaa")], "bede0001 10aa0000"),
        ([(14, b"\xaa\xbb\xcc")], "bede0001 e2aabbcc"),
        ([(1, b"\xaa"), (2, b"\xbb\xcc")], "bede0002 10aa21bb cc000000"),
        ([(1, bytes(16))], "bede0005 1f" + "00" * 19),
        ([(1, b"")], "10000001 01000000"),
        ([(15, b"\xaa")], "10000001 0f01aa00"),
        ([(1, b"\xaa"), (255, b"\xbb")], "10000002 0101aaff 01bb0000"),
        ([(1, bytes(17))], "10000005 0111" + "00" * 18),
    ],
)
def test_build_takes_the_shorter_form_that_fits(
    elements: list[tuple[int, bytes]], block: str
) -> None:
    assert build_extension_block(elements) == bytes.fromhex(block)
    assert elements_of(block) == elements


@pytest.mark.parametrize("element", [(0, b"\xaa"), (256, b"\xaa"), (1, bytes(256)), (-1, b"\xaa")])
def test_build_refuses_what_fits_neither_form(element: tuple[int, bytes]) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        build_extension_block([element])


@pytest.mark.parametrize(
    ("time_ns", "value"),
    [
        (0, "000000"),
        (1_000_000_000, "040000"),
        (500_000_000, "020000"),
        (63_999_999_999, "ffffff"),
        (64_000_000_000, "000000"),
        (65_000_000_000, "040000"),
        (10**18 + 250_000_000, "010000"),
    ],
)
def test_abs_send_time(time_ns: int, value: str) -> None:
    assert encode_abs_send_time(time_ns) == bytes.fromhex(value)


def test_abs_send_time_decodes_to_its_resolution() -> None:
    assert decode_abs_send_time(bytes.fromhex("060000")) == 1_500_000_000
    assert decode_abs_send_time(bytes.fromhex("000001")) == 3814


def test_transport_sequence() -> None:
    assert encode_transport_sequence(0x1234) == bytes.fromhex("1234")


@pytest.mark.parametrize(
    ("sequence_number", "value"), [(65534, "fffe"), (65535, "ffff"), (65536, "0000"), (0, "0000")]
)
def test_transport_sequence_wraps(sequence_number: int, value: str) -> None:
    assert encode_transport_sequence(sequence_number) == bytes.fromhex(value)


@pytest.mark.parametrize(
    ("value", "level"),
    [
        ("00", AudioLevel(False, 0)),
        ("80", AudioLevel(True, 0)),
        ("7f", AudioLevel(False, -127)),
        ("9e", AudioLevel(True, -30)),
    ],
)
def test_audio_level(value: str, level: AudioLevel) -> None:
    assert decode_audio_level(bytes.fromhex(value)) == level
    assert encode_audio_level(level) == bytes.fromhex(value)


def test_audio_level_of_two_bytes() -> None:
    assert decode_audio_level(bytes.fromhex("9e00")) == AudioLevel(True, -30)


@pytest.mark.parametrize("level_dbov", [1, -128])
def test_audio_level_out_of_range(level_dbov: int) -> None:
    with pytest.raises(ValueError, match="dBov"):
        encode_audio_level(AudioLevel(False, level_dbov))


def test_text() -> None:
    assert encode_text("0") == b"0"
    assert decode_text(b"video-1") == "video-1"


@pytest.mark.parametrize(
    ("decoder", "value"),
    [
        (decode_abs_send_time, b""),
        (decode_abs_send_time, bytes(4)),
        (decode_audio_level, b""),
        (decode_text, b""),
        (decode_text, b"\xff"),
    ],
)
def test_values_of_the_wrong_shape(decoder: Callable[[bytes], object], value: bytes) -> None:
    with pytest.raises(RtpError):
        decoder(value)
