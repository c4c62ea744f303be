from __future__ import annotations

import asyncio

import pytest

from sidecar.signaling.outbox import Outbox


class Overflows:
    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


async def test_sends_in_order_one_at_a_time() -> None:
    outbox = Outbox(10, Overflows())
    sent: list[bytes] = []
    sending = 0
    done = asyncio.Event()

    async def send(message: bytes) -> None:
        nonlocal sending
        sending += 1
        assert sending == 1
        await asyncio.sleep(0)
        sending -= 1
        sent.append(message)
        if message == b"last":
            done.set()

    for message in (b"first", b"second", b"last"):
        outbox.put(message)
    writer = asyncio.create_task(outbox.drain_to(send, 60))
    await done.wait()
    writer.cancel()
    assert sent == [b"first", b"second", b"last"]


async def test_overflows_once_and_takes_nothing_more() -> None:
    overflows = Overflows()
    outbox = Outbox(2, overflows)
    for _ in range(2):
        outbox.put(b"fits")
    assert overflows.count == 0
    for _ in range(3):
        outbox.put(b"too much")
    assert overflows.count == 1


async def test_a_client_that_never_reads() -> None:
    outbox = Outbox(2, Overflows())
    outbox.put(b"message")

    async def send(message: bytes) -> None:
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await outbox.drain_to(send, 0)
