"""A large class that comes in the same moment, from one address: no limit is anywhere near."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from tests.interop.conftest import StartSfu
from tests.support.attack import heard, opus, who
from tests.support.signaling import SignalingClient

PATIENCE_S = 50.0


async def come(url: str, number: int, stack: AsyncExitStack) -> SignalingClient:
    """Do what a student's frontend does at the start, as fast as it gets answers."""
    client = await stack.enter_async_context(await SignalingClient.connect(url))
    for type_, data in (
        ("join", who("class", f"student-{number}")),
        ("getRouterRtpCapabilities", None),
        ("getProducers", {}),
        ("createTransport", {"direction": "recv"}),
        ("createTransport", {"direction": "send"}),
        ("produce", {"kind": "audio", "rtpParameters": opus(number)}),
    ):
        await client.request(type_, data, timeout_s=PATIENCE_S)
    return client


@pytest.mark.parametrize(
    ("students", "arguments"),
    [
        (49, ()),
        (200, ("--max-clients-per-room", "250")),
    ],
)
async def test_everybody_gets_everything(
    start_sfu: StartSfu, students: int, arguments: tuple[str, ...]
) -> None:
    sfu = start_sfu("--log-level", "info", *arguments)
    async with AsyncExitStack() as stack:
        teacher = await stack.enter_async_context(await SignalingClient.connect(sfu.url))
        joined = await teacher.request("join", who("class", "teacher") | {"isTeacher": True})
        for direction in ("send", "recv"):
            await teacher.request("createTransport", {"direction": direction})
        screen = {"kind": "audio", "rtpParameters": opus(0)}
        await teacher.request("produce", screen)
        coming = (come(sfu.url, number, stack) for number in range(students))
        clients = await asyncio.gather(*coming)
        listed = await teacher.request("getProducers")
        microphones = [each["producerId"] for each in listed if each["peerId"] != "teacher"]
        assert len(microphones) == students
        consumes = (
            teacher.request(
                "consume",
                {"producerId": each, "rtpCapabilities": joined["rtpCapabilities"]},
                timeout_s=PATIENCE_S,
            )
            for each in microphones
        )
        consumed = await asyncio.gather(*consumes)
        assert len({each["consumerId"] for each in consumed}) == students
        for client in (teacher, *clients):
            await client.request("getProducers", timeout_s=PATIENCE_S)
            assert heard(client, "error") == []
