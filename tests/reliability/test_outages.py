"""Networks that are away for a while."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.sfu_process import SfuProcess
from tests.support.signaling import SignalingClient
from tests.support.tcp_relay import tcp_relay

CLIENTS = 20
ARRIVALS_S = 10.0
OUTAGE_S = 12.0


async def arrive(url: str, number: int) -> SignalingClient:
    """Join at some moment of the time between two pings of the server."""
    await asyncio.sleep(ARRIVALS_S * number / CLIENTS)
    client = await SignalingClient.connect(url)
    name = f"student-{number}"
    who = {"roomId": "class", "peerId": name, "name": name, "isTeacher": False}
    await client.request("join", who)
    return client


@pytest.mark.slow
@pytest.mark.timeout(90)
async def test_an_outage_of_twelve_seconds_loses_nobody(sfu: SfuProcess) -> None:
    async with tcp_relay(sfu.url) as relay:
        clients = await asyncio.gather(*(arrive(relay.url, number) for number in range(CLIENTS)))
        relay.stall()
        await asyncio.sleep(OUTAGE_S)
        relay.go_on()
        for client in clients:
            assert await client.request("getProducers") == []
            assert not any(type_ == "peerLeft" for type_, _ in client.events)
        for client in clients:
            await client.close()
