"""Rooms spread over processes: what is done about it while there is but one room, and then."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from sidecar.classroom.peer import Peer
from sidecar.lifecycle.status import NO_OTHERS, Others
from sidecar.lifecycle.warner import Warn
from sidecar.net.addresses import AddressBook, InterfaceAddress
from sidecar.settings import PortRange, Settings
from sidecar.signaling.client import Client
from sidecar.signaling.elsewhere import Representative
from sidecar.signaling.registry import Observer, Registry

if TYPE_CHECKING:
    from sidecar.workers.pool import Pool

logger = logging.getLogger(__name__)


class Spread:
    """Brings the workers into play when a second room comes; a single class does without them.

    Implements ``sidecar.signaling.elsewhere.Elsewhere`` and
    ``sidecar.lifecycle.address_keeper.Book``.

    Args:
        settings: Of this process and of those to come.
        book: What this process announces.
        observer: Sees who comes and goes.
        on_lost: Is called with words for people when a worker has ended unexpectedly.
        warn: Takes the warnings of workers.
    """

    def __init__(
        self,
        settings: Settings,
        book: AddressBook,
        observer: Observer | None,
        on_lost: Callable[[str], None],
        warn: Warn = lambda _code, _message: None,
    ) -> None:
        self._warn = warn
        self._settings = settings
        self._book = book
        self._observer = observer
        self._on_lost = on_lost
        self._max_workers = _max_workers(settings)
        self._pool: Pool | None = None

    def find(self, room_id: str, peer_id: str) -> Peer | None:
        """See ``Elsewhere``."""
        return self._pool.find(room_id, peer_id) if self._pool is not None else None

    async def represent(
        self, client: Client, room_id: str, here: Registry, *, is_proven: bool
    ) -> Representative | None:
        """See ``Elsewhere``."""
        if self._pool is None:
            if not self._max_workers or not here.rooms or here.holds(room_id):
                return None
            try:
                self._pool = self._make_pool()
            except (Exception, SystemExit) as error:  # the latter if a frozen file is gone
                logger.warning("no further process can be had, rooms share this one: %s", error)
                self._max_workers = 0
                return None
        return await self._pool.represent(client, room_id, here, is_proven=is_proven)

    async def others(self) -> Others:
        """Ask the workers what is going on; waits for half a second at most."""
        return await self._pool.others() if self._pool is not None else NO_OTHERS

    def announce(self, addresses: Sequence[str]) -> None:
        """Announce these addresses in all processes from now on."""
        self._settings = replace(self._settings, announce=tuple(addresses))
        self._book.announce(addresses)
        if self._pool is not None:
            self._pool.announce(addresses)

    def update(self, found: Sequence[InterfaceAddress], now_ns: int) -> None:
        """Tell all processes which addresses this computer has."""
        self._book.update(found, now_ns)
        if self._pool is not None:
            self._pool.update(found)

    async def close(self) -> None:
        """End all workers."""
        if self._pool is not None:
            await self._pool.close()

    def _make_pool(self) -> Pool:
        from sidecar.workers.messages import Start
        from sidecar.workers.pool import Pool

        def make_start() -> Start:
            return Start(self._settings)

        return Pool(
            self._max_workers,
            self._settings,
            make_start,
            self._observer,
            self._on_lost,
            warn=self._warn,
        )


def _max_workers(settings: Settings) -> int:
    """How many processes there may be besides this one: each needs a UDP port of its own."""
    ports = settings.media_ports
    if ports == PortRange(0, 0):
        return settings.num_workers - 1
    return min(settings.num_workers - 1, ports.last - ports.first)
