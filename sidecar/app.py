"""The composition root: builds the program out of its layers and runs it."""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import random
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sidecar.classroom.policy import POLICIES
from sidecar.errors import StartupError
from sidecar.lifecycle import STARTED_NS, ReadyInfo, announce_ready
from sidecar.net.addresses import AddressBook
from sidecar.net.dtls import Certificate
from sidecar.net.media_port import MediaPort, NoFreePortError, open_media_socket
from sidecar.net.platform import event_loop_factory, on_stop_signal
from sidecar.settings import Settings
from sidecar.sfu import Worker
from sidecar.signaling.limits import Limits
from sidecar.signaling.server import SignalingServer

logger = logging.getLogger(__name__)

_LOOPBACK_OF = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}
"""Of the hosts that mean all interfaces: how to reach them from this computer."""


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that serves.

    Attributes:
        ready: Where it can be reached.
        worker: Its media.
        media_port: Its UDP port.
        signaling: Its WebSocket server and rooms.
    """

    ready: ReadyInfo
    worker: Worker
    media_port: MediaPort
    signaling: SignalingServer


def run(settings: Settings) -> int:
    """Serves until SIGINT or SIGTERM.

    Returns:
        The exit code.

    Raises:
        StartupError: It cannot start.
    """
    with asyncio.Runner(loop_factory=event_loop_factory) as runner:
        return runner.run(_serve_until_stopped(settings))


@asynccontextmanager
async def running_server(settings: Settings) -> AsyncIterator[RunningServer]:
    """Runs a server in the current event loop for as long as the context lasts.

    Raises:
        StartupError: It cannot start.
    """
    media_port = _open_media_port(settings)
    try:
        worker = Worker(
            media_port,
            random.SystemRandom(),
            max_incoming_bitrate_bps=settings.max_incoming_bitrate,
        )
        media_port.start(worker)
        signaling = SignalingServer(
            worker,
            POLICIES[settings.policy],
            settings.max_clients_per_room,
            Limits(
                max_messages_per_second=settings.max_messages_per_second,
                max_invalid_messages=settings.max_invalid_messages,
            ),
        )
        port = await _listen(signaling, settings)
        try:
            ready = _ready_info(settings, port, media_port)
            yield RunningServer(ready, worker, media_port, signaling)
        finally:
            await signaling.close()
    finally:
        media_port.close()


async def _serve_until_stopped(settings: Settings) -> int:
    stopped = asyncio.Event()
    on_stop_signal(asyncio.get_running_loop(), stopped.set)
    async with running_server(settings) as server:
        announce_ready(server.ready, stdin=sys.stdin, stdout=sys.stdout)
        # What exists now lives as long as the process: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        await stopped.wait()
        logger.info("stopping")
    return 0


def _open_media_port(settings: Settings) -> MediaPort:
    ports = settings.media_ports
    try:
        media_socket = open_media_socket(settings.host, ports.first, ports.last)
    except NoFreePortError as error:
        raise StartupError(
            f"all UDP ports for media ({ports}) are taken",
            "Choose others with --media-ports, or 0 for any free one.",
        ) from error
    except OSError as error:
        raise _cannot_listen(settings, error) from error
    address_book = AddressBook(bound_to=media_socket.getsockname()[0], announced=settings.announce)
    return MediaPort(media_socket, address_book, Certificate())


async def _listen(signaling: SignalingServer, settings: Settings) -> int:
    try:
        return await signaling.start(settings.host, settings.port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise StartupError(
                f"TCP port {settings.port} is taken by another program",
                "Stop that program, or choose another port with --port (0 for any free one).",
            ) from error
        if error.errno == errno.EACCES:
            raise StartupError(
                f"TCP port {settings.port} may not be used here",
                "Choose a port above 1023 with --port (0 for any free one).",
            ) from error
        raise _cannot_listen(settings, error) from error


def _cannot_listen(settings: Settings, error: OSError) -> StartupError:
    return StartupError(
        f"cannot listen on {settings.host or 'all interfaces'}: {error.strerror or error}",
        "Give an address of this computer with --host, or leave it out for all.",
    )


def _ready_info(settings: Settings, port: int, media_port: MediaPort) -> ReadyInfo:
    now_ns = time.monotonic_ns()
    addresses = tuple(media_port.address_book.addresses(None, now_ns))
    here = _LOOPBACK_OF.get(settings.host)
    return ReadyInfo(
        port=port,
        urls=tuple(_url(each, port) for each in (addresses if here else (settings.host,))),
        local_url=_url(here or settings.host, port),
        media_port=media_port.port,
        media_addresses=addresses,
        startup_ms=(now_ns - STARTED_NS) // 1_000_000,
    )


def _url(host: str, port: int) -> str:
    return f"ws://[{host}]:{port}" if ":" in host else f"ws://{host}:{port}"
