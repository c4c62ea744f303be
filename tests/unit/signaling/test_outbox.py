from __future__ import annotations

import asyncio

import pytest

from sidecar.signaling.outbox import Outbox


class Overflows:
    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


class Reader:
    """Reads at once, unless it is stopped."""

    def __init__(self) -> None:
        self.reads = asyncio.Event()
        self.reads.set()
        self.read: list[bytes] = []
        self._reading = 0

    async def send(self, message: bytes) -> None:
        self._reading += 1
        assert self._reading == 1
        if not self.reads.is_set():
            await self.reads.wait()
        self._reading -= 1
        self.read.append(message)


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_sends_in_order_one_at_a_time() -> None:
    outbox, reader = Outbox(10, Overflows()), Reader()
    writer = asyncio.create_task(outbox.drain_to(reader.send, 60))
    outbox.put(b"first")
    await turns(3)
    reader.reads.clear()
    outbox.put(b"second")
    outbox.put(b"last")
    await turns(3)
    assert reader.read == [b"first"]
    reader.reads.set()
    await turns(10)
    writer.cancel()
    assert reader.read == [b"first", b"second", b"last"]


async def test_whatever_comes_at_once_is_sent_to_who_reads() -> None:
    overflows = Overflows()
    outbox, reader = Outbox(1000, overflows), Reader()
    messages = [str(number).encode() for number in range(10_000)]
    writer = asyncio.create_task(outbox.drain_to(reader.send, 60))
    await turns(1)
    for message in messages:
        outbox.put(message)
    others_turns = 0
    while len(reader.read) < len(messages):
        await asyncio.sleep(0)
        others_turns += 1
        outbox.put(b"")  # Also while it goes out.
    writer.cancel()
    assert reader.read[: len(messages)] == messages
    assert overflows.count == 0
    assert others_turns >= len(messages) / 2


async def test_what_waits_for_who_does_not_read_is_bounded() -> None:
    overflows = Overflows()
    outbox, reader = Outbox(20, overflows), Reader()
    reader.reads.clear()
    writer = asyncio.create_task(outbox.drain_to(reader.send, 60))
    outbox.put(b"is being sent")
    await turns(5)
    for _ in range(4):
        outbox.put(b"fits!")
    assert overflows.count == 0
    for _ in range(3):
        outbox.put(b"too much")
    assert overflows.count == 1
    reader.reads.set()
    await turns(10)
    writer.cancel()
    assert reader.read == [b"is being sent"]


async def test_what_a_client_can_do_without_is_never_counted_against_it() -> None:
    overflows = Overflows()
    outbox, reader = Outbox(20, overflows), Reader()
    reader.reads.clear()
    writer = asyncio.create_task(outbox.drain_to(reader.send, 60))
    outbox.put(b"is being sent")
    await turns(5)
    for number in range(100):
        outbox.put(str(number).encode(), is_spare=True)
    outbox.put(b"an event")
    assert overflows.count == 0
    reader.reads.set()
    await turns(100)
    outbox.put(b"heard again", is_spare=True)
    await turns(5)
    writer.cancel()
    assert reader.read[0] == b"is being sent"
    assert reader.read[1:4] == [b"0", b"1", b"2"]
    assert reader.read[-2:] == [b"an event", b"heard again"]
    assert len(reader.read) < 20


async def test_tells_whether_the_client_is_waited_for() -> None:
    outbox, reader = Outbox(20, Overflows()), Reader()
    writer = asyncio.create_task(outbox.drain_to(reader.send, 60))
    outbox.put(b"read at once")
    await outbox.wait_until_it_flows()
    await turns(5)
    reader.reads.clear()
    outbox.put(b"not read")
    await turns(5)
    waiting = asyncio.create_task(outbox.wait_until_it_flows())
    await turns(5)
    assert not waiting.done()
    reader.reads.set()
    await waiting
    reader.reads.clear()
    outbox.put(b"never read")
    await turns(5)
    waiting = asyncio.create_task(outbox.wait_until_it_flows())
    writer.cancel()
    await waiting


async def test_a_client_that_never_reads() -> None:
    outbox = Outbox(20, Overflows())
    outbox.put(b"message")

    async def send(message: bytes) -> None:
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await outbox.drain_to(send, 0)
