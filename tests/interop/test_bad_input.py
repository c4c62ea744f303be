"""Whatever bytes arrive, from whomever: the class goes on and nobody notices."""

from __future__ import annotations

import asyncio
import random
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress

import pylibsrtp
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from sidecar.rtp.rtcp import GenericNack, PictureLossIndication
from tests.support.classroom import Classroom
from tests.support.dtls import SRTP_PROFILES, Certificate, DtlsEndpoint
from tests.support.ice import IceAgent
from tests.support.receiving_side import OUR_SSRC
from tests.support.sfu_process import SfuProcess
from tests.support.signaling import ProtocolError
from tests.support.synthetic import SyntheticStudent, SyntheticTeacher, eventually

DATAGRAMS = 2000
DATAGRAMS_PER_BURST = 20
FRAMES = 400
BURST_PAUSE_S = 0.005
ALLOWED_GROWTH_BYTES = 8 << 20
MAX_INFO_LINES = 100

Send = Callable[[bytes], object]


async def start_class(classroom: Classroom) -> tuple[SyntheticTeacher, SyntheticStudent]:
    teacher = await classroom.teach()
    (student,) = await classroom.attend(1)
    return teacher, student


async def expect_undisturbed(
    sfu: SfuProcess, teacher: SyntheticTeacher, student: SyntheticStudent
) -> None:
    """The class is complete to its last packet, and the log is calm."""
    await teacher.outgoing.stop()
    await eventually(lambda: student.has_everything(teacher), student.describe)
    assert len(student.video.segments) == len(student.audio.segments) == 1, student.describe()
    assert not student.incoming.peer.srtp_errors
    assert student.incoming.nacks_sent == 0
    # Lines that begin with a date; a traceback's would not.
    levels = Counter(line.split()[2] for line in sfu.log().splitlines() if line[:4].isdecimal())
    assert levels.keys() <= {"DEBUG", "INFO"}, sfu.log()
    assert levels["INFO"] < MAX_INFO_LINES, "whoever sends rubbish must not be able to fill the log"


def templates(student: SyntheticStudent) -> list[bytes]:
    """Valid datagrams of each protocol that the port takes, to be damaged."""
    checker = IceAgent(lambda datagram, address: None)
    checker.set_remote(student.recv_transport["iceParameters"])
    hello: list[bytes] = []
    DtlsEndpoint("client", Certificate.generate(), [], SRTP_PROFILES, hello.append).start()
    video_ssrc = student.video.ssrc
    peer = student.incoming.peer
    return [
        # Not a nomination: damage that changes nothing would move the student elsewhere.
        bytes(checker.binding_request(nominate=False)),
        *hello,
        b"\x80\x65" + bytes(10) + video_ssrc.to_bytes(4, "big") + bytes(200),
        b"\x90\xe5\x00\x01" + bytes(8) + b"\xbe\xde\xff\xff" + bytes(60),
        b"\x81\xc9\x00\x07" + bytes(44),
        peer.protect_rtcp(PictureLossIndication(OUR_SSRC, video_ssrc).to_bytes()),
        bytes([21, 254, 253]) + bytes(8) + b"\x00\x02\x02\x28",
        bytes([21, 254, 253]) + bytes(8) + b"\x00\x02\x01\x00",
        bytes([20, 254, 253]) + bytes(8) + b"\x00\x01\x01",
    ]


def rubbish(generator: random.Random, valid: list[bytes]) -> Iterator[bytes]:
    """Endless datagrams: noise of each protocol's look, and damaged valid ones."""
    while True:
        kind = generator.randrange(4)
        if kind == 0:
            yield generator.randbytes(generator.randrange(1, 1400))
        elif kind == 1:
            first = generator.choice([0, 1, 20, 21, 22, 23, 64, 128, 129, 144, 191, 200, 255])
            yield bytes([first]) + generator.randbytes(generator.randrange(0, 200))
        else:
            yield damage(generator, generator.choice(valid))


def damage(generator: random.Random, datagram: bytes) -> bytes:
    """Flip some bytes, cut, or lengthen."""
    damaged = bytearray(datagram)
    for _ in range(generator.randrange(1, 6)):
        damaged[generator.randrange(len(damaged))] = generator.randrange(256)
    if generator.random() < 0.3:
        return bytes(damaged[: generator.randrange(1, len(damaged) + 1)])
    if generator.random() < 0.2:
        damaged += generator.randbytes(generator.randrange(1, 40))
    return bytes(damaged)


async def pour(sends: list[Send], datagrams: Iterator[bytes]) -> None:
    """Send rubbish from all sources in turn, in bursts that leave the class its turn."""
    for number in range(DATAGRAMS):
        sends[number % len(sends)](next(datagrams))
        if number % DATAGRAMS_PER_BURST == 0:
            await asyncio.sleep(BURST_PAUSE_S)


