"""Any bytes give RTCP values or RtpError, and values survive the way out and back."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from sidecar.rtp.errors import RtpError
from sidecar.rtp.rtcp import (
    Bye,
    FirEntry,
    FullIntraRequest,
    GenericNack,
    PictureLossIndication,
    ReceiverEstimatedMaxBitrate,
    ReceiverReport,
    ReportBlock,
    RtcpPacket,
    SdesChunk,
    SenderReport,
    SourceDescription,
    TransportCcFeedback,
    UnknownRtcp,
    parse_rtcp,
)
from tests.fuzz.mutations import mutated

u8 = st.integers(0, 2**8 - 1)
u16 = st.integers(0, 2**16 - 1)
u32 = st.integers(0, 2**32 - 1)
u64 = st.integers(0, 2**64 - 1)
s24 = st.integers(-(2**23), 2**23 - 1)
texts = st.text(max_size=60)

report_blocks = st.builds(ReportBlock, u32, u8, s24, u32, u32, u32, u32)
report_lists = st.lists(report_blocks, max_size=4).map(tuple)
ssrc_lists = st.lists(u32, max_size=5).map(tuple)

sequence_lists = st.builds(
    lambda first, steps: tuple((first + sum(steps[:n])) & 0xFFFF for n in range(len(steps) + 1)),
    u16,
    st.lists(st.integers(1, 40), max_size=30),
)
# Runs, so that the encoder meets every kind of chunk.
deltas = st.one_of(st.none(), st.integers(0, 255), st.integers(-(2**15), 2**15 - 1))
delta_lists = st.lists(st.tuples(deltas, st.integers(1, 20)), min_size=1, max_size=20).map(
    lambda runs: tuple(delta for delta, length in runs for _ in range(length))
)

packets: st.SearchStrategy[RtcpPacket] = st.one_of(
    st.builds(SenderReport, u32, u64, u32, u32, u32, report_lists),
    st.builds(ReceiverReport, u32, report_lists),
    st.builds(SourceDescription, st.lists(st.builds(SdesChunk, u32, texts), max_size=4).map(tuple)),
    st.builds(Bye, ssrc_lists, texts),
    st.builds(GenericNack, u32, u32, sequence_lists),
    st.builds(PictureLossIndication, u32, u32),
    st.builds(
        FullIntraRequest,
        u32,
        st.lists(st.builds(FirEntry, u32, u8), min_size=1, max_size=4).map(tuple),
    ),
    st.builds(
        ReceiverEstimatedMaxBitrate,
        u32,
        st.builds(int.__lshift__, st.integers(2**17, 2**18 - 1), st.integers(0, 63)),
        ssrc_lists,
    ),
    st.builds(TransportCcFeedback, u32, u32, u16, s24, u8, delta_lists),
    st.builds(
        UnknownRtcp,
        st.sampled_from([192, 204, 207, 223]),
        u8.map(lambda n: n & 31),
        st.binary(max_size=20),
    ),
)
compounds = st.lists(packets, min_size=1, max_size=4)


def serialised(values: list[RtcpPacket]) -> bytes:
    return b"".join(value.to_bytes() for value in values)


def canonical(value: RtcpPacket) -> RtcpPacket:
    """A NACK may name a packet twice or out of order; what it asks for is the set."""
    if isinstance(value, GenericNack):
        return replace(value, lost=tuple(sorted(set(value.lost))))
    return value


def check_parser(data: bytes) -> None:
    try:
        values = parse_rtcp(data)
    except RtpError:
        return
    assert values
    again = parse_rtcp(serialised(values))
    assert [canonical(value) for value in again] == [canonical(value) for value in values]


@given(st.binary(max_size=80))
def test_any_bytes(data: bytes) -> None:
    check_parser(data)


@given(
    st.integers(0x80, 0xBF),
    st.sampled_from([200, 201, 202, 203, 205, 206, 207]),
    st.binary(max_size=80),
)
def test_any_body(first: int, payload_type: int, body: bytes) -> None:
    body += bytes(-len(body) % 4)
    check_parser(bytes((first, payload_type, 0, len(body) // 4)) + body)


@given(mutated(compounds.map(serialised)))
def test_mutated_compounds(data: bytes) -> None:
    check_parser(data)


@given(compounds)
def test_round_trip(values: list[RtcpPacket]) -> None:
    assert parse_rtcp(serialised(values)) == values
