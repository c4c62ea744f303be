"""Frontends of the earlier servers, as they really behave."""

from __future__ import annotations

import asyncio

import pytest

from tests.interop.conftest import StartSfu
from tests.support.media_peer import MediaPeer
from tests.support.old_frontend import OldFrontend
from tests.support.rtp_parameters import AUDIO_PAYLOAD_TYPE, send_parameters
from tests.support.rtp_sender import StreamIds
from tests.support.sending_side import AUDIO_CLOCK_RATE
from tests.support.sfu_process import SfuProcess
from tests.support.signaling import SignalingClient
from tests.support.synthetic import eventually

MICROPHONES = 10


async def speak(url: str, room_id: str, number: int) -> SignalingClient:
    """Come into a room with a microphone that is on."""
    client = await SignalingClient.connect(url)
    name = f"student-{number}"
    who = {"roomId": room_id, "peerId": name, "name": name, "isTeacher": False}
    await client.request("join", who)
    await client.request("createTransport", {"direction": "send"})
    ids = StreamIds("0", AUDIO_PAYLOAD_TYPE, AUDIO_CLOCK_RATE, 1000 + number)
    parameters = send_parameters("audio", ids, name)
    await client.request("produce", {"kind": "audio", "rtpParameters": parameters})
    return client


async def arrive_all_at_once(url: str, room_id: str) -> None:
    teacher = await OldFrontend.join(url, room_id, "teacher", is_teacher=True)
    students = await asyncio.gather(*(speak(url, room_id, number) for number in range(MICROPHONES)))
    try:
        await eventually(
            lambda: len(teacher.playing) == MICROPHONES,
            lambda: f"{teacher.playing} play, {teacher.confused} are confused",
            timeout_s=MICROPHONES * 3,
        )
        announced = [data["producerId"] for type_, data in teacher.events if type_ == "newProducer"]
        assert teacher.playing == announced
        assert len(set(announced)) == MICROPHONES
        assert teacher.confused == []
    finally:
        for student in students:
            await student.close()
        await teacher.leave()


async def test_a_class_with_microphones_arrives_at_once(sfu: SfuProcess) -> None:
    await arrive_all_at_once(sfu.url, "class")


async def test_it_does_so_in_a_room_of_another_process(start_sfu: StartSfu) -> None:
    sfu = start_sfu("--num-workers", "2")
    first = await speak(sfu.url, "another class", 1)
    await arrive_all_at_once(sfu.url, "class")
    await first.close()


async def test_streams_that_are_announced_while_a_list_is_worked_through(sfu: SfuProcess) -> None:
    early = [await speak(sfu.url, "class", number) for number in range(3)]
    teacher = await OldFrontend.join(sfu.url, "class", "teacher", is_teacher=True)
    watching = asyncio.create_task(teacher.watch())
    late = [await speak(sfu.url, "class", number) for number in range(3, 6)]
    await watching
    await eventually(lambda: len(teacher.playing) == 6, lambda: f"{teacher.playing} play")
    assert len(set(teacher.playing)) == 6
    assert teacher.confused == []
    for student in (*early, *late):
        await student.close()
    await teacher.leave()


async def connected(url: str, room_id: str, peer_id: str) -> tuple[OldFrontend, MediaPeer]:
    """A student whose receive transport works."""
    student = await OldFrontend.join(url, room_id, peer_id)
    media = MediaPeer()
    data = {"direction": "recv", "dtlsParameters": media.dtls_parameters}
    await student.request("connectTransport", data)
    await media.connect(student.recv_transport)
    return student, media


@pytest.mark.slow
@pytest.mark.timeout(90)
async def test_lost_media_ends_the_connection_of_who_would_not_hear_of_it(
    start_sfu: StartSfu,
) -> None:
    """Their users then see that they are disconnected, instead of a black picture for ever."""
    sfu = start_sfu("--num-workers", "2")
    lost = [await connected(sfu.url, room_id, "lost") for room_id in ("one", "two")]
    closing, media = await connected(sfu.url, "one", "closing")
    media.close()
    for _, media in lost:
        media.close(silently=True)
    assert [await student.wait_closed() for student, _ in lost] == [4001, 4001]
    # Who has closed a transport has lost nothing.
    assert await closing.request("getProducers") == []
    for student in (closing, *(student for student, _ in lost)):
        await student.leave()
