"""What the log of the WebSocket library, at its most talkative, must not say."""

from __future__ import annotations

import logging
from typing import Final

from websockets.frames import Frame

_LOGGER: Final = logging.getLogger("websockets.server")
_SECRETS: Final = (b'"pin"', b'"token"', b'Token"')
"""The keys of what only one client and we may know."""


def hide_secrets() -> None:
    """Have frames with secrets logged without what is in them, from now on."""
    _LOGGER.addFilter(_without_secrets)


def _without_secrets(record: logging.LogRecord) -> bool:
    if isinstance(record.args, tuple):
        record.args = tuple(map(_shown, record.args))
    return True


def _shown(argument: object) -> object:
    if isinstance(argument, Frame) and any(each in bytes(argument.data) for each in _SECRETS):
        return f"{argument.opcode.name} with a secret, not shown [{len(argument.data)} bytes]"
    return argument
