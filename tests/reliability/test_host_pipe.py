"""A host that floods the pipe to us, or what has got hold of it, harms neither a class nor the end.

None of these tests measures time, but each requires exit code 0, which is not that of the watchdog:
what takes more than 1.9 s to end exits with 9.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from tests.interop.conftest import StartSidecar
from tests.support.classroom import Classroom
from tests.support.sidecar import Sidecar
from tests.support.synthetic import eventually

FLOOD = 100_000
STATUS = b'{"command":"status"}\n'


async def flood(sidecar: Sidecar, data: bytes) -> None:
    """Write it all, which ends early when the program does."""
    with contextlib.suppress(BrokenPipeError):
        await asyncio.to_thread(sidecar.write, data)


async def hear_all(sidecar: Sidecar) -> list[dict[str, Any]]:
    return await asyncio.to_thread(sidecar.hear_all)


async def test_a_class_goes_on_through_a_flood_of_commands(start_sidecar: StartSidecar) -> None:
    sidecar = start_sidecar()
    room = Classroom((await asyncio.to_thread(sidecar.hear))["localUrl"], "7b")
    events: list[dict[str, Any]] = []
    hearing = asyncio.create_task(asyncio.to_thread(sidecar.hear_into, events))
    teacher = await room.teach()
    students = await room.attend(2)
    flooding = asyncio.create_task(flood(sidecar, STATUS * FLOOD))
    goal = teacher.outgoing.source.frames + 60
    await eventually(lambda: teacher.outgoing.source.frames >= goal, "the teacher sends on")
    # Requests are answered as well.
    students += await room.attend(1)
    await flooding
    await teacher.outgoing.stop()
    await eventually(
        lambda: all(student.has_everything(teacher) for student in students),
        lambda: "\n".join(student.describe() for student in students),
    )
    await room.leave()
    await flood(sidecar, b'{"command":"ping","id":"alive"}\n')
    await eventually(lambda: {"event": "pong", "id": "alive"} in events, "it answers")
    await flood(sidecar, b'{"command":"shutdown","id":"end"}\n')
    await hearing
    assert sidecar.exit_code() == 0
    assert events[-1] == {"event": "stopped", "id": "end", "reason": "shutdown"}
    warnings = [event["message"] for event in events if event["event"] == "warning"]
    answered = sum(event["event"] == "status" for event in events)
    # What was not answered was owned up to.
    assert sum(int(each.split()[0]) for each in warnings) + answered == FLOOD


@pytest.mark.parametrize(
    ("end", "line"),
    [
        ("shutdown", STATUS),
        ("host-gone", STATUS),
        ("shutdown", b'{"command":"ping"}\n'),
        ("host-gone", b"nonsense\n"),
        ("host-gone", b"\n"),
        ("shutdown", b"x" * 70_000 + b"\n"),
    ],
    ids=["status-1", "status-2", "ping", "nonsense", "empty", "long"],
)
async def test_the_end_is_heard_behind_any_flood(
    start_sidecar: StartSidecar, end: str, line: bytes
) -> None:
    sidecar = start_sidecar()
    hearing = asyncio.create_task(hear_all(sidecar))
    await flood(sidecar, line * min(FLOOD, 2_000_000 // len(line)))
    if end == "shutdown":
        await flood(sidecar, b'{"command":"shutdown"}\n')
    else:
        sidecar.vanish()
    events = await hearing
    assert events[-1] == {"event": "stopped", "reason": end}
    assert sidecar.exit_code() == 0


async def test_a_line_without_an_end_takes_no_memory(start_sidecar: StartSidecar) -> None:
    sidecar = start_sidecar()
    sidecar.hear()
    before = sidecar.ask('{"command":"status"}')["process"]["memoryBytes"]
    await flood(sidecar, b"x" * 100_000_000)
    sidecar.say(b"")
    assert sidecar.hear()["event"] == "error"
    after = sidecar.ask('{"command":"status"}')["process"]["memoryBytes"]
    # Meanwhile it has loaded what a class needs.
    assert after - before < 50_000_000
