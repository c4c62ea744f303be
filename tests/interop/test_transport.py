"""ICE, DTLS and SRTP as a peer on the network meets them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import pytest
from aioice import stun

from sidecar.rtp.rtcp import PictureLossIndication
from tests.support.classroom import Classroom
from tests.support.dtls import SRTP_PROFILES, DtlsError, DtlsRole, SrtpProfile
from tests.support.ice import IceAgent, IceError
from tests.support.media_peer import MediaPeer
from tests.support.receiving_side import OUR_SSRC
from tests.support.sfu_process import SfuProcess
from tests.support.synthetic import PeerOptions, SyntheticStudent, eventually

MORE_PACKETS = 50


@pytest.fixture
async def peer() -> AsyncIterator[MediaPeer]:
    """The remote end of a transport that a test connects step by step."""
    one = MediaPeer()
    yield one
    one.close()


async def connect_transport(student: SyntheticStudent, peer: MediaPeer) -> None:
    await student.signaling.request(
        "connectTransport", {"direction": "recv", "dtlsParameters": peer.dtls_parameters}
    )


async def expect_progress(student: SyntheticStudent) -> None:
    """The picture goes on, without holes."""
    goal = student.video.packets + MORE_PACKETS
    await eventually(
        lambda: student.video.packets >= goal and not student.video.missing, student.describe
    )


@pytest.mark.parametrize("profile", SRTP_PROFILES, ids=lambda profile: str(profile.name))
@pytest.mark.parametrize("role", ["client", "server"])
async def test_every_srtp_profile_works_in_both_dtls_roles(
    classroom: Classroom, role: DtlsRole, profile: SrtpProfile
) -> None:
    options = PeerOptions(dtls_role=role, srtp_profiles=[profile])
    await classroom.teach(options=options)
    (student,) = await classroom.attend(1, options)
    await expect_progress(student)
    assert student.incoming.peer.srtp_profile == profile.name
    assert not student.incoming.peer.srtp_errors


async def test_the_strongest_common_srtp_profile_is_chosen(classroom: Classroom) -> None:
    weakest_first = PeerOptions(srtp_profiles=SRTP_PROFILES[::-1])
    student = await classroom.join_student(weakest_first)
    await student.open_receiving()
    assert student.incoming.peer.srtp_profile == "SRTP_AEAD_AES_256_GCM"


async def test_a_client_hello_before_connect_transport_is_not_wasted(
    classroom: Classroom, peer: MediaPeer
) -> None:
    student = await classroom.join_student()
    transport = await student.signaling.request("createTransport", {"direction": "recv"})
    await peer.connect_ice(transport)
    handshake = asyncio.create_task(peer.connect_dtls())
    # A round trip of signalling: the ClientHello, sent first, is there by now.
    await student.signaling.request("getRouterRtpCapabilities")
    await connect_transport(student, peer)
    await handshake
    assert peer.dtls_retransmissions == 0


async def test_a_peer_with_another_certificate_than_announced_gets_nothing(
    classroom: Classroom, peer: MediaPeer
) -> None:
    teacher = await classroom.teach()
    student = await classroom.join_student()
    transport = await student.signaling.request("createTransport", {"direction": "recv"})
    announced = peer.dtls_parameters["fingerprints"][0] | {"value": ":".join(["00"] * 32)}
    await student.signaling.request(
        "connectTransport",
        {"direction": "recv", "dtlsParameters": {"role": "client", "fingerprints": [announced]}},
    )
    for producer in await student.signaling.request("getProducers"):
        consumer = await student.signaling.request(
            "consume",
            {"producerId": producer["producerId"], "rtpCapabilities": student.rtp_capabilities},
        )
        await student.signaling.request("resumeConsumer", {"consumerId": consumer["consumerId"]})

    await peer.connect_ice(transport)
    with contextlib.suppress(DtlsError):
        # The client shows its certificate last, so its end of the handshake may look complete.
        await peer.connect_dtls()
    goal = teacher.packets_sent("video") + MORE_PACKETS
    await eventually(lambda: teacher.packets_sent("video") >= goal, "the teacher sends on")
    assert peer.datagrams["rtp"] + peer.datagrams["early"] == 0


async def test_a_role_conflict_is_answered(classroom: Classroom, peer: MediaPeer) -> None:
    student = await classroom.join_student()
    transport = await student.signaling.request("createTransport", {"direction": "recv"})
    peer.ice.controlling = False
    with pytest.raises(IceError) as refused:
        await peer.connect_ice(transport)
    assert refused.value.code == 487


async def test_media_follows_a_student_to_a_new_port(classroom: Classroom) -> None:
    await classroom.teach()
    (student,) = await classroom.attend(1)
    await expect_progress(student)
    before = student.incoming.peer.local_address
    await student.incoming.peer.roam()
    assert student.incoming.peer.local_address != before
    await expect_progress(student)


async def test_the_class_follows_a_teacher_to_a_new_port(classroom: Classroom) -> None:
    teacher = await classroom.teach()
    (student,) = await classroom.attend(1)
    await expect_progress(student)
    await teacher.outgoing.peer.roam()
    await expect_progress(student)
    assert len(student.video.segments) == 1


@pytest.mark.parametrize("direction", ["send", "recv"])
async def test_media_survives_an_ice_restart(classroom: Classroom, direction: str) -> None:
    teacher = await classroom.teach()
    (student,) = await classroom.attend(1)
    await expect_progress(student)
    await (teacher if direction == "send" else student).restart_ice(direction)
    await expect_progress(student)
    assert len(student.video.segments) == 1


@pytest.fixture
def stranger(sfu: SfuProcess) -> Iterator[socket.socket]:
    """A socket that the SFU has never heard of."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.setblocking(False)
        one.connect(sfu.media_address)
        yield one


def drain(source: socket.socket) -> list[bytes]:
    """All that has arrived."""
    datagrams = []
    with contextlib.suppress(BlockingIOError):
        while True:
            datagrams.append(source.recv(2048))
    return datagrams


async def test_nothing_is_sent_to_an_address_that_has_not_passed_a_check(
    classroom: Classroom, stranger: socket.socket
) -> None:
    await classroom.teach()
    (student,) = await classroom.attend(1)
    await expect_progress(student)
    guesser = IceAgent(lambda datagram, address: None)
    guesser.set_remote(student.recv_transport["iceParameters"] | {"password": "x" * 32})
    pli = PictureLossIndication(OUR_SSRC, student.video.ssrc)
    stranger.send(bytes(guesser.binding_request()))
    stranger.send(student.incoming.peer.protect_rtcp(pli.to_bytes()))
    stranger.send(bytes([22, 254, 253]) + bytes(60))
    stranger.send(b"\x80" + bytes(60))
    await expect_progress(student)
    assert drain(stranger) == []


async def test_an_address_that_was_checked_but_not_nominated_gets_no_media(
    classroom: Classroom, stranger: socket.socket
) -> None:
    await classroom.teach()
    (student,) = await classroom.attend(1)
    await expect_progress(student)
    check = student.incoming.peer.ice.binding_request(nominate=False)
    stranger.send(bytes(check))
    await expect_progress(student)
    (answer,) = drain(stranger)
    assert stun.parse_message(answer).transaction_id == check.transaction_id
