"""Answers leave from the address that was asked, whichever the system would choose."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest

from tests.interop.conftest import StartSfu
from tests.support.classroom import Classroom
from tests.support.sfu_process import SfuProcess
from tests.support.synthetic import PeerOptions, SyntheticPeer, SyntheticStudent, eventually

JsonObject = dict[str, Any]

LINUX_LOOPBACK = "127.0.0.2"
"""Linux answers for all of 127.0.0.0/8; elsewhere only the first address of it exists."""


def has_address(ip: str) -> bool:
    """Whether this machine can be asked there."""
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((ip, 0))
    except OSError:
        return False
    return True


def towards(ip: str) -> Callable[[JsonObject], JsonObject]:
    """Have a client's media go to an address of the SFU's."""

    def rewrite(transport: JsonObject) -> JsonObject:
        candidate = transport["iceCandidates"][0]
        return {**transport, "iceCandidates": [{**candidate, "ip": ip, "address": ip}]}

    return rewrite


def options(asked: str) -> PeerOptions:
    """Of a client that sends from where the SFU would not answer from by itself."""
    host = "::1" if ":" in asked else "127.0.0.1"
    return PeerOptions(rewrite=towards(asked), host=host)


def strangers(*peers: SyntheticPeer) -> int:
    """How many datagrams came from elsewhere than where they were asked for."""
    sides = [side for each in peers for side in (each.sending, each.receiving) if side is not None]
    return sum(side.peer.datagrams["stranger"] for side in sides)


async def sees_all_kinds(student: SyntheticStudent) -> None:
    """Wait for STUN, DTLS, RTP and RTCP."""
    assert student.receiving is not None
    counts = student.receiving.peer.datagrams
    for kind in ("stun", "dtls", "rtp", "rtcp"):
        await eventually(lambda kind=kind: counts[kind] > 0, kind)  # type: ignore[misc]


@pytest.fixture
def everywhere(start_sfu: StartSfu) -> SfuProcess:
    """An SFU on all addresses of this machine."""
    return start_sfu("--host", "", "--num-workers", "1")


@pytest.mark.parametrize("asked", [LINUX_LOOPBACK, "::1"])
async def test_a_whole_session_comes_from_the_address_that_was_asked(
    asked: str, everywhere: SfuProcess
) -> None:
    if not has_address(asked):
        pytest.skip(f"this machine has no {asked}")
    room = Classroom(everywhere.url)
    try:
        teacher = await room.teach(options=options(asked))
        students = await room.attend(2, options(asked))
        for student in students:
            await sees_all_kinds(student)
        await eventually(lambda: teacher.outgoing.peer.datagrams["rtcp"] > 0, "feedback")
        assert strangers(teacher, *students) == 0
    finally:
        await room.leave()


@pytest.mark.skipif(not has_address(LINUX_LOOPBACK), reason="needs several loopback addresses")
async def test_each_of_a_class_is_answered_from_the_address_that_he_asked(
    everywhere: SfuProcess,
) -> None:
    asked = ["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.2", "127.0.0.3"]
    asked += ["::1"] * has_address("::1")
    room = Classroom(everywhere.url)
    try:
        teacher = await room.teach(options=options("127.0.0.9"))
        students = [(await room.attend(1, options(ip)))[0] for ip in asked]
        for student in students:
            await sees_all_kinds(student)
        assert strangers(teacher, *students) == 0
    finally:
        await room.leave()


@pytest.mark.skipif(not has_address(LINUX_LOOPBACK), reason="needs several loopback addresses")
async def test_who_asks_another_address_later_is_answered_from_there(
    everywhere: SfuProcess,
) -> None:
    room = Classroom(everywhere.url)
    try:
        await room.teach()
        (student,) = await room.attend(1, options("127.0.0.2"))
        assert student.receiving is not None
        peer = student.receiving.peer
        peer.remote_address = "127.0.0.3", peer.remote_address[1]
        await peer.ice.check(peer.remote_address)
        peer.datagrams.clear()
        await sees_media_again(student)
    finally:
        await room.leave()


async def sees_media_again(student: SyntheticStudent) -> None:
    """Wait for RTP and RTCP, from now on."""
    assert student.receiving is not None
    counts = student.receiving.peer.datagrams
    await eventually(lambda: counts["rtp"] > 0 and counts["rtcp"] > 0, lambda: str(counts))


@pytest.mark.skipif(not has_address(LINUX_LOOPBACK), reason="needs several loopback addresses")
async def test_a_room_in_another_process_answers_likewise(start_sfu: StartSfu) -> None:
    sfu = start_sfu("--host", "", "--num-workers", "2")
    first, second = Classroom(sfu.url, "first"), Classroom(sfu.url, "second")
    try:
        await first.teach()
        teacher = await second.teach(options=options(LINUX_LOOPBACK))
        (student,) = await second.attend(1, options(LINUX_LOOPBACK))
        await sees_all_kinds(student)
        assert strangers(teacher, student) == 0
        assert teacher.send_transport["iceCandidates"][0]["port"] != sfu.media_address[1]
    finally:
        await first.leave()
        await second.leave()
