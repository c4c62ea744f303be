"""A client as those see it who answer it, in whichever process they are."""

from __future__ import annotations

from typing import Protocol

from sidecar.signaling.connection import CloseReason


class Client(Protocol):
    """Whoever is at the other end of a WebSocket."""

    @property
    def is_open(self) -> bool:
        """Whether the client can still hear and be heard."""

    @property
    def local_address(self) -> str | None:
        """Our address that the client reached; None if unknown."""

    @property
    def remote_address(self) -> str | None:
        """Where the client is; None if unknown."""

    async def is_alive(self) -> bool:
        """Ask the client for a sign of life, for at most the probe timeout."""

    async def wait_closed(self) -> None:
        """Wait until the client can be heard no more, whoever ended it."""

    def deliver(self, message: bytes, *, is_spare: bool = False) -> None:
        """Queue a message for the client; never blocks, never raises.

        Args:
            message: To be sent.
            is_spare: Whether a client who doesn't read may miss it.
        """

    def sent_invalid(self) -> None:
        """Note a frame that was no request; too many of them are the client's end."""

    def stop(self, reason: CloseReason) -> None:
        """Have the connection closed; the first reason counts."""
