"""Doing what the host asks for."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from sidecar.lifecycle import commands
from sidecar.lifecycle.address_keeper import AddressKeeper
from sidecar.lifecycle.commands import InvalidCommand
from sidecar.lifecycle.ending import Ending
from sidecar.lifecycle.events import Error, Event, PinSet, Pong, Warning
from sidecar.lifecycle.inbox import Inbox, Item
from sidecar.lifecycle.starter import Starter
from sidecar.lifecycle.status import NO_OTHERS, Others, StatusReporter
from sidecar.settings import announced_addresses, pin_text

if TYPE_CHECKING:
    from sidecar.signaling.server import ServerSnapshot

logger = logging.getLogger(__name__)


PAUSES: Final = 9
"""After a command so many times as long as it took belongs to media: a host that asks without end
gets a tenth of the event loop."""

OWN_UP_S: Final = 1.0
"""While commands are dropped, how often the host is told."""


class Controller:
    """Obeys one command after another.

    Args:
        starter: Gets the answers.
        ending: What ``shutdown`` wishes for.
        keeper: Carries out ``set-announce``.
        reporter: Makes the answers to ``status``.
        snapshot: Looks at what is going on in this process.
        others: Asks the others, and doesn't wait for long.
        set_pin: Carries out ``set-pin``.
        clock: Monotonic, in nanoseconds.
    """

    def __init__(
        self,
        starter: Starter,
        ending: Ending,
        keeper: AddressKeeper,
        reporter: StatusReporter,
        snapshot: Callable[[], ServerSnapshot],
        others: Callable[[], Awaitable[Others]],
        set_pin: Callable[[str], None],
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._starter = starter
        self._ending = ending
        self._keeper = keeper
        self._reporter = reporter
        self._snapshot = snapshot
        self._others = others
        self._set_pin = set_pin
        self._clock = clock

    async def obey_all(self, inbox: Inbox) -> None:
        """Obey what is or will be in the inbox, for ever, and leave the loop to others between."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._own_up(inbox))
            while True:
                held_ns = await self.obey(await inbox.get())
                await asyncio.sleep(0 if inbox.hurries else PAUSES * held_ns / 1e9)

    async def obey(self, command: Item) -> int:
        """Do what a line says, and answer. ``shutdown`` is answered at the very end.

        Returns:
            For how long it held the event loop, in nanoseconds.
        """
        started_ns = self._clock()
        try:
            others = NO_OTHERS
            if isinstance(command, commands.Status):
                others = await self._others()
                started_ns = self._clock()
            answer = self._carry_out(command, others)
        except Exception:
            logger.exception("a command failed")
            answer = Error(code="internal", message="Internal error")
        if answer is not None:
            self._starter.tell(answer)
        return self._clock() - started_ns

    async def _own_up(self, inbox: Inbox) -> None:
        """Tell the host, every now and then, how much of what it said was dropped."""
        try:
            while True:
                await inbox.wait_dropped()
                await asyncio.sleep(OWN_UP_S)
                self._warn_of_dropped(inbox.own_up())
        finally:
            if dropped := inbox.close():
                self._warn_of_dropped(dropped)

    def _warn_of_dropped(self, dropped: int) -> None:
        message = f"{dropped} commands were dropped since they came faster than they can be obeyed"
        logger.warning("%d commands of the host were dropped", dropped)
        self._starter.tell(Warning(code="commands-dropped", message=message))

    def _carry_out(self, command: Item, others: Others) -> Event | None:
        match command:
            case InvalidCommand():
                return command.answer
            case commands.Ping():
                return Pong(id=command.id)
            case commands.Status():
                return self._reporter.report(self._snapshot(), command.id, others)
            case commands.SetAnnounce():
                return self._announce(command)
            case commands.SetPin():
                return self._ask_for(command)
            case commands.Shutdown():
                self._ending.wish("shutdown", command.id)
        return None

    def _ask_for(self, command: commands.SetPin) -> Event:
        try:
            pin = pin_text(command.pin or "")
        except ValueError as error:
            return Error(id=command.id, code="invalid-command", message=f"pin {error}")
        self._set_pin(pin)
        return PinSet(id=command.id, required=bool(pin))

    def _announce(self, command: commands.SetAnnounce) -> Event:
        try:
            addresses = announced_addresses(command.addresses)
        except ValueError as error:
            return Error(id=command.id, code="invalid-command", message=f"addresses {error}")
        return self._keeper.announce(addresses, command.id)
