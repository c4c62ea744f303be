"""A client as a worker has it."""

from __future__ import annotations

import asyncio

from sidecar.signaling.connection import REPLACED, TOO_SLOW
from sidecar.workers.messages import Deliver, Invalid, Message, Probe, Stop
from sidecar.workers.remote_client import RemoteClient
from tests.unit.workers.fakes import settle


class Setting:
    def __init__(self) -> None:
        self.posted: list[Message] = []
        self.client = RemoteClient(7, "192.0.2.1", None, self.posted.append)


def test_what_it_is_told_goes_to_the_main_process() -> None:
    setting = Setting()
    setting.client.deliver(b"{}")
    setting.client.sent_invalid()
    assert setting.posted == [Deliver(7, b"{}"), Invalid(7)]
    assert setting.client.local_address == "192.0.2.1"
    assert setting.client.remote_address is None


def test_only_the_first_reason_to_stop_counts() -> None:
    setting = Setting()
    setting.client.stop(REPLACED)
    setting.client.stop(TOO_SLOW)
    assert setting.posted == [Stop(7, 4000, "Replaced by another connection")]
    assert not setting.client.is_open


async def test_each_probe_has_its_answer() -> None:
    setting = Setting()
    first = asyncio.create_task(setting.client.is_alive())
    second = asyncio.create_task(setting.client.is_alive())
    await settle()
    assert setting.posted == [Probe(7, 0), Probe(7, 1)]
    setting.client.probed(1, is_alive=True)
    setting.client.probed(0, is_alive=False)
    assert [await first, await second] == [False, True]
    setting.client.probed(1, is_alive=True)


async def test_who_has_hung_up_is_not_alive() -> None:
    setting = Setting()
    probe = asyncio.create_task(setting.client.is_alive())
    await settle()
    setting.client.hang_up()
    assert not await probe
    assert not await setting.client.is_alive()
    assert not setting.client.is_open
    await setting.client.wait_closed()
    assert setting.posted == [Probe(7, 0)]
