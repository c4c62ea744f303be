"""The composition root: builds the program out of its layers and runs it."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import random
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from functools import partial

from sidecar import STARTED_NS, __version__
from sidecar.classroom.policy import POLICIES
from sidecar.lifecycle.address_keeper import AddressKeeper
from sidecar.lifecycle.attendance import Attendance
from sidecar.lifecycle.controller import Controller
from sidecar.lifecycle.ending import Ending
from sidecar.lifecycle.events import Ready, Stopped, Warning
from sidecar.lifecycle.port_holder import holding
from sidecar.lifecycle.starter import Starter
from sidecar.lifecycle.status import StatusReporter
from sidecar.lifecycle.whereabouts import Whereabouts
from sidecar.net.addresses import is_own_address
from sidecar.net.media_port import MediaPort
from sidecar.net.platform import event_loop_factory, on_stop_signal
from sidecar.ports import listen, open_media_port
from sidecar.settings import Settings
from sidecar.sfu import Worker
from sidecar.signaling.limits import Limits
from sidecar.signaling.registry import Observer
from sidecar.signaling.server import SignalingServer
from sidecar.signaling.teacher_rule import TeacherRule
from sidecar.spread import Spread

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that serves.

    Attributes:
        ready: Where it can be reached.
        whereabouts: The same, whenever one asks.
        worker: Its media.
        media_port: Its UDP port.
        signaling: Its WebSocket server and rooms.
        spread: Its further processes, if there are any.
    """

    ready: Ready
    whereabouts: Whereabouts
    worker: Worker
    media_port: MediaPort
    signaling: SignalingServer
    spread: Spread


def run(settings: Settings, starter: Starter) -> None:
    """Serves until the starter or a signal ends it.

    Raises:
        StartupError: It cannot start.
    """
    loop = event_loop_factory()
    with Ending(loop) as ending, asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(_serve_until_stopped(settings, starter, ending))


@asynccontextmanager
async def running_server(
    settings: Settings,
    observer: Observer | None = None,
    on_worker_lost: Callable[[str], None] = lambda _message: None,
) -> AsyncIterator[RunningServer]:
    """Runs a server in the current event loop for as long as the context lasts.

    Args:
        settings: How.
        observer: Sees who comes and goes.
        on_worker_lost: Is called with words for people when one of the further processes has
            ended unexpectedly.

    Raises:
        StartupError: It cannot start.
    """
    media_port, worker = make_media(settings)
    try:
        teacher_rule = make_teacher_rule(settings, secrets.token_urlsafe(16))
        spread = Spread(
            settings, teacher_rule.token, media_port.address_book, observer, on_worker_lost
        )
        signaling = _make_signaling(settings, worker, teacher_rule, observer, spread)
        port = await listen(signaling, settings)
        try:
            whereabouts = Whereabouts(settings.host, port, media_port)
            ready = _ready(settings, port, whereabouts, teacher_rule.token)
            yield RunningServer(ready, whereabouts, worker, media_port, signaling, spread)
        finally:
            await signaling.close()
            await spread.close()
    finally:
        media_port.close()


def make_media(settings: Settings) -> tuple[MediaPort, Worker]:
    """Open the UDP port of this process, and begin to receive.

    Raises:
        StartupError: It can't be had.
    """
    media_port = open_media_port(settings)
    worker = Worker(
        media_port,
        random.SystemRandom(),
        max_incoming_bitrate_bps=settings.max_incoming_bitrate,
    )
    media_port.start(worker)
    return media_port, worker


def make_teacher_rule(settings: Settings, token: str) -> TeacherRule:
    """Who is believed to be a teacher, in all processes alike."""
    return TeacherRule(settings.teacher_from, token, is_own_address)


async def _serve_until_stopped(settings: Settings, starter: Starter, ending: Ending) -> None:
    loop = asyncio.get_running_loop()
    on_stop_signal(loop, partial(ending.wish, "signal"))
    lines: asyncio.Queue[bytes] = asyncio.Queue()
    starter.listen(loop, lines.put_nowait, partial(ending.wish, "host-gone"))

    def on_worker_lost(message: str) -> None:
        logger.error(message)
        starter.tell(Warning(code="worker-lost", message=message))

    async with running_server(settings, Attendance(starter), on_worker_lost) as server:
        # Nobody else asks for a port that was any free one.
        with holding(server.ready.port) if settings.port else nullcontext():
            starter.tell(server.ready)
            # What exists now lives as long as the process: the collector need not look at it again.
            gc.collect()
            gc.freeze()
            stopped = await _serve(server, starter, ending, lines)
    starter.tell(stopped)


async def _serve(
    server: RunningServer, starter: Starter, ending: Ending, lines: asyncio.Queue[bytes]
) -> Stopped:
    """Does what the starter asks for, and keeps up with the network, until the end is near."""
    keeper = AddressKeeper(server.spread, server.whereabouts, starter)
    reporter = StatusReporter(STARTED_NS)
    controller = Controller(
        starter, ending, keeper, reporter, server.signaling.snapshot, server.spread.others
    )
    async with asyncio.TaskGroup() as group:
        tasks = (group.create_task(keeper.keep()), group.create_task(controller.obey_all(lines)))
        stopped = await ending.wait()
        for task in tasks:
            task.cancel()
    return stopped


def _make_signaling(
    settings: Settings,
    worker: Worker,
    teacher_rule: TeacherRule,
    observer: Observer | None,
    spread: Spread,
) -> SignalingServer:
    limits = Limits(
        max_messages_per_second=settings.max_messages_per_second,
        max_invalid_messages=settings.max_invalid_messages,
    )
    return SignalingServer(
        worker,
        POLICIES[settings.policy],
        settings.max_clients_per_room,
        limits,
        teacher_rule,
        observer,
        spread,
    )


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
