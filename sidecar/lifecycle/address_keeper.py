"""Keeping up with the network under a running server."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final, Protocol

from msgspec import UNSET, UnsetType

from sidecar.lifecycle.events import Addresses, CommandId, Warning
from sidecar.lifecycle.starter import Starter
from sidecar.lifecycle.whereabouts import Whereabouts
from sidecar.net.addresses import InterfaceAddress, rank_addresses, system_addresses
from sidecar.net.platform import monotonic_ns, network_changes

logger = logging.getLogger(__name__)

INTERVAL_S: Final = 4.0
"""Below the address book's own interval, so that this asks the system and never the event loop."""

BLIND_INTERVAL_S: Final = 1.0
"""The same where the system does not tell of changes."""

SETTLING_S: Final = 0.1
"""A cable that comes back brings a link, its addresses and its routes, one after the other."""


class Book(Protocol):
    """Where it is written what is announced to peers, see ``AddressBook``."""

    def announce(self, addresses: Sequence[str]) -> None:
        """Announce these from now on; none means those that are found."""

    def update(self, found: Sequence[InterfaceAddress], now_ns: int) -> None:
        """Take what the system has just said."""


class AddressKeeper:
    """Knows which addresses the starter was told, and tells it when they change.

    An announced address that never was this machine's, such as that of a router which forwards
    to it, can't be watched.

    Args:
        book: What is announced to peers; it is kept up to date.
        whereabouts: Where the server can be reached, as the starter knows it by now.
        starter: Is told.
    """

    def __init__(self, book: Book, whereabouts: Whereabouts, starter: Starter) -> None:
        self._book = book
        self._whereabouts = whereabouts
        self._starter = starter
        self._told = list(whereabouts.addresses().media.addresses)
        self._own_and_told = {ip for ip in self._told if whereabouts.is_own(ip)}
        self._ever_own = set(self._own_and_told)
        self._is_alone = False

    def announce(
        self, addresses: Sequence[str], command_id: CommandId | UnsetType = UNSET
    ) -> Addresses:
        """Announce other addresses from now on; transports that exist keep theirs.

        Args:
            addresses: None means those that are found on this machine.
            command_id: Of the command that asks.

        Returns:
            What the starter is to be told.
        """
        self._book.announce(addresses)
        answer = self._whereabouts.addresses(command_id)
        logger.info("announced addresses: %s", ", ".join(answer.media.addresses))
        self._told = list(answer.media.addresses)
        return answer

    async def keep(
        self,
        interval_s: float | None = None,
        list_addresses: Callable[[], list[InterfaceAddress]] = system_addresses,
    ) -> None:
        """Look again and again, for ever: when the system tells of a change, and now and then.

        Args:
            interval_s: From one look to the next if nothing is told; None for the usual one.
            list_addresses: Asks the system.
        """
        async with _changes() as changed:
            if interval_s is None:
                interval_s = INTERVAL_S if changed is not None else BLIND_INTERVAL_S
            while True:
                try:
                    # On Windows this may take several milliseconds, which media can't wait for.
                    self.look(await asyncio.to_thread(list_addresses))
                except Exception:
                    # The class goes on with the addresses that are known.
                    logger.exception("cannot find out this computer's addresses")
                await _wait(changed, interval_s)

    def look(self, found: Sequence[InterfaceAddress]) -> None:
        """Compare with the look before.

        Args:
            found: The addresses that this machine has now.
        """
        self._book.update(found, monotonic_ns())
        own = {each.ip for each in found if each.is_up}
        self._ever_own |= own
        self._warn_of_loss(sorted(self._own_and_told - own))
        self._warn_of_no_network(found)
        addresses = self._whereabouts.addresses()
        if addresses.media.addresses != self._told:
            self._told = list(addresses.media.addresses)
            self._starter.tell(addresses)
        self._own_and_told = own.intersection(self._told)

    def _warn_of_no_network(self, found: Sequence[InterfaceAddress]) -> None:
        """Say so once each time that there is none.

        Who wants to be alone has no need of one, and of other machines' addresses nobody knows.
        """
        was_alone = self._is_alone
        self._is_alone = (
            self._whereabouts.is_for_others
            and not rank_addresses(found)
            and self._ever_own.issuperset(self._whereabouts.addresses().media.addresses)
        )
        if self._is_alone and not was_alone:
            self._warn("no-network", "This computer is in no network: nobody else can join")

    def _warn_of_loss(self, gone: Sequence[str]) -> None:
        if gone:
            self._warn("address-gone", f"This computer has lost the address {', '.join(gone)}")

    def _warn(self, code: str, message: str) -> None:
        logger.warning(message)
        self._starter.tell(Warning(code=code, message=message))


@asynccontextmanager
async def _changes() -> AsyncIterator[asyncio.Event | None]:
    """What is set when the network has changed; None where the system doesn't tell."""
    feed = network_changes()
    if feed is None:
        yield None
        return
    changed = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(feed, _take, feed, changed)
    try:
        yield changed
    finally:
        loop.remove_reader(feed)
        feed.close()


def _take(feed: socket.socket, changed: asyncio.Event) -> None:
    with suppress(OSError):  # more than there is room for: that is news as well
        feed.recv(1 << 16)
    changed.set()


async def _wait(changed: asyncio.Event | None, interval_s: float) -> None:
    if changed is None:
        await asyncio.sleep(interval_s)
        return
    with suppress(TimeoutError):
        await asyncio.wait_for(changed.wait(), interval_s)
        await asyncio.sleep(SETTLING_S)
    changed.clear()
