"""A client's representative: its half in the main process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from sidecar.signaling.connection import REPLACED, ROOM_LOST
from sidecar.workers.messages import Alive, AskSilence, End, Frame, Gone, Message
from sidecar.workers.relay import Relay
from tests.unit.workers.fakes import FakeClient, settle


class Setting:
    def __init__(self, *, is_alive: bool = True) -> None:
        self.posted: list[Message] = []
        self.client = FakeClient(is_alive=is_alive)
        self.relay = Relay(7, "room", self.client, self.posted.append)


@pytest.fixture
async def setting() -> Setting:
    return Setting()


@pytest.fixture(autouse=True)
def nothing_is_left(setting: Setting) -> Iterator[None]:
    yield
    setting.relay.end()


async def test_a_frame_is_handled_when_it_is_answered(setting: Setting) -> None:
    handled = asyncio.create_task(setting.relay.handle("{}"))
    await settle()
    assert setting.posted == [Frame.of(7, "{}")]
    assert not handled.done()
    setting.relay.answered(True)
    assert await handled


async def test_what_the_worker_says_reaches_the_client(setting: Setting) -> None:
    setting.relay.deliver(b"{}")
    setting.relay.sent_invalid()
    setting.relay.stop(REPLACED)
    assert setting.client.delivered.get_nowait() == b"{}"
    assert setting.client.invalid == 1
    assert setting.client.stopped == [REPLACED]


@pytest.mark.parametrize("is_alive", [True, False])
async def test_a_probe_is_answered(is_alive: bool) -> None:
    setting = Setting(is_alive=is_alive)
    setting.relay.probe(3)
    await settle()
    assert setting.posted == [Alive(7, 3, is_alive)]
    setting.relay.end()


async def test_the_worker_is_asked_for_media(setting: Setting) -> None:
    asked = asyncio.create_task(setting.relay.media_silence_ns())
    await settle()
    assert setting.posted == [AskSilence(7)]
    setting.relay.silent(5)
    assert await asked == 5
    setting.relay.silent(6)


async def test_who_is_represented_no_more_has_no_media(setting: Setting) -> None:
    asked = asyncio.create_task(setting.relay.media_silence_ns())
    await settle()
    setting.relay.lose()
    assert await asked is None


async def test_the_end_of_the_connection_is_told_at_once(setting: Setting) -> None:
    setting.client.closed.set()
    await settle()
    assert setting.posted == [Gone(7)]


async def test_who_has_left_hears_and_says_nothing_more(setting: Setting) -> None:
    setting.relay.leave("Too slow")
    setting.relay.deliver(b"{}")
    setting.relay.probe(3)
    setting.client.closed.set()
    await settle()
    assert setting.client.delivered.empty()
    assert setting.posted == [End(7, "Too slow"), Alive(7, 3, False)]
    setting.relay.lose()
    assert setting.client.stopped == []


async def test_a_worker_that_is_lost_is_the_end_of_the_connection(setting: Setting) -> None:
    handled = asyncio.create_task(setting.relay.handle("{}"))
    await settle()
    setting.relay.lose()
    assert not await handled
    assert setting.client.stopped == [ROOM_LOST]
