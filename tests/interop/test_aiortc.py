"""aiortc, an independent WebRTC implementation, publishes and receives through the SFU."""

from __future__ import annotations

import asyncio

import pytest
from aioice.ice import get_host_addresses
from aiortc import MediaStreamTrack
from av import AudioFrame, VideoFrame

from tests.support.aiortc_peer import AiortcPeer, DtlsRole
from tests.support.painted_media import (
    AMPLITUDE,
    FRAMES_PER_SECOND,
    PaintedVideoTrack,
    SineTrack,
    left_channel,
    read_number,
    tone_share,
)
from tests.support.sfu_process import SfuProcess

ROOM = "aiortc"
RECEIVE_TIMEOUT_S = 20.0
AUDIO_FRAMES = 50
AUDIO_WARM_UP_FRAMES = 10
TONE_HZ = 440
OTHER_TONE_HZ = 1330


@pytest.fixture(autouse=True)
def _host_address() -> None:
    if not get_host_addresses(use_ipv4=True, use_ipv6=False):
        pytest.skip("aiortc needs a network address besides loopback: connect to any network")


async def receive_frames(track: MediaStreamTrack, count: int) -> list[VideoFrame | AudioFrame]:
    async with asyncio.timeout(RECEIVE_TIMEOUT_S):
        frames = [await track.recv() for _ in range(count)]
    return [frame for frame in frames if isinstance(frame, VideoFrame | AudioFrame)]


@pytest.mark.parametrize(
    ("mime_type", "dtls_role"),
    [("video/VP8", "client"), ("video/H264", "client"), ("video/VP8", "server")],
)
async def test_decoded_pictures_are_the_ones_sent_in_their_order(
    sfu: SfuProcess, mime_type: str, dtls_role: DtlsRole
) -> None:
    source = PaintedVideoTrack()
    teacher = await AiortcPeer.join(sfu.url, ROOM, "teacher", is_teacher=True)
    student = await AiortcPeer.join(sfu.url, ROOM, "student", is_teacher=False)
    try:
        producers = await teacher.publish([source], video_mime_type=mime_type, dtls_role=dtls_role)
        (track,) = await student.consume(producers)
        pictures = await receive_frames(track, 3 * FRAMES_PER_SECOND)
    finally:
        await student.leave()
        await teacher.leave()

    numbers = [read_number(picture) for picture in pictures if isinstance(picture, VideoFrame)]
    first = numbers[0]
    assert first is not None
    assert numbers == list(range(first, first + len(pictures)))
    assert first + len(pictures) <= source.frames


async def test_sound_arrives_with_its_energy_and_frequency(sfu: SfuProcess) -> None:
    teacher = await AiortcPeer.join(sfu.url, ROOM, "teacher", is_teacher=True)
    student = await AiortcPeer.join(sfu.url, ROOM, "student", is_teacher=False)
    try:
        producers = await teacher.publish([SineTrack(TONE_HZ)])
        (track,) = await student.consume(producers)
        frames = await receive_frames(track, AUDIO_WARM_UP_FRAMES + AUDIO_FRAMES)
    finally:
        await student.leave()
        await teacher.leave()

    sound = [frame for frame in frames[AUDIO_WARM_UP_FRAMES:] if isinstance(frame, AudioFrame)]
    samples = left_channel(sound)
    assert tone_share(samples, TONE_HZ) > 0.8
    assert tone_share(samples, OTHER_TONE_HZ) < 0.05
    mean_square = sum(sample * sample for sample in samples) / len(samples)
    assert mean_square == pytest.approx(AMPLITUDE**2 / 2, rel=0.5)


async def test_picture_and_sound_share_a_transport_and_students_are_heard(sfu: SfuProcess) -> None:
    teacher = await AiortcPeer.join(sfu.url, ROOM, "teacher", is_teacher=True)
    student = await AiortcPeer.join(sfu.url, ROOM, "student", is_teacher=False)
    try:
        producers = await teacher.publish([PaintedVideoTrack(), SineTrack(TONE_HZ)])
        video, audio = await student.consume(producers)
        (microphone,) = await student.publish([SineTrack(OTHER_TONE_HZ)])
        (heard,) = await teacher.consume([microphone])
        pictures, sound, voice = await asyncio.gather(
            receive_frames(video, FRAMES_PER_SECOND),
            receive_frames(audio, AUDIO_FRAMES),
            receive_frames(heard, AUDIO_FRAMES),
        )
    finally:
        await student.leave()
        await teacher.leave()

    assert None not in [read_number(p) for p in pictures if isinstance(p, VideoFrame)]
    for frames, frequency_hz in ((sound, TONE_HZ), (voice, OTHER_TONE_HZ)):
        tail = [f for f in frames[AUDIO_WARM_UP_FRAMES:] if isinstance(f, AudioFrame)]
        assert tone_share(left_channel(tail), frequency_hz) > 0.8
