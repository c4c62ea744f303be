"""Who comes and goes, in the log: one line each, for whoever is called when a class has trouble."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sidecar.classroom.peer import Peer
    from sidecar.signaling.messages import JoinData

LOGGER_NAME: Final = "sidecar.attendance"
MAX_TEXT_CHARS: Final = 40
"""Of what a client calls itself or a room: names can be long, and a line is short."""

_logger: Final = logging.getLogger(LOGGER_NAME)


def opened(room_id: str) -> None:
    """Log that the first one comes to a room."""
    _logger.info("room %s is open", _short(room_id))


def closed(room_id: str) -> None:
    """Log that the last one has left a room."""
    _logger.info("room %s is closed", _short(room_id))


def joined(room_id: str, peer: Peer, address: str | None) -> None:
    """Log that somebody has taken a place."""
    _logger.info(
        "%s (%s, %s) joined room %s from %s",
        _short(peer.name),
        _short(peer.id),
        _role(peer.is_teacher),
        _short(room_id),
        address,
    )


def left(room_id: str, peer: Peer, address: str | None, how: str) -> None:
    """Log that somebody's place is free again.

    Args:
        room_id: The room.
        peer: Who.
        address: From where.
        how: What ended it, in words.
    """
    _logger.info(
        "%s (%s, %s) left room %s from %s: %s",
        _short(peer.name),
        _short(peer.id),
        _role(peer.is_teacher),
        _short(room_id),
        address,
        how,
    )


def refused(data: JoinData, address: str | None, reason: object) -> None:
    """Log that somebody was not let in."""
    # A template for each, so that students who knock without end don't hide a teacher in the log.
    template = (
        "teacher %s (%s) was not let into room %s from %s: %s"
        if data.is_teacher
        else "student %s (%s) was not let into room %s from %s: %s"
    )
    _logger.info(
        template, _short(data.name), _short(data.peer_id), _short(data.room_id), address, reason
    )


def _role(is_teacher: bool) -> str:
    return "teacher" if is_teacher else "student"


def _short(text: str) -> str:
    return text if len(text) <= MAX_TEXT_CHARS else text[: MAX_TEXT_CHARS - 1] + "…"
