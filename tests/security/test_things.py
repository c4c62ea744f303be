"""Clients who open rooms, send and receive without end, beside a class that wants to go on."""

from __future__ import annotations

from collections import Counter
from contextlib import AsyncExitStack

import pytest

from tests.interop.conftest import StartSfu
from tests.support.attack import expect_undisturbed, heard, message, opus, who
from tests.support.classroom import Classroom
from tests.support.signaling import ProtocolError, SignalingClient
from tests.support.synthetic import eventually


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_rooms_without_end(start_sfu: StartSfu, workers: str) -> None:
    sfu = start_sfu("--log-level", "info", "--num-workers", workers, "--max-rooms", "10")
    room = Classroom(sfu.url)
    teacher = await room.teach()
    students = await room.attend(2)
    answers: Counter[str] = Counter()
    async with AsyncExitStack() as stack:
        for number in range(40):
            client = await stack.enter_async_context(await SignalingClient.connect(sfu.url))
            try:
                await client.request("join", who(f"room-{number}", "attacker"))
                answers["joined"] += 1
            except ProtocolError as error:
                answers[error.code] += 1
        assert answers == {"joined": 9, "too-many-rooms": 31}
        students += await room.attend(1)
        another = Classroom(sfu.url, "another class")
        await another.teach()
        await another.attend(1)
        await expect_undisturbed(teacher, students)
        await another.leave()
    await room.leave()


async def test_the_screen_consumed_200_times_comes_once(start_sfu: StartSfu) -> None:
    sfu = start_sfu("--log-level", "info")
    room = Classroom(sfu.url)
    teacher = await room.teach()
    students = await room.attend(2)
    greedy = await room.join_student()
    await greedy.open_receiving()
    listed = await greedy.signaling.request("getProducers")
    [screen] = [each["producerId"] for each in listed if each["kind"] == "video"]
    consumer_ids = []
    for _ in range(200):
        data = {"producerId": screen, "rtpCapabilities": greedy.rtp_capabilities}
        consumer = await greedy.signaling.request("consume", data)
        consumer_ids.append(consumer["consumerId"])
    for consumer_id in consumer_ids[:-1:30]:
        with pytest.raises(ProtocolError, match="Consumer not found"):
            await greedy.signaling.request("resumeConsumer", {"consumerId": consumer_id})
    await greedy.signaling.request("resumeConsumer", {"consumerId": consumer_ids[-1]})
    await expect_undisturbed(teacher, students)
    await room.leave()


async def test_streams_without_end(start_sfu: StartSfu) -> None:
    sfu = start_sfu("--log-level", "info", "--max-producers-per-peer", "8")
    room = Classroom(sfu.url)
    teacher = await room.teach()
    students = await room.attend(2)
    async with await SignalingClient.connect(sfu.url) as client:
        await client.request("join", who("class", "attacker"))
        await client.request("createTransport", {"direction": "send"})
        parameters = ({"kind": "audio", "rtpParameters": opus(number)} for number in range(100))
        client.send_at_once(message("produce", data) for data in parameters)
        await eventually(
            lambda: len(heard(client, "produced")) + len(heard(client, "error")) == 100,
            "all are answered",
        )
        codes = {error["code"] for error in heard(client, "error")}
        assert (len(heard(client, "produced")), codes) == (8, {"too-many-producers"})
        await expect_undisturbed(teacher, students)
    await room.leave()
