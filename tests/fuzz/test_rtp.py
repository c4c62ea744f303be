"""Any bytes give an RTP packet or RtpError, and what was built is what is parsed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.rtp import h264, header_extensions, vp8
from sidecar.rtp.errors import RtpError
from sidecar.rtp.header_extensions import build_extension_block, parse_extensions
from sidecar.rtp.packet import build_rtp, is_rtcp, parse_rtp
from tests.fuzz.mutations import mutated

one_byte_elements = st.tuples(st.integers(1, 14), st.binary(min_size=1, max_size=16))
two_byte_elements = st.tuples(st.integers(1, 255), st.binary(max_size=255))
element_lists = st.one_of(
    st.lists(one_byte_elements, max_size=6), st.lists(two_byte_elements, max_size=6)
)

valid_packets = st.builds(
    build_rtp,
    payload_type=st.integers(0, 127),
    sequence_number=st.integers(0, 2**16 - 1),
    timestamp=st.integers(0, 2**32 - 1),
    ssrc=st.integers(0, 2**32 - 1),
    payload=st.binary(max_size=40),
    marker=st.booleans(),
    extensions=element_lists.map(build_extension_block),
    padding_bytes=st.integers(0, 255),
)


def check_parser(data: bytes) -> None:
    is_rtcp(data)
    try:
        packet = parse_rtp(data)
    except RtpError:
        return
    assert 12 <= packet.extension_start <= packet.payload_start
    assert packet.payload_start <= packet.payload_end
    assert packet.payload_end + packet.padding_bytes == len(data)
    assert packet.payload == data[packet.payload_start : packet.payload_end]
    try:
        elements = parse_extensions(packet)
    except RtpError:
        return
    extension_bytes = packet.payload_start - packet.extension_start
    assert sum(1 + len(value) for _, value in elements) <= extension_bytes


@given(st.binary(max_size=80))
def test_any_bytes(data: bytes) -> None:
    check_parser(data)


@given(mutated(valid_packets))
def test_mutated_packets(data: bytes) -> None:
    check_parser(data)


@given(
    payload_type=st.integers(0, 127),
    sequence_number=st.integers(0, 2**16 - 1),
    timestamp=st.integers(0, 2**32 - 1),
    ssrc=st.integers(0, 2**32 - 1),
    payload=st.binary(max_size=40),
    marker=st.booleans(),
    elements=element_lists,
    padding_bytes=st.integers(0, 255),
)
def test_round_trip(
    payload_type: int,
    sequence_number: int,
    timestamp: int,
    ssrc: int,
    payload: bytes,
    marker: bool,
    elements: list[tuple[int, bytes]],
    padding_bytes: int,
) -> None:
    packet = parse_rtp(
        build_rtp(
            payload_type=payload_type,
            sequence_number=sequence_number,
            timestamp=timestamp,
            ssrc=ssrc,
            payload=payload,
            marker=marker,
            extensions=build_extension_block(elements),
            padding_bytes=padding_bytes,
        )
    )
    assert packet.payload_type == payload_type
    assert packet.sequence_number == sequence_number
    assert packet.timestamp == timestamp
    assert packet.ssrc == ssrc
    assert packet.payload == payload
    assert packet.marker is marker
    assert parse_extensions(packet) == elements
    assert packet.padding_bytes == padding_bytes


@pytest.mark.parametrize("form", ["one-byte", "two-byte"])
@given(body=st.binary(max_size=60))
def test_any_extension(form: str, body: bytes) -> None:
    body += bytes(-len(body) % 4)
    profile = 0xBEDE if form == "one-byte" else 0x1000
    block = profile.to_bytes(2, "big") + (len(body) // 4).to_bytes(2, "big") + body
    check_parser(
        build_rtp(
            payload_type=96,
            sequence_number=0,
            timestamp=0,
            ssrc=0,
            payload=b"\x11" * 20,
            extensions=block,
        )
    )


@pytest.mark.parametrize(
    "decoder",
    [
        header_extensions.decode_abs_send_time,
        header_extensions.decode_audio_level,
        header_extensions.decode_text,
    ],
)
@given(value=st.binary(max_size=16))
def test_any_extension_value(decoder: Callable[[bytes], object], value: bytes) -> None:
    try:
        decoder(value)
    except RtpError:
        return


@given(st.integers(0, 2**80))
def test_abs_send_time_is_exact_to_its_resolution(time_ns: int) -> None:
    value = header_extensions.encode_abs_send_time(time_ns)
    lost_ns = (time_ns - header_extensions.decode_abs_send_time(value)) % 64_000_000_000
    assert lost_ns <= 3815


# The bytes that choose a path in either inspector, and noise.
payload_starts = st.sampled_from(
    [bytes.fromhex(start) for start in ("", "78", "7c", "67", "90", "90f0", "9080", "10")]
)
payloads = st.builds(bytes.__add__, payload_starts, st.binary(max_size=40))


@pytest.mark.parametrize("starts_key_frame", [h264.starts_key_frame, vp8.starts_key_frame])
@given(before=st.binary(max_size=4), payload=payloads, after=st.binary(max_size=4))
def test_key_frame_inspection_never_raises_and_sees_the_payload_only(
    starts_key_frame: Callable[[bytes, int, int], bool],
    before: bytes,
    payload: bytes,
    after: bytes,
) -> None:
    start, end = len(before), len(before) + len(payload)
    inside = starts_key_frame(before + payload + after, start, end)
    assert inside is starts_key_frame(payload, 0, len(payload))
