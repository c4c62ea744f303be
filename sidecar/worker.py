"""A worker as a process: the composition root of a server without a WebSocket of its own."""

from __future__ import annotations

import asyncio
import logging
import os
from functools import partial
from typing import Final

from sidecar import collector
from sidecar.classroom.policy import POLICIES
from sidecar.errors import StartupError
from sidecar.lifecycle.ending import Ending
from sidecar.lifecycle.stdio import STDIN, claim_stdout, open_missing_streams
from sidecar.lifecycle.warner import LossWatch, warn_of_blocked_udp
from sidecar.net.platform import event_loop_factory, ignore_stop_signals
from sidecar.ports import open_media
from sidecar.server import lost_packets, network_counters, start_media
from sidecar.signaling.registry import Registry
from sidecar.warm_up import warm_up
from sidecar.workers.log_handler import LogHandler
from sidecar.workers.messages import Failed, Leave, Ready, Start, ToWorker, Warn
from sidecar.workers.parent import Parent
from sidecar.workers.service import Reporter, Service

logger = logging.getLogger(__name__)

DEADLINE_S: Final = 1.0
"""From the end of the main process, or its wish, to ours: there is nothing to wait for."""


def serve_as_worker() -> int:
    """Serve the main process at the other end of stdin and stdout, until it is gone.

    Returns:
        The exit code.
    """
    # Ctrl+C reaches all processes of a terminal; the main one sees to it that all end in order.
    ignore_stop_signals()
    open_missing_streams()
    parent = Parent(claim_stdout(), STDIN)
    logging.getLogger().addHandler(LogHandler(parent.post_dispensable))
    exit_code = 0
    loop = event_loop_factory()
    try:
        with (
            Ending(loop, DEADLINE_S) as ending,
            asyncio.Runner(loop_factory=lambda: loop) as runner,
        ):
            runner.run(_serve_until_stopped(parent, ending))
    except BaseException as error:  # whatever ends it: the main process says what becomes of it
        logger.critical("internal error", exc_info=True)
        parent.post(Failed(f"internal error: {type(error).__name__}"))
        exit_code = 1
    parent.close()
    return exit_code


async def _serve_until_stopped(parent: Parent, ending: Ending) -> None:
    heard: asyncio.Queue[ToWorker] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    parent.listen(loop, heard.put_nowait, partial(ending.wish, "host-gone"))
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(_serve(parent, ending, heard))
        await ending.wait()
        serving.cancel()


async def _serve(parent: Parent, ending: Ending, heard: asyncio.Queue[ToWorker]) -> None:
    start = await heard.get()
    if not isinstance(start, Start):
        raise TypeError(f"the first message is {start}")
    logging.getLogger().setLevel(start.settings.log_level.upper())
    try:
        media_socket, address_book = open_media(start.settings)
    except StartupError as error:
        parent.post(Failed(error.message))
        ending.wish("shutdown")
        return
    settings = start.settings
    media_port, worker = start_media(media_socket, address_book, settings)
    registry = Registry(
        worker,
        POLICIES[settings.policy],
        settings,
        Reporter(parent.post),
    )
    media_port.on_woken = lambda _gap_s: registry.offer_ice_restarts()
    count = partial(network_counters, media_port)
    service = Service(parent.post, registry, address_book, count)

    def warn(code: str, message: str) -> None:
        parent.post(Warn(code, message))

    media_port.on_udp_blocked = partial(warn_of_blocked_udp, warn)
    try:
        parent.post(Ready(os.getpid(), media_port.port))
        collector.settle()
        async with asyncio.TaskGroup() as group:
            tasks = (
                group.create_task(warm_up(media_port)),
                group.create_task(LossWatch(partial(lost_packets, media_port), warn).watch()),
            )
            while not isinstance(message := await heard.get(), Leave):
                service.obey(message)
                # Messages that came together are heard without waiting: media has its turn in
                # between.
                await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
        ending.wish("shutdown")
    finally:
        service.close()
        media_port.close()
