"""Whoever started the program, and the network that it runs in, played by a test."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sidecar.lifecycle.events import Event
from sidecar.lifecycle.whereabouts import Whereabouts
from sidecar.net.addresses import AddressBook, InterfaceAddress


class FakeStarter:
    """Remembers what it is told; says what the test has it say.

    Attributes:
        told: All events so far.
        on_told: Is called with each one.
        is_gone: Whether it is gone before anybody listens to it.
        is_closed: Whether it was said good-bye to.
    """

    def __init__(self) -> None:
        self.told: list[Event] = []
        self.on_told: Callable[[Event], None] = lambda _event: None
        self.is_gone = False
        self.is_closed = False
        self._on_lines: Callable[[Sequence[bytes]], None] | None = None
        self._on_gone: Callable[[], None] | None = None

    def tell(self, event: Event) -> None:
        assert not self.is_closed
        self.told.append(event)
        self.on_told(event)

    def listen(
        self, on_lines: Callable[[Sequence[bytes]], None], on_gone: Callable[[], None]
    ) -> None:
        self._on_lines, self._on_gone = on_lines, on_gone
        if self.is_gone:
            on_gone()

    def close(self, timeout_s: float | None = None) -> None:
        self.is_closed = True

    def say(self, line: str) -> None:
        assert self._on_lines is not None
        self._on_lines([line.encode()])

    def go(self) -> None:
        assert self._on_gone is not None
        self._on_gone()


class FakeNetwork:
    """A server on all interfaces of a machine that has one address."""

    LAN = "192.168.1.20"

    def __init__(self, *announced: str) -> None:
        self.found = self.addresses(self.LAN)
        self.book = AddressBook(
            bound_to="0.0.0.0", announced=announced, list_addresses=lambda: self.found
        )
        self.whereabouts = Whereabouts("", 3016, 40000, self.book)

    @staticmethod
    def addresses(*ips: str) -> list[InterfaceAddress]:
        """What the system says of a machine that has these, and itself."""
        return [InterfaceAddress("lo", "127.0.0.1"), *(InterfaceAddress("eth0", ip) for ip in ips)]
