"""Loads, right after the start, all that the first class will need.

From then on the program needs none of its own files any more: an updater may replace it, somebody
may move it away, and the folder that it was unpacked to may be cleaned up, while it waits for a
class. What can't work on this computer is said now, and not when the class has come.
"""

from __future__ import annotations

import asyncio
import logging
from importlib import import_module
from typing import TYPE_CHECKING, Final

from sidecar.errors import CannotWorkError
from sidecar.net.errors import CertificateError

if TYPE_CHECKING:
    from sidecar.net.media_port import MediaPort

logger = logging.getLogger(__name__)

MODULES: Final = (
    "sidecar.net.dtls",
    "sidecar.net.srtp",
    "sidecar.net.packet_memory",
    "sidecar.net.packet_sender",
    # What Python's own modules import when they are first used.
    "concurrent.futures.thread",
    "encodings.ascii",
    "encodings.idna",
    "encodings.latin_1",
    "encodings.unicode_escape",
    "traceback",
)


async def warm_up(media_port: MediaPort) -> None:
    """Load everything in a thread, and have the certificate made.

    Raises:
        CannotWorkError: Something is missing, or the system forbids it.
    """
    error = await asyncio.to_thread(_load)
    if error is not None:
        raise CannotWorkError.because_of(error) from error
    try:
        await media_port.warm_up()
    except CertificateError as failure:
        if failure.is_hopeless:
            raise CannotWorkError.because_of(failure.__cause__ or failure) from failure
        return  # It is in the log, and tried again when somebody comes.
    logger.info("everything is loaded")


def _load() -> BaseException | None:
    """Import everything, and return what keeps it from that.

    It may be anything: a frozen program whose files are gone raises ``SystemExit``.
    """
    try:
        for name in MODULES:
            import_module(name)
    except BaseException as error:
        return error
    return None
