"""What comes to nothing is counted in every process, and said in ``status``."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from tests.interop.conftest import DEFAULT_ARGUMENTS, StartSidecar
from tests.support.classroom import Classroom
from tests.support.sidecar import Sidecar
from tests.support.synthetic import SyntheticTeacher

KINDS = {"dropped", "unknown", "overBudget", "undecryptable", "unsendable", "overflowed"}
STRANGE = 20


def throw_rubbish(teacher: SyntheticTeacher) -> None:
    """Send what is nobody's to where a teacher sends."""
    candidate = teacher.send_transport["iceCandidates"][0]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for _ in range(STRANGE):
            stranger.sendto(b"\x80rubbish" * 4, (candidate["ip"], candidate["port"]))


async def status(sidecar: Sidecar) -> dict[str, Any]:
    sidecar.say('{"command":"status"}')
    while (event := await asyncio.to_thread(sidecar.hear))["event"] != "status":
        pass
    return event


async def test_what_is_unknown_is_counted_in_all_processes(start_sidecar: StartSidecar) -> None:
    sidecar = start_sidecar(*DEFAULT_ARGUMENTS, "--num-workers", "2")
    url = (await asyncio.to_thread(sidecar.hear))["localUrl"]
    rooms = [Classroom(url, room_id) for room_id in ("near", "far")]
    teachers = [await room.teach() for room in rooms]
    for teacher in teachers:
        throw_rubbish(teacher)
    while True:
        process = (await status(sidecar))["process"]
        if [each["counters"]["unknown"] >= STRANGE for each in process["each"]] == [True, True]:
            break
    assert set(process["counters"]) == KINDS | {"refusedConnections"}
    assert process["counters"]["refusedConnections"] == 0
    for kind in KINDS:
        assert process["counters"][kind] == sum(each["counters"][kind] for each in process["each"])
    assert len({each["pid"] for each in process["each"]}) == 2
    for room in rooms:
        await room.leave()
    sidecar.vanish()
    assert sidecar.exit_code() == 0
