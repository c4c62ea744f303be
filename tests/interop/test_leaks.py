"""Classes that come and go leave nothing behind."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from sidecar.app import RunningServer, running_server
from sidecar.settings import PortRange, Settings
from sidecar.signaling.server import ServerSnapshot
from tests.support.classroom import Classroom
from tests.support.sfu_process import SfuProcess
from tests.support.synthetic import PeerOptions, eventually

STUDENTS = 49
ROUNDS = 3
FRAMES = 15
ALLOWED_GROWTH_BYTES = 8 << 20
CHEAPLY = PeerOptions(decrypt_every=16)


@pytest.fixture
async def server() -> AsyncIterator[RunningServer]:
    """An SFU in this process, where its objects can be counted."""
    settings = Settings(host="127.0.0.1", port=0, media_ports=PortRange(0, 0))
    async with running_server(settings) as one:
        yield one


async def hold_class(classroom: Classroom) -> None:
    """Forty-nine students come, one vanishes, the others leave."""
    teacher = await classroom.teach()
    students = await classroom.attend(STUDENTS, CHEAPLY)
    goal = teacher.outgoing.source.frames + FRAMES
    await eventually(lambda: teacher.outgoing.source.frames >= goal, "the teacher sends")
    await students[0].vanish()
    await classroom.leave()


def living_objects() -> Counter[str]:
    """What of ours the interpreter holds, by type."""
    gc.collect()
    types = (type(each) for each in gc.get_objects())
    return Counter(f"{t.__module__}.{t.__qualname__}" for t in types if _is_ours(t))


def _is_ours(of: type) -> bool:
    return str(getattr(of, "__module__", "")).startswith(("sidecar.", "OpenSSL.", "pylibsrtp"))


async def test_every_object_of_a_class_is_gone_when_it_is_over(server: RunningServer) -> None:
    classroom = Classroom(server.ready.local_url)
    tasks_before = len(asyncio.all_tasks())
    # The first class makes what every class shares, such as the router's capabilities.
    await hold_class(classroom)
    await expect_empty(server, tasks_before)
    objects_before = living_objects()
    for _ in range(ROUNDS):
        await hold_class(classroom)
        await expect_empty(server, tasks_before)
        assert living_objects() - objects_before == Counter()


async def expect_empty(server: RunningServer, tasks_before: int) -> None:
    """Nobody is there any more, on the wire or in a room."""
    await eventually(
        lambda: not server.server.worker.transports and len(asyncio.all_tasks()) == tasks_before,
        lambda: f"{len(server.server.worker.transports)} transports, tasks {asyncio.all_tasks()}",
    )
    assert server.server.signaling.snapshot() == ServerSnapshot(connections=0, rooms=())


async def test_memory_stops_growing_after_the_first_classes(
    sfu: SfuProcess, classroom: Classroom
) -> None:
    if sfu.resident_bytes() is None:
        pytest.skip("needs /proc to see another process's memory: run it on Linux")
    after_round = []
    for _ in range(2 * ROUNDS):
        await hold_class(classroom)
        after_round.append(sfu.resident_bytes() or 0)
    # The first rounds fill pools and caches; the ones after them must find room there.
    settled = max(after_round[:ROUNDS])
    assert max(after_round[ROUNDS:]) - settled < ALLOWED_GROWTH_BYTES, after_round
