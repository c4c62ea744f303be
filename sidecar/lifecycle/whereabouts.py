"""Where a running server can be reached."""

from __future__ import annotations

import ipaddress
from typing import Final

from msgspec import UNSET, UnsetType

from sidecar.lifecycle.events import Addresses, CommandId, Media
from sidecar.net.addresses import AddressBook
from sidecar.net.platform import monotonic_ns

_LOOPBACK_OF: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}
"""Of the hosts that mean all interfaces: how to reach them from this computer."""


class Whereabouts:
    """Answers anew each time: the network may change.

    Args:
        host: What the WebSocket server listens on.
        port: Its TCP port.
        media_port: The UDP port.
        address_book: What is announced for that.
    """

    def __init__(self, host: str, port: int, media_port: int, address_book: AddressBook) -> None:
        self._host = host
        self._port = port
        self._media_port = media_port
        self._address_book = address_book

    @property
    def local_url(self) -> str:
        """WebSocket URL for this computer."""
        return _url(_LOOPBACK_OF.get(self._host, self._host), self._port)

    @property
    def is_for_others(self) -> bool:
        """Whether other computers are meant to reach it: it does not listen on loopback only."""
        try:
            return not ipaddress.ip_address(self._host or "0.0.0.0").is_loopback
        except ValueError:
            return self._host != "localhost"

    def is_own(self, ip: str) -> bool:
        """Whether an address is this computer's, as far as is known."""
        return self._address_book.is_own(ip)

    def addresses(self, command_id: CommandId | UnsetType = UNSET) -> Addresses:
        """WebSocket URLs and media addresses for everybody, the best first.

        There are no URLs while this computer is in no network.

        Args:
            command_id: Of the command that asks.
        """
        media = self._address_book.addresses(None, monotonic_ns())
        hosts = [self._host]
        if self._host in _LOOPBACK_OF:
            hosts = [each for each in media if not ipaddress.ip_address(each).is_loopback]
        return Addresses(
            id=command_id,
            urls=[_url(host, self._port) for host in hosts],
            media=Media(self._media_port, media),
        )


def _url(host: str, port: int) -> str:
    return f"ws://[{host}]:{port}" if ":" in host else f"ws://{host}:{port}"
