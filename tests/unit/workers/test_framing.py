"""Messages through a pipe that cuts and joins them as it likes."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest

from sidecar.classroom.snapshot import PeerSnapshot, RoomSnapshot
from sidecar.net.addresses import InterfaceAddress
from sidecar.settings import PortRange, Settings
from sidecar.sfu import TransportStats
from sidecar.sfu.stats import ProducerStats
from sidecar.workers import messages
from sidecar.workers.framing import Unframer, encode
from sidecar.workers.messages import Frame, ToMain, ToWorker

PRODUCER = ProducerStats("P1", "video", 2_000_000, 10, 9000, 1, 0.25, 1.5, 2, 3, 1, False)
TRANSPORT = TransportStats("T1", True, 9000, 0, 0, None, (PRODUCER,), ())
ROOM = RoomSnapshot("room", (PeerSnapshot("p", "Ms T", True, {"send": TRANSPORT}),))

TO_WORKER: list[ToWorker] = [
    messages.Start(Settings(media_ports=PortRange(1, 2), announce=("10.0.0.1",))),
    messages.Open(1, None, "fe80::1", False),
    Frame.of(1, "é" * 100_000),
    Frame.of(1, b"\xff"),
    messages.Gone(1),
    messages.End(1),
    messages.Alive(1, 2, True),
    messages.AskSilence(1),
    messages.Announce(["10.0.0.1"]),
    messages.Found([InterfaceAddress("eth0", "10.0.0.1")]),
    messages.Ask(3),
    messages.Ping(),
    messages.Leave(),
]
TO_MAIN: list[ToMain] = [
    messages.Ready(4711, 40000),
    messages.Failed("no port"),
    messages.Deliver(1, b"{}"),
    messages.Answered(1, False),
    messages.Ended(1),
    messages.Invalid(1),
    messages.Stop(1, 4000, "Replaced"),
    messages.Probe(1, 2),
    messages.Silence(1, 2_000_000_000),
    messages.Silence(1, None),
    messages.PeerJoined("room", "p", "Zoë", True, False, "secret"),
    messages.PeerLeft("room", "p"),
    messages.Answer(3, (ROOM,), 10**12, None, {"unknown": 7}),
    messages.Pong(),
    messages.Warn("udp-blocked", "words"),
    messages.Log(20, "name", "text", 1.5, "Traceback"),
]


def test_every_message_has_its_sample() -> None:
    assert {type(each) for each in TO_WORKER} == set(get_args(ToWorker))
    assert {type(each) for each in TO_MAIN} == set(get_args(ToMain))


@pytest.mark.parametrize("chunk_bytes", [1, 7, 16384, 10**6])
@pytest.mark.parametrize(("types", "samples"), [(ToWorker, TO_WORKER), (ToMain, TO_MAIN)])
def test_what_is_sent_arrives(types: Any, samples: list[Any], chunk_bytes: int) -> None:
    stream = b"".join(map(encode, samples))
    unframer = Unframer[Any](types)
    received: list[Any] = []
    for start in range(0, len(stream), chunk_bytes):
        received += unframer.feed(stream[start : start + chunk_bytes])
    assert received == samples


def test_a_frame_is_text_or_binary_again() -> None:
    assert Frame.of(1, "é").frame == "é"
    assert Frame.of(1, b"\xff").frame == b"\xff"


def test_what_is_no_message_is_refused() -> None:
    with pytest.raises(msgspec.DecodeError):
        Unframer[ToMain](ToMain).feed(encode(messages.Leave()))
