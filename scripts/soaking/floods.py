"""What one pupil who tries things does, each for a moment and bounded in number."""

from __future__ import annotations

import asyncio
import json
import random
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from scripts.soaking.sidecar import Sidecar
from sidecar.rtp.rtcp import GenericNack, PictureLossIndication
from tests.support.signaling import ProtocolError
from tests.support.synthetic import SyntheticStudent

Flood = Callable[[Sidecar, str, random.Random], Awaitable[None]]

MESSAGES = 400
DATAGRAMS = 2000
CONNECTIONS = 60
OUR_SSRC = 1


async def chat(sidecar: Sidecar, room_id: str, rng: random.Random) -> None:
    """Hundreds of chat messages in one write."""
    await _say(sidecar, room_id, [_message("chatMessage", content="x" * rng.randint(1, 4000))])


async def rubbish(sidecar: Sidecar, room_id: str, rng: random.Random) -> None:
    """Frames that mean nothing."""
    await _say(sidecar, room_id, [rng.randbytes(rng.randint(1, 300)).hex()])


async def requests(sidecar: Sidecar, room_id: str, rng: random.Random) -> None:
    """Transports, one after the other, and questions in between."""
    frames = [
        json.dumps({"type": "createTransport", "data": {"direction": direction}})
        for direction in ("send", "recv")
    ]
    rng.shuffle(frames)
    await _say(sidecar, room_id, [*frames, json.dumps({"type": "getProducers"})])


async def connections(sidecar: Sidecar, room_id: str, rng: random.Random) -> None:
    """Connections that say nothing."""
    opened = []
    for _ in range(rng.randint(1, CONNECTIONS)):
        knocking = socket.socket()
        knocking.setblocking(False)
        knocking.connect_ex(("127.0.0.1", sidecar.ready["port"]))
        opened.append(knocking)
    await asyncio.sleep(0.2)
    for knocking in opened:
        knocking.close()


async def datagrams(sidecar: Sidecar, room_id: str, rng: random.Random) -> None:
    """Datagrams from nobody that the server knows: noise, STUN, DTLS and what looks like SRTP."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.setblocking(False)
        for _ in range(DATAGRAMS):
            first = rng.choice((0, 0, 20, 22, 80, 128, 144, 255))
            with suppress(BlockingIOError):
                stranger.sendto(
                    bytes([first]) + rng.randbytes(rng.randint(0, 200)), sidecar.media_address
                )


async def feedback(sidecar: Sidecar, room_id: str, rng: random.Random) -> None:
    """Key-frame requests and NACKs of everything, authentic and without end; then BYE's opposite:
    compounds of noise."""
    student = await SyntheticStudent.join(sidecar.url, room_id, f"flood-{rng.getrandbits(32)}")
    try:
        await student.watch()
        incoming = student.incoming
        for stream in incoming.streams["video"]:
            for start in range(0, MESSAGES):
                lost = tuple((start + each) & 0xFFFF for each in range(200))
                incoming.peer.send_rtcp(GenericNack(OUR_SSRC, stream.ssrc, lost))
                incoming.request_key_frame(stream)
                incoming.peer.send_rtcp(PictureLossIndication(OUR_SSRC, rng.getrandbits(32)))
                noise = bytes([0x80, 200 + start % 8]) + rng.randbytes(rng.randint(6, 400))
                incoming.peer.send_raw(incoming.peer.protect_rtcp(noise))
    finally:
        await student.vanish()


async def restless(sidecar: Sidecar, room_id: str, rng: random.Random) -> None:
    """Comes, consumes one stream again and again, and vanishes."""
    for _ in range(rng.randint(1, 5)):
        student = await SyntheticStudent.join(sidecar.url, room_id, f"flood-{rng.getrandbits(32)}")
        try:
            for producer in await student.signaling.request("getProducers"):
                for _ in range(10):
                    await student.consume(producer["producerId"])
        except ProtocolError:
            pass  # it is refused, as it should be
        finally:
            await student.vanish()


FLOODS: tuple[Flood, ...] = (
    chat,
    rubbish,
    requests,
    connections,
    datagrams,
    feedback,
    restless,
)


def _message(type_: str, **data: str) -> str:
    return json.dumps({"type": type_, "data": {"timestamp": "2026-01-01T00:00:00Z", **data}})


async def _say(sidecar: Sidecar, room_id: str, frames: list[str]) -> None:
    """Join, then send frames over and over; to be cut off for it is no fault."""
    who = {"roomId": room_id, "peerId": "flood", "name": "flood", "isTeacher": False}
    with suppress(ConnectionClosed, InvalidHandshake, OSError):
        async with connect(sidecar.url) as connection:
            await connection.send(json.dumps({"type": "join", "data": who}))
            for number in range(MESSAGES):
                await connection.send(frames[number % len(frames)])
