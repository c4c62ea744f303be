"""A network with faults between a client and the SFU: a seeded UDP relay on loopback.

A client is led over the relay by the candidates that it is told of: `SignalingClient` rewrites
those in `transportCreated` by `LossyRelay.rewrite`, a browser's page is given the relay's address.
Each client gets a socket of its own towards the SFU, which therefore sees one source address per
client.
"""

from __future__ import annotations

import asyncio
import random
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

from tests.support.ice import Address

JsonObject = dict[str, Any]

DATAGRAM_BYTES = 2048
BUFFER_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Faults:
    """What happens to each datagram, in each direction alike.

    Attributes:
        loss: Probability that it is dropped.
        delay_ms: Mean delay.
        jitter_ms: The delay is uniform in `delay_ms` plus or minus this.
        reorder: Whether a datagram may overtake another; else jitter only delays the queue.
    """

    loss: float = 0.0
    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    reorder: bool = False


CLASSROOM_WIFI = Faults(loss=0.05, delay_ms=20, jitter_ms=10)
"""Five per cent loss and 20 ms plus or minus 10 ms each way."""


class _Link:
    """One direction of one client's path: datagrams in, late or never out of a socket."""

    def __init__(
        self, faults: Faults, generator: random.Random, sender: socket.socket, destination: Address
    ) -> None:
        self.faults = faults
        self.dropped = 0
        self._random = generator
        self._sender = sender
        self._destination = destination
        self._loop = asyncio.get_running_loop()
        self._last_delivery_s = 0.0

    def carry(self, datagram: bytes) -> None:
        if self._random.random() < self.faults.loss:
            self.dropped += 1
            return
        jitter_ms = self._random.uniform(-self.faults.jitter_ms, self.faults.jitter_ms)
        due_s = self._loop.time() + max(0.0, self.faults.delay_ms + jitter_ms) / 1000
        if not self.faults.reorder:
            # Later by a little, not at the same time: the loop's timers are no queue.
            due_s = max(due_s, self._last_delivery_s + 1e-6)
            self._last_delivery_s = due_s
        self._loop.call_at(due_s, self._deliver, datagram)

    def _deliver(self, datagram: bytes) -> None:
        try:
            self._sender.sendto(datagram, self._destination)
        except OSError:
            # A full buffer or a socket that has been closed loses it, as networks do.
            self.dropped += 1


class LossyRelay:
    """Forwards between any number of clients and one SFU address, with faults.

    Args:
        target: The SFU's media address.
        faults: Of both directions.
        seed: The same seed and the same datagrams give the same losses.
    """

    def __init__(self, target: Address, faults: Faults, *, seed: int) -> None:
        self._target = target
        self._faults = faults
        self._seed = seed
        self._loop = asyncio.get_running_loop()
        self._links: dict[Address, tuple[_Link, _Link]] = {}
        self._sockets: list[socket.socket] = []
        self._front = self._open_socket()
        self._loop.add_reader(self._front, self._on_client_readable)

    @property
    def address(self) -> Address:
        """Where clients have to send."""
        host, port = self._front.getsockname()[:2]
        return host, port

    @property
    def dropped(self) -> int:
        """Datagrams lost so far, of all clients and both directions."""
        return sum(up.dropped + down.dropped for up, down in self._links.values())

    def rewrite(self, transport_created: JsonObject) -> JsonObject:
        """Lead a client over this relay: a `CandidateRewriter`."""
        host, port = self.address
        candidate = transport_created["iceCandidates"][0]
        here = candidate | {"ip": host, "address": host, "port": port}
        return transport_created | {"iceCandidates": [here]}

    def set_faults(self, faults: Faults) -> None:
        """Change the weather for everybody."""
        self._faults = faults
        for links in self._links.values():
            for link in links:
                link.faults = faults

    def close(self) -> None:
        """Stop forwarding; what is still on its way is lost."""
        for each in self._sockets:
            self._loop.remove_reader(each)
            each.close()

    def _open_socket(self) -> socket.socket:
        new = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        new.setblocking(False)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            new.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)
        new.bind(("127.0.0.1", 0))
        self._sockets.append(new)
        return new

    def _on_client_readable(self) -> None:
        while True:
            try:
                datagram, client = self._front.recvfrom(DATAGRAM_BYTES)
            except BlockingIOError:
                return
            except ConnectionError:
                continue
            links = self._links.get(client) or self._admit(client)
            links[0].carry(datagram)

    def _admit(self, client: Address) -> tuple[_Link, _Link]:
        back = self._open_socket()
        number = len(self._links)
        up = self._link(f"{number}/up", back, self._target)
        down = self._link(f"{number}/down", self._front, client)
        self._links[client] = up, down
        self._loop.add_reader(back, self._on_server_readable, back, down)
        return up, down

    def _link(self, name: str, sender: socket.socket, destination: Address) -> _Link:
        generator = random.Random(f"{self._seed}/{name}")
        return _Link(self._faults, generator, sender, destination)

    def _on_server_readable(self, back: socket.socket, down: _Link) -> None:
        while True:
            try:
                datagram = back.recv(DATAGRAM_BYTES)
            except BlockingIOError:
                return
            except ConnectionError:
                continue
            down.carry(datagram)


@asynccontextmanager
async def lossy_relay(target: Address, faults: Faults, *, seed: int) -> AsyncIterator[LossyRelay]:
    """A relay in the running event loop."""
    relay = LossyRelay(target, faults, seed=seed)
    try:
        yield relay
    finally:
        relay.close()


@contextmanager
def relay_thread(target: Address, faults: Faults, *, seed: int) -> Iterator[LossyRelay]:
    """A relay in an event loop and a thread of its own, for tests that block."""
    loop = asyncio.SelectorEventLoop()

    async def start() -> LossyRelay:
        return LossyRelay(target, faults, seed=seed)

    thread = threading.Thread(target=loop.run_forever, name="relay")
    thread.start()
    relay = asyncio.run_coroutine_threadsafe(start(), loop).result()
    try:
        yield relay
    finally:
        loop.call_soon_threadsafe(relay.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
