"""What is closed is freed at once, not when the garbage collector comes by."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from sidecar.rtp.rtcp import GenericNack, PictureLossIndication
from sidecar.sfu import Consumer, Producer, WebRtcTransport
from tests.unit.sfu import media
from tests.unit.sfu.support import MS, S, Stage


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class Room(Stage):
    """A teacher and students, known only to the worker."""

    def __init__(self) -> None:
        super().__init__()
        self.number = 100
        self.teacher = self.opens()
        self.video: Any = weakref.ref(self.teacher().produce("video", media.video()))
        self.audio: Any = weakref.ref(self.teacher().produce("audio", media.audio()))

    def opens(self) -> Any:
        """A connected transport; the fake network forgets it."""
        transport = self.router.create_transport(None)
        transport.link_connected(self.now_ns)
        self.process()
        del self.network.links[transport.id]
        return weakref.ref(transport)

    def watches(self, transport: WebRtcTransport) -> Any:
        """Consumes the video; returns the consumer."""
        consumer = transport.consume(self.video(), media.CAPABILITIES)
        consumer.on_closed = lambda: consumer.pause()  # whoever listens may know it
        consumer.resume()
        return weakref.ref(consumer)

    def goes_on(self, packets: int = 3, *, process: bool = True) -> None:
        for _ in range(packets):
            self.number += 1
            payload = media.DELTA if self.number % 50 else media.KEY_START
            data = media.rtp(self.number, payload, timestamp=self.number * 3600, marker=True)
            self.teacher().receive_rtp(data, self.now_ns)
            if process:
                self.process()
        self.network.together.clear()


def room_in_full_swing() -> tuple[Room, list[Any], list[Any]]:
    room = Room()
    students = [room.opens() for _ in range(3)]
    consumers = [room.watches(each()) for each in students]
    room.goes_on(60)
    for student, consumer in zip(students, consumers, strict=True):
        ssrc = consumer().stream.ssrc
        student().receive_rtcp(GenericNack(1, ssrc, (1,)).to_bytes(), room.now_ns)
        for _ in range(5):
            student().receive_rtcp(PictureLossIndication(1, ssrc).to_bytes(), room.now_ns)
    return room, students, consumers


@pytest.mark.parametrize("when", ["quiet", "fed", "starting", "replaying", "deferred"])
@pytest.mark.parametrize("what", ["consumer", "transport", "producer", "teacher"])
def test_what_is_closed_is_freed_at_once(what: str, when: str) -> None:
    room, students, consumers = room_in_full_swing()
    if when == "fed":
        room.goes_on(3, process=False)
    elif when in ("starting", "replaying"):
        consumers[0]().close()
        consumers[0] = room.watches(students[0]())
        if when == "replaying":
            room.process()
    elif when == "deferred":
        for _ in range(6):
            ssrc = consumers[0]().stream.ssrc
            pli = PictureLossIndication(1, ssrc).to_bytes()
            students[0]().receive_rtcp(pli, room.now_ns)
            room.number += 49 - room.number % 50
            room.goes_on(2)
            room.advance(600 * MS)
    gone: list[weakref.ref[Consumer | Producer | WebRtcTransport]] = []
    if what == "consumer":
        gone = [consumers[0]]
        consumers[0]().close()
    elif what == "transport":
        gone = [consumers[0], students[0]]
        students[0]().link_closed("ice-timeout")
    elif what == "producer":
        gone = [*consumers, room.video]
        room.video().close()
    else:
        gone = [*consumers, room.video, room.audio, room.teacher]
        room.teacher().close()
    room.network.together.clear()
    assert [each() for each in gone] == [None] * len(gone)
    room.advance(2 * S)