@pytest.mark.parametrize("seed", [1, 2])
async def test_rubbish_from_strangers_on_the_media_port(
    sfu: SfuProcess, classroom: Classroom, seed: int
) -> None:
    teacher, student = await start_class(classroom)
    generator = random.Random(seed)
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(8)]
    for each in sockets:
        each.connect(sfu.media_address)
    try:
        await pour([s.send for s in sockets], rubbish(generator, templates(student)))
    finally:
        for each in sockets:
            each.close()
    await expect_undisturbed(sfu, teacher, student)


@pytest.mark.parametrize("seed", [3, 4])
async def test_rubbish_from_the_addresses_of_peers(
    sfu: SfuProcess, classroom: Classroom, seed: int
) -> None:
    teacher, student = await start_class(classroom)
    generator = random.Random(seed)
    sends: list[Send] = [student.incoming.peer.send_raw, teacher.outgoing.peer.send_raw]
    await pour(sends, rubbish(generator, templates(student)))
    await expect_undisturbed(sfu, teacher, student)


async def test_authentic_nonsense_in_rtp_and_rtcp(classroom: Classroom) -> None:
    """A peer that holds the keys may say anything, too."""
    teacher, student = await start_class(classroom)
    peer, outgoing = student.incoming.peer, teacher.outgoing.peer
    generator = random.Random(5)
    for _ in range(300):
        ssrc = generator.choice([0, student.video.ssrc, generator.getrandbits(32)])
        lost = tuple(generator.randrange(65536) for _ in range(200))
        peer.send_rtcp(GenericNack(OUR_SSRC, ssrc, lost))
        body = generator.randbytes(4 * generator.randrange(1, 30))
        header = bytes([0x80 | generator.randrange(32), generator.randrange(200, 208)])
        compound = header + (len(body) // 4).to_bytes(2, "big") + body
        peer.send_raw(peer.protect_rtcp(compound))
        header = bytes([generator.choice([0x80, 0x90, 0xA0, 0xBF]), generator.randrange(128)])
        with suppress(pylibsrtp.Error):  # libsrtp refuses to protect some of it
            outgoing.send_rtp(header + bytes(6) + generator.randbytes(40))
        await asyncio.sleep(BURST_PAUSE_S)
    await teacher.outgoing.stop()
    await eventually(lambda: student.has_everything(teacher), student.describe)


def frames(generator: random.Random, count: int) -> Iterator[str | bytes]:
    """WebSocket frames that are no messages of the protocol, or wrong ones."""
    types = ("join", "createTransport", "connectTransport", "produce", "consume", "nothing")
    values: tuple[object, ...] = (None, -1, 1e308, "", "x" * 10_000, [[[]]], {}, {"direction": 1})
    for _ in range(count):
        match generator.randrange(5):
            case 0:
                yield generator.randbytes(generator.randrange(200))
            case 1:
                yield "".join(chr(generator.randrange(1, 0xD800)) for _ in range(50))
            case 2:
                yield "[" * generator.randrange(1, 2000)
            case 3:
                yield f'{{"type": "{generator.choice(types)}", "data": {generator.random()}}}'
            case _:
                value = repr(generator.choice(values)).replace("'", '"')
                yield f'{{"type": "{generator.choice(types)}", "data": {value}, "id": []}}'


async def test_rubbish_on_the_websocket(sfu: SfuProcess, classroom: Classroom) -> None:
    teacher, student = await start_class(classroom)
    generator = random.Random(6)
    for _ in range(10):
        async with connect(sfu.url) as websocket:
            with suppress(ConnectionClosed):
                for frame in frames(generator, FRAMES // 10):
                    await websocket.send(frame)
                    await websocket.recv()
    await expect_undisturbed(sfu, teacher, student)


async def test_an_invalid_message_changes_nothing_for_its_sender(
    sfu: SfuProcess, classroom: Classroom
) -> None:
    teacher, student = await start_class(classroom)
    for frame in ("", "{", "[]", '{"type": "consume"}', '{"type": "join", "data": 1}', b"\x00"):
        await student.signaling.send_raw(frame)
    await eventually(
        lambda: [name for name, _ in student.signaling.events].count("error") == 6, "six refusals"
    )
    refusals = [data for name, data in student.signaling.events if name == "error"]
    assert {refusal["message"] for refusal in refusals} == {"Invalid message format"}
    with pytest.raises(ProtocolError, match="Producer not found"):
        await student.signaling.request(
            "consume", {"producerId": "none", "rtpCapabilities": student.rtp_capabilities}
        )
    assert len(await student.signaling.request("getProducers")) == 2
    await expect_undisturbed(sfu, teacher, student)


async def test_rubbish_takes_no_lasting_memory(sfu: SfuProcess, classroom: Classroom) -> None:
    teacher, student = await start_class(classroom)
    before = sfu.resident_bytes()
    if before is None:
        pytest.skip("needs /proc to see another process's memory: run it on Linux")
    generator = random.Random(7)
    valid = templates(student)
    for _ in range(5):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.connect(sfu.media_address)
            await pour([stranger.send], rubbish(generator, valid))
    after = sfu.resident_bytes() or 0
    assert after - before < ALLOWED_GROWTH_BYTES
    await expect_undisturbed(sfu, teacher, student)
