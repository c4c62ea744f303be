"""A server on open ports: the media, the WebSocket server, and what they are made of.

Importing this brings most of the program.
"""

from __future__ import annotations

import random
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec.structs import replace

from sidecar.classroom.policy import POLICIES
from sidecar.lifecycle.warner import Warn
from sidecar.net.addresses import AddressBook
from sidecar.net.media_port import MediaPort
from sidecar.net.platform import (
    connection_capacity,
    overflowed_datagrams,
    raise_file_limit,
    watched_sockets,
)
from sidecar.ports import Ports
from sidecar.settings import Settings, is_address
from sidecar.sfu import Worker
from sidecar.signaling.accepted import ACCEPTING
from sidecar.signaling.connection_table import ConnectionTable
from sidecar.signaling.gate import Gate
from sidecar.signaling.origin import OriginRule, OwnHosts, names_of
from sidecar.signaling.pin import PinRule
from sidecar.signaling.registry import Observer
from sidecar.signaling.server import SignalingServer
from sidecar.signaling.teacher_rule import TeacherRule
from sidecar.spread import Spread

if TYPE_CHECKING:
    from sidecar.net.dtls import Certificate


@dataclass(frozen=True, slots=True)
class Server:
    """A server that serves.

    Attributes:
        worker: Its media.
        media_port: Its UDP port.
        signaling: Its WebSocket server and rooms.
        spread: Its further processes, if there are any.
        pin_rule: Its PIN, if there is one.
    """

    worker: Worker
    media_port: MediaPort
    signaling: SignalingServer
    spread: Spread
    pin_rule: PinRule


@asynccontextmanager
async def serving(
    ports: Ports,
    settings: Settings,
    teacher_token: str,
    observer: Observer | None,
    on_worker_lost: Callable[[str], None],
    on_slept: Callable[[float], None],
    warn: Warn,
) -> AsyncIterator[Server]:
    """Serves in the current event loop for as long as the context lasts.

    Args:
        ports: Are closed at the end.
        settings: How.
        teacher_token: Who has it may be the teacher.
        observer: Sees who comes and goes.
        on_worker_lost: Is called with words for people when one of the further processes has
            ended unexpectedly.
        on_slept: Is called with a time in seconds for which everything stood still.
        warn: Takes the warnings of those processes.
    """
    media_port, worker = start_media(ports.media_socket, ports.address_book, settings)
    try:
        pin_rule = PinRule(settings.pin, settings.max_pin_tries, time.monotonic)
        # Whoever is represented in another process has been let in here.
        told = replace(settings, pin="")
        spread = Spread(told, ports.address_book, observer, on_worker_lost, warn)
        signaling = SignalingServer(
            worker,
            POLICIES[settings.policy],
            settings,
            Gate(
                TeacherRule(settings.teacher_from, teacher_token, ports.address_book.is_own),
                pin_rule,
            ),
            _make_origin_rule(settings, ports.address_book),
            observer,
            spread,
            table=_make_connection_table(settings, ports.address_book),
        )

        def on_woken(gap_s: float) -> None:
            signaling.offer_ice_restarts()
            on_slept(gap_s)

        media_port.on_woken = on_woken
        await signaling.start(ports.listeners)
        try:
            yield Server(worker, media_port, signaling, spread, pin_rule)
        finally:
            await signaling.close()
            await spread.close()
    finally:
        media_port.close()


def start_media(
    media_socket: socket.socket, address_book: AddressBook, settings: Settings
) -> tuple[MediaPort, Worker]:
    """Begin to receive media in the current event loop, until the port is closed."""
    media_port = MediaPort(
        media_socket,
        address_book,
        _make_certificate,
        max_incoming_bps=settings.max_incoming_bitrate,
    )
    worker = Worker(
        media_port,
        random.SystemRandom(),
        max_incoming_bitrate_bps=settings.max_incoming_bitrate,
        limits=settings,
    )
    media_port.start(worker)
    return media_port, worker


def _make_connection_table(settings: Settings, address_book: AddressBook) -> ConnectionTable:
    """As large as the system lets it be."""
    capacity = connection_capacity(
        raise_file_limit(),
        watched_sockets(),
        workers=settings.num_workers,
        accepting=ACCEPTING,
    )
    return ConnectionTable(settings, capacity, address_book.is_own)


def network_counters(media_port: MediaPort) -> dict[str, int]:
    """What has come to nothing on the way in or out, by why; for ``status``."""
    counters = media_port.counters()._asdict()
    return {**counters, "overflowed": overflowed_datagrams(media_port.port) or 0}


def lost_packets(media_port: MediaPort) -> int:
    """How many packets the system has lost, as far as one can tell, since we can't keep up."""
    overflowed = overflowed_datagrams(media_port.port)
    return media_port.counters().dropped if overflowed is None else overflowed


def _make_origin_rule(settings: Settings, address_book: AddressBook) -> OriginRule:
    """Which web pages may connect."""

    def is_own(address: str) -> bool:
        return address in address_book.announced or address_book.is_own(address)

    names = names_of(socket.gethostname())
    if settings.host and not is_address(settings.host):
        names = (settings.host, *names)
    return OriginRule(settings.allow_origin, OwnHosts(names, is_own))


def _make_certificate() -> Certificate:
    # It brings OpenSSL: ten megabytes that a program in which nobody is has no use for.
    from sidecar.net.dtls import Certificate

    return Certificate()
