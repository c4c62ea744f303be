"""Doing what the host asks for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from sidecar.lifecycle import commands
from sidecar.lifecycle.address_keeper import AddressKeeper
from sidecar.lifecycle.commands import InvalidCommand, decode_command
from sidecar.lifecycle.ending import Ending
from sidecar.lifecycle.events import Error, Event, Pong
from sidecar.lifecycle.starter import Starter
from sidecar.lifecycle.status import Others, StatusReporter
from sidecar.settings import announced_addresses

if TYPE_CHECKING:
    from sidecar.signaling.server import ServerSnapshot

logger = logging.getLogger(__name__)


class Controller:
    """Obeys one line after another.

    Args:
        starter: Gets the answers.
        ending: What ``shutdown`` wishes for.
        keeper: Carries out ``set-announce``.
        reporter: Makes the answers to ``status``.
        snapshot: Looks at what is going on in this process.
        others: Asks the others, and doesn't wait for long.
    """

    def __init__(
        self,
        starter: Starter,
        ending: Ending,
        keeper: AddressKeeper,
        reporter: StatusReporter,
        snapshot: Callable[[], ServerSnapshot],
        others: Callable[[], Awaitable[Others]],
    ) -> None:
        self._starter = starter
        self._ending = ending
        self._keeper = keeper
        self._reporter = reporter
        self._snapshot = snapshot
        self._others = others

    async def obey_all(self, lines: asyncio.Queue[bytes]) -> None:
        """Obey what is or will be in a queue, for ever."""
        while True:
            await self.obey(await lines.get())

    async def obey(self, line: bytes) -> None:
        """Do what a line says, and answer. ``shutdown`` is answered at the very end."""
        try:
            answer = await self._carry_out(decode_command(line))
        except InvalidCommand as error:
            answer = error.answer
        except Exception:
            logger.exception("a command failed")
            answer = Error(code="internal", message="Internal error")
        if answer is not None:
            self._starter.tell(answer)

    async def _carry_out(self, command: commands.AnyCommand) -> Event | None:
        match command:
            case commands.Ping():
                return Pong(id=command.id)
            case commands.Status():
                others = await self._others()
                return self._reporter.report(self._snapshot(), command.id, others)
            case commands.SetAnnounce():
                return self._announce(command)
            case commands.Shutdown():
                self._ending.wish("shutdown", command.id)
        return None

    def _announce(self, command: commands.SetAnnounce) -> Event:
        try:
            addresses = announced_addresses(command.addresses)
        except ValueError as error:
            return Error(id=command.id, code="invalid-command", message=f"addresses {error}")
        return self._keeper.announce(addresses, command.id)
