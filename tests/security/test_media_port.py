"""Attacks on the UDP port beside a class that wants to go on."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import pytest

from sidecar.rtp.packet import build_rtp
from tests.support.classroom import Classroom
from tests.support.dtls import DtlsEndpoint
from tests.support.ice import IceAgent
from tests.support.sfu_process import SfuProcess
from tests.support.synthetic import SyntheticStudent, SyntheticTeacher, eventually

FRAMES = 60
FLOOD_DATAGRAMS = 5_000
BURST = 50
BURST_INTERVAL_S = 0.01
FOLLOWS_WITHIN_S = 20.0
"""Media comes back after 8 s; a busy machine takes longer to notice."""


@pytest.fixture
def attacker(sfu: SfuProcess) -> Iterator[socket.socket]:
    """A socket that the SFU has never heard of."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.setblocking(False)
        one.connect(sfu.media_address)
        yield one


async def flood(source: socket.socket, datagrams: list[bytes]) -> None:
    """Sends 5,000 datagrams a second, of these in turn."""
    for start in range(0, FLOOD_DATAGRAMS, BURST):
        for number in range(start, start + BURST):
            with contextlib.suppress(BlockingIOError, ConnectionError):
                source.send(datagrams[number % len(datagrams)])
        await asyncio.sleep(BURST_INTERVAL_S)


async def expect_everything(teacher: SyntheticTeacher, students: list[SyntheticStudent]) -> None:
    """The class goes on for some frames, and nothing that was sent is missing anywhere."""
    goal = teacher.outgoing.source.frames + FRAMES
    await eventually(lambda: teacher.outgoing.source.frames >= goal, "the teacher sends on")
    await teacher.outgoing.stop()
    await eventually(
        lambda: all(student.has_everything(teacher) for student in students),
        lambda: "\n".join(student.describe() for student in students),
    )


async def test_forged_checks_and_junk_cost_the_class_nothing(
    classroom: Classroom, attacker: socket.socket
) -> None:
    teacher = await classroom.teach()
    students = await classroom.attend(3)
    guesser = IceAgent(lambda datagram, address: None)
    guesser.set_remote(students[0].recv_transport["iceParameters"] | {"password": "x" * 32})
    for_nobody = IceAgent(lambda datagram, address: None)
    for_nobody.set_remote({"usernameFragment": "nobody", "password": "x" * 32})
    datagrams = [
        bytes(guesser.binding_request()),
        bytes(for_nobody.binding_request()),
        bytes([22, 254, 253]) + bytes(60),
        b"\x80" + bytes(100),
    ]
    await flood(attacker, datagrams)
    # Who is attacked can still move: the attacker's failures count against the attacker alone.
    await students[0].incoming.peer.roam()
    await expect_everything(teacher, students)
    with pytest.raises(BlockingIOError):
        attacker.recv(2048)


async def test_somebody_can_join_while_checks_are_forged_for_others(
    classroom: Classroom, attacker: socket.socket
) -> None:
    """From the same IP address, as behind a school's router."""
    teacher = await classroom.teach()
    students = await classroom.attend(1)
    guesser = IceAgent(lambda datagram, address: None)
    guesser.set_remote(students[0].recv_transport["iceParameters"] | {"password": "x" * 32})
    flooding = asyncio.create_task(flood(attacker, [bytes(guesser.binding_request())]))
    students += await classroom.attend(2)
    await flooding
    await expect_everything(teacher, students)


async def test_a_student_who_floods_its_own_transport_takes_nothing_from_the_class(
    classroom: Classroom,
) -> None:
    teacher = await classroom.teach()
    (flooder, *students) = await classroom.attend(4)
    peer = flooder.incoming.peer
    junk = [b"\x80" + bytes(100), bytes([22, 254, 253]) + bytes(60), b"\x81\xc9" + bytes(60)]
    for _ in range(FLOOD_DATAGRAMS // BURST):
        for number in range(BURST):
            peer.send_raw(junk[number % len(junk)])
        await asyncio.sleep(BURST_INTERVAL_S)
    await expect_everything(teacher, students)


async def test_media_comes_back_from_an_address_that_never_answers(
    classroom: Classroom, attacker: socket.socket
) -> None:
    """A check with USE-CANDIDATE from a second port, and then checks without from the first."""
    await classroom.teach()
    (student,) = await classroom.attend(1)
    peer = student.incoming.peer
    peer.ice.stop_consent()
    attacker.send(bytes(peer.ice.binding_request()))
    stolen = await asyncio.get_running_loop().sock_recv(attacker, 2048)
    assert stolen[0] < 4  # the answer; media follows it
    while (await asyncio.get_running_loop().sock_recv(attacker, 2048))[0] < 128:
        pass
    before = student.video.packets

    async def check_on() -> None:
        while True:
            peer.send_raw(bytes(peer.ice.binding_request(nominate=False)))
            await asyncio.sleep(1)

    checking = asyncio.create_task(check_on())
    try:
        await eventually(
            lambda: student.video.packets > before + 50,
            student.describe,
            timeout_s=FOLLOWS_WITHIN_S,
        )
    finally:
        checking.cancel()


async def test_an_address_that_nominates_itself_again_and_again_does_not_keep_media(
    classroom: Classroom, attacker: socket.socket
) -> None:
    """Its checks are authentic, yet may be forged in their source: it never says anything else."""
    await classroom.teach()
    (student,) = await classroom.attend(1)
    peer = student.incoming.peer
    peer.ice.stop_consent()

    async def check_on() -> None:
        while True:
            attacker.send(bytes(peer.ice.binding_request()))
            peer.send_raw(bytes(peer.ice.binding_request(nominate=False)))
            await asyncio.sleep(0.5)

    checking = asyncio.create_task(check_on())
    try:
        while (await asyncio.get_running_loop().sock_recv(attacker, 2048))[0] < 128:
            pass
        before = student.video.packets
        await eventually(
            lambda: student.video.packets > before + 100,
            student.describe,
            timeout_s=2 * FOLLOWS_WITHIN_S,
        )
    finally:
        checking.cancel()


async def test_thousands_of_ssrcs_from_one_student_leave_the_class_alone(
    sfu: SfuProcess, classroom: Classroom
) -> None:
    teacher = await classroom.teach()
    (churner, *students) = await classroom.attend(3)
    peer = churner.incoming.peer
    assert isinstance(peer.dtls, DtlsEndpoint)
    before_bytes = sfu.resident_bytes()
    for start in range(1_000, 1_000 + 2_000, 20):
        for ssrc in range(start, start + 20):
            packet = build_rtp(
                payload_type=111, sequence_number=1, timestamp=0, ssrc=ssrc, payload=b"x"
            )
            peer.send_rtp(packet)
            peer.dtls.outbound_session().remove_stream(ssrc)  # or this test becomes slow itself
        await asyncio.sleep(BURST_INTERVAL_S)
    await expect_everything(teacher, students)
    after_bytes = sfu.resident_bytes()
    if before_bytes is not None and after_bytes is not None:
        assert after_bytes - before_bytes < 4_000_000
