"""A server on open ports: the media, the WebSocket server, and what they are made of.

Importing this brings most of the program.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sidecar.classroom.policy import POLICIES
from sidecar.net.addresses import is_own_address
from sidecar.net.media_port import MediaPort
from sidecar.ports import Ports
from sidecar.settings import Settings
from sidecar.sfu import Worker
from sidecar.signaling.limits import Limits
from sidecar.signaling.registry import Observer
from sidecar.signaling.server import SignalingServer
from sidecar.signaling.teacher_rule import TeacherRule

if TYPE_CHECKING:
    from sidecar.net.dtls import Certificate


@dataclass(frozen=True, slots=True)
class Server:
    """A server that serves.

    Attributes:
        worker: Its media.
        media_port: Its UDP port.
        signaling: Its WebSocket server and rooms.
    """

    worker: Worker
    media_port: MediaPort
    signaling: SignalingServer


@asynccontextmanager
async def serving(
    ports: Ports, settings: Settings, teacher_token: str, observer: Observer | None
) -> AsyncIterator[Server]:
    """Serves in the current event loop for as long as the context lasts.

    Args:
        ports: Are closed at the end.
        settings: How.
        teacher_token: Who has it may be the teacher.
        observer: Sees who comes and goes.
    """
    media_port = MediaPort(ports.media_socket, ports.address_book, _make_certificate)
    try:
        worker = Worker(
            media_port,
            random.SystemRandom(),
            max_incoming_bitrate_bps=settings.max_incoming_bitrate,
        )
        media_port.start(worker)
        limits = Limits(
            max_messages_per_second=settings.max_messages_per_second,
            max_invalid_messages=settings.max_invalid_messages,
        )
        signaling = SignalingServer(
            worker,
            POLICIES[settings.policy],
            settings.max_clients_per_room,
            limits,
            TeacherRule(settings.teacher_from, teacher_token, is_own_address),
            observer,
        )
        await signaling.start(ports.listeners)
        try:
            yield Server(worker, media_port, signaling)
        finally:
            await signaling.close()
    finally:
        media_port.close()


def _make_certificate() -> Certificate:
    # It brings OpenSSL: ten megabytes that a program in which nobody is has no use for.
    from sidecar.net.dtls import Certificate

    return Certificate()
