"""What one packet may cost: a bound on the work, in proportion to its length."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.rtp.errors import RtpError
from sidecar.rtp.header_extensions import encode_transport_sequence, parse_extensions
from sidecar.rtp.packet import build_rtp, parse_rtp
from sidecar.rtp.rtcp import (
    Bye,
    FirEntry,
    FullIntraRequest,
    GenericNack,
    PictureLossIndication,
    ReceiverEstimatedMaxBitrate,
    ReceiverReport,
    ReportBlock,
    SdesChunk,
    SourceDescription,
    parse_rtcp,
)
from tests.fuzz.mutations import mutated
from tests.fuzz.test_rtcp import compounds, serialised
from tests.fuzz.test_transport import OWN_SSRCS, Classroom, rtp_packets
from tests.support.work import work_of
from tests.unit.sfu import media
from tests.unit.sfu.support import MS

MAX_DATAGRAM_BYTES: Final = 1452

PARSER: Final = (20_000, 100)
"""Of a parser: in the worst case, and for each byte. The former are the 1000 numbers of a NACK, or
the 8192 statuses of a transport-cc feedback."""

PACKET: Final = (8_000, 45)
"""Of a packet on its way through a transport and a worker, without what is sent to others."""

VIDEO: Final = OWN_SSRCS[0]


def rtcp(payload_type: int, count: int, body: bytes) -> bytes:
    return struct.pack("!BBH", 0x80 | count, payload_type, len(body) // 4) + body


def nack_bomb(packets: int) -> bytes:
    """Names 17 numbers with every four bytes, in so many NACKs."""
    entries = (MAX_DATAGRAM_BYTES // packets - 12) // 4
    body = struct.pack("!II", 1, VIDEO)
    body += b"".join(struct.pack("!HH", 17 * each & 0xFFFF, 0xFFFF) for each in range(entries))
    return rtcp(205, 1, body) * packets


def transport_cc_bomb() -> bytes:
    """65535 statuses: of packets that did not arrive, in runs of 8191."""
    body = struct.pack("!IIHHI", 1, 2, 3, 0xFFFF, 0) + struct.pack("!H", 0x1FFF) * 9
    return rtcp(205, 15, body + bytes(-len(body) % 4))


BLOCK: Final = ReportBlock(VIDEO, 1, 2, 3, 4, 5, 6)

RTCP_BOMBS: Final[dict[str, bytes]] = {
    "one nack": nack_bomb(1),
    "many nacks": nack_bomb(30),
    "transport-cc": transport_cc_bomb(),
    "transport-cc, many": transport_cc_bomb() * 30,
    "tiny packets": rtcp(203, 0, b"") * 363,
    "unknown": rtcp(207, 0, bytes(1440)),
    "plis": PictureLossIndication(1, VIDEO).to_bytes() * 120,
    "firs": FullIntraRequest(
        1, tuple(FirEntry(VIDEO, each & 0xFF) for each in range(175))
    ).to_bytes(),
    "remb": ReceiverEstimatedMaxBitrate(1, 1 << 80, tuple(range(255))).to_bytes(),
    "reports": ReceiverReport(1, (BLOCK,) * 31).to_bytes(),
    "many reports": ReceiverReport(1, (BLOCK,)).to_bytes() * 45,
    "byes": Bye(tuple(range(31))).to_bytes() * 11,
    "bye with a reason": Bye((), "x" * 255).to_bytes() * 5,
    "names": SourceDescription(tuple(SdesChunk(each, "") for each in range(31))).to_bytes() * 5,
    "empty items": rtcp(202, 1, bytes(4) + b"\x08\x00" * 718 + bytes(4)),
}


def check(call: Callable[[], object], size_bytes: int, bound: tuple[int, int]) -> None:
    work = work_of(call, raises=RtpError)
    most = bound[0] + bound[1] * size_bytes
    assert work.total <= most, f"{work} for {size_bytes} bytes, at most {most} are good"


def check_rtcp(data: bytes) -> None:
    classroom = Classroom()
    transport = classroom.troublemaker.transport
    transport.receive_rtcp(PictureLossIndication(1, VIDEO).to_bytes(), classroom.now_ns)
    classroom.advance(10 * MS)

    def arrive() -> None:
        transport.receive_rtcp(data, classroom.now_ns)
        classroom.process()

    check(arrive, len(data), PACKET)


@pytest.mark.parametrize("data", RTCP_BOMBS.values(), ids=RTCP_BOMBS)
def test_no_compound_is_dear_to_parse(data: bytes) -> None:
    assert len(data) <= MAX_DATAGRAM_BYTES + 4
    check(lambda: parse_rtcp(data), len(data), PARSER)


@pytest.mark.parametrize("data", RTCP_BOMBS.values(), ids=RTCP_BOMBS)
def test_no_compound_is_dear_to_act_on(data: bytes) -> None:
    check_rtcp(data)


@settings(max_examples=50)
@given(st.one_of(st.binary(max_size=MAX_DATAGRAM_BYTES), mutated(compounds.map(serialised))))
def test_any_compound(data: bytes) -> None:
    check(lambda: parse_rtcp(data), len(data), PARSER)
    check_rtcp(data)


def rtp(sequence_number: int, extensions: bytes = b"", payload: bytes = media.DELTA) -> bytes:
    return build_rtp(
        payload_type=media.H264,
        sequence_number=sequence_number & 0xFFFF,
        timestamp=sequence_number,
        ssrc=media.VIDEO_SSRC,
        payload=payload,
        extensions=extensions,
    )


def block(profile: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    return struct.pack("!HH", profile, len(body) // 4) + body


EXTENSIONS: Final[dict[str, bytes]] = {
    "nothing but padding": block(0xBEDE, bytes(1200)),
    "many short elements": block(0xBEDE, b"\x90\x31" * 600),
    "many empty elements": block(0x1000, b"\x09\x00" * 600),
    "a name, often": block(0x1000, b"\x09\x01\x30" * 400),
    "send times, often": block(0x1000, b"\x02\x03\x00\x00\x00" * 240),
}


@pytest.mark.parametrize("extensions", EXTENSIONS.values(), ids=EXTENSIONS)
@pytest.mark.parametrize("ssrc", [media.VIDEO_SSRC, 77], ids=["known", "unknown"])
def test_no_header_extension_is_dear(extensions: bytes, ssrc: int) -> None:
    classroom = Classroom()
    transport = classroom.troublemaker.transport
    for number in range(20):
        transport.produce("audio", media.audio(ssrc=1000 + number, mid=f"audio {number}"))
    data = build_rtp(
        payload_type=media.H264,
        sequence_number=1,
        timestamp=0,
        ssrc=ssrc,
        payload=b"",
        extensions=extensions,
    )
    classroom.process()
    packet = parse_rtp(data)
    check(lambda: parse_extensions(packet), len(data), PARSER)

    def arrive() -> None:
        transport.receive_rtp(data, classroom.now_ns)
        classroom.process()

    check(arrive, len(data), PACKET)


def numbers_of(jump: int) -> list[int]:
    return [1000 + jump * each for each in range(200)]


@pytest.mark.parametrize("jump", [2, 250, 999, 2999, 3001, 20_000, 32_767, 32_768, 65_000, -2, -90])
def test_numbers_that_jump_cost_little_more_than_others(jump: int) -> None:
    """All of these arrive within 100 ms, one by one, and what follows from them is done."""
    classroom = Classroom()
    transport = classroom.troublemaker.transport
    packets = [
        media.rtp(
            number,
            elements=((media.TRANSPORT_CC, encode_transport_sequence(number)),),
        )
        for number in numbers_of(jump)
    ]

    def arrive() -> None:
        for data in packets:
            transport.receive_rtp(data, classroom.now_ns)
            classroom.advance(MS // 2)
        classroom.advance(200 * MS)
        classroom.troublemaker.hears()

    check(arrive, sum(map(len, packets)), (500_000, 150))


@settings(max_examples=50)
@given(st.lists(st.one_of(rtp_packets, mutated(rtp_packets)), max_size=5))
def test_any_packet(packets: list[bytes]) -> None:
    classroom = Classroom()
    transport = classroom.troublemaker.transport
    for data in packets:

        def arrive(data: bytes = data) -> None:
            transport.receive_rtp(data, classroom.now_ns)
            classroom.process()

        check(arrive, len(data), PACKET)


def test_answering_a_nack_costs_by_what_it_asks_for() -> None:
    classroom = Classroom()
    for number in range(900):
        classroom.teacher.sends(media.rtp(2000 + number))
    sent = [packet.sequence_number for packet in classroom.troublemaker.gets()]
    nack = GenericNack(1, VIDEO, tuple(sent[-900:])).to_bytes()

    def arrive() -> None:
        classroom.troublemaker.transport.receive_rtcp(nack, classroom.now_ns)
        classroom.process()

    check(arrive, len(sent), (8_000, 600))
    assert len(classroom.troublemaker.gets()) >= 850
