"""The composition root: builds the program out of its layers and runs it.

A host waits for `ready`, so what is needed to serve, but not to open the ports, is imported
afterwards: whoever connects in that moment is kept waiting by the system.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from sidecar import STARTED_NS, __version__, collector
from sidecar.lifecycle.address_keeper import AddressKeeper
from sidecar.lifecycle.attendance import Attendance
from sidecar.lifecycle.controller import Controller
from sidecar.lifecycle.ending import STUCK_EXIT_CODE, Ending
from sidecar.lifecycle.events import Fatal, Ready, Stopped, Warning
from sidecar.lifecycle.inbox import Inbox
from sidecar.lifecycle.port_holder import holding
from sidecar.lifecycle.starter import Starter
from sidecar.lifecycle.status import Held, StatusReporter
from sidecar.lifecycle.warner import LossWatch, Warn, Warner, warn_of_blocked_udp
from sidecar.lifecycle.whereabouts import Whereabouts
from sidecar.net.platform import event_loop_factory, on_stop_signal
from sidecar.ports import open_ports
from sidecar.settings import Settings

if TYPE_CHECKING:
    from sidecar.server import Server
    from sidecar.signaling.registry import Observer

logger = logging.getLogger(__name__)

STUCK_FLUSH_S: Final = 0.1
"""How long a host has to read that the program hung, before it is ended by force."""


class RunningServer(Struct, frozen=True):
    """A server that serves.

    Attributes:
        ready: Where it can be reached.
        whereabouts: The same, whenever one asks.
        server: Its parts.
    """

    ready: Ready
    whereabouts: Whereabouts
    server: Server


def run(settings: Settings, starter: Starter) -> None:
    """Serves until the starter or a signal ends it.

    Raises:
        StartupError: It cannot start.
    """
    loop = event_loop_factory()
    with (
        Ending(loop, on_stuck=partial(_say_stuck, starter)) as ending,
        asyncio.Runner(loop_factory=lambda: loop) as runner,
    ):
        runner.run(_serve_until_stopped(settings, starter, ending))


@asynccontextmanager
async def running_server(
    settings: Settings,
    observer: Observer | None = None,
    on_ready: Callable[[Ready], None] = lambda _ready: None,
    on_worker_lost: Callable[[str], None] = lambda _message: None,
    on_slept: Callable[[float], None] = lambda _gap_s: None,
    warn: Warn = lambda _code, _message: None,
) -> AsyncIterator[RunningServer]:
    """Runs a server in the current event loop for as long as the context lasts.

    Args:
        settings: How.
        observer: Sees who comes and goes.
        on_ready: Is told where it can be reached, as soon as it can.
        on_worker_lost: Is called with words for people when one of the further processes has
            ended unexpectedly.
        on_slept: Is called with a time in seconds for which everything stood still.
        warn: Takes the warnings of those processes.

    Raises:
        StartupError: It cannot start.
    """
    teacher_token = secrets.token_urlsafe(16)
    with closing(await open_ports(settings)) as ports:
        whereabouts = Whereabouts(settings.host, ports.tcp, ports.udp, ports.address_book)
        # Nobody else asks for a port that was any free one.
        with holding(ports.tcp) if settings.port else nullcontext():
            ready = _ready(settings, ports.tcp, whereabouts, teacher_token)
            on_ready(ready)
            from sidecar.server import serving

            async with serving(
                ports, settings, teacher_token, observer, on_worker_lost, on_slept, warn
            ) as server:
                yield RunningServer(ready, whereabouts, server)


async def _serve_until_stopped(settings: Settings, starter: Starter, ending: Ending) -> None:
    loop = asyncio.get_running_loop()
    on_stop_signal(loop, partial(ending.wish, "signal"))
    inbox = Inbox(loop)
    starter.listen(inbox.put, partial(ending.wish, "host-gone"))

    def on_worker_lost(message: str) -> None:
        logger.error("%s", message)
        starter.tell(Warning(code="worker-lost", message=message))

    def on_slept(gap_s: float) -> None:
        message = f"This computer slept for {gap_s:.0f} s: not everybody may be back by themselves"
        starter.tell(Warning(code="slept", message=message))

    warn = Warner(starter).warn
    async with running_server(
        settings, Attendance(starter), starter.tell, on_worker_lost, on_slept, warn
    ) as running:
        collector.settle()
        stopped = await _serve(running, starter, ending, inbox, warn)
    starter.tell(stopped)


async def _serve(
    running: RunningServer, starter: Starter, ending: Ending, inbox: Inbox, warn: Warn
) -> Stopped:
    """Does what the starter asks for, and keeps up with the network, until the end is near."""
    server = running.server
    keeper = AddressKeeper(server.spread, running.whereabouts, starter)
    # Brought by the server, which is there by now.
    from sidecar.server import lost_packets, network_counters
    from sidecar.warm_up import warm_up

    media_port = server.media_port

    def count() -> dict[str, int]:
        refused = server.signaling.refused_connections
        return {**network_counters(media_port), "refused_connections": refused}

    def held() -> Held:
        return Held(len(asyncio.all_tasks()), media_port.srtp_streams)

    reporter = StatusReporter(STARTED_NS, counters=count, held=held)
    controller = Controller(
        starter,
        ending,
        keeper,
        reporter,
        server.signaling.snapshot,
        server.spread.others,
        server.pin_rule.set,
    )
    media_port.on_udp_blocked = partial(warn_of_blocked_udp, warn)
    async with asyncio.TaskGroup() as group:
        tasks = (
            group.create_task(keeper.keep()),
            group.create_task(controller.obey_all(inbox)),
            group.create_task(warm_up(media_port)),
            group.create_task(LossWatch(partial(lost_packets, media_port), warn).watch()),
        )
        stopped = await ending.wait()
        for task in tasks:
            task.cancel()
    return stopped


def _say_stuck(starter: Starter) -> None:
    starter.tell(
        Fatal(
            code="stuck",
            message="it was to stop, and hung",
            hint="It has been ended by force. This is a mistake in the program.",
            exit_code=STUCK_EXIT_CODE,
        )
    )
    starter.close(STUCK_FLUSH_S)


def _ready(settings: Settings, port: int, whereabouts: Whereabouts, teacher_token: str) -> Ready:
    addresses = whereabouts.addresses()
    return Ready(
        version=__version__,
        pid=os.getpid(),
        port=port,
        requested_port=settings.port,
        local_url=whereabouts.local_url,
        urls=addresses.urls,
        media=addresses.media,
        teacher_token=teacher_token,
        startup_ms=(time.monotonic_ns() - STARTED_NS) // 1_000_000,
    )
