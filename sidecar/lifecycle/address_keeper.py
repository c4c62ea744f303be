"""Keeping up with the network under a running server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from msgspec import UNSET, UnsetType

from sidecar.lifecycle.events import Addresses, CommandId, Warning
from sidecar.lifecycle.starter import Starter
from sidecar.lifecycle.whereabouts import Whereabouts
from sidecar.net.addresses import InterfaceAddress, system_addresses
from sidecar.net.platform import monotonic_ns

logger = logging.getLogger(__name__)

INTERVAL_S: Final = 4.0
"""Below the address book's own interval, so that this asks the system and never the event loop."""


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
        self._own_and_told: set[str] = set()

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
        interval_s: float = INTERVAL_S,
        list_addresses: Callable[[], list[InterfaceAddress]] = system_addresses,
    ) -> None:
        """Look again and again, for ever."""
        self._warn_of_no_network()
        while True:
            try:
                # On Windows this may take several milliseconds, which media can't wait for.
                self.look(await asyncio.to_thread(list_addresses))
            except Exception:
                # The class goes on with the addresses that are known.
                logger.exception("cannot find out this computer's addresses")
            await asyncio.sleep(interval_s)

    def look(self, found: Sequence[InterfaceAddress]) -> None:
        """Compare with the look before.

        Args:
            found: The addresses that this machine has now.
        """
        self._book.update(found, monotonic_ns())
        own = {each.ip for each in found}
        self._warn_of_loss(sorted(self._own_and_told - own))
        addresses = self._whereabouts.addresses()
        if addresses.media.addresses != self._told:
            self._told = list(addresses.media.addresses)
            self._starter.tell(addresses)
        self._own_and_told = own.intersection(self._told)

    def _warn_of_no_network(self) -> None:
        if not self._whereabouts.addresses().urls:
            self._warn("no-network", "This computer is in no network: nobody else can join")

    def _warn_of_loss(self, gone: Sequence[str]) -> None:
        if gone:
            self._warn("address-gone", f"This computer has lost the address {', '.join(gone)}")

    def _warn(self, code: str, message: str) -> None:
        logger.warning(message)
        self._starter.tell(Warning(code=code, message=message))
