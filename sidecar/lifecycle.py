"""What the program says about its own life to whoever started it.

A person at a terminal is greeted with the addresses to connect to. A host application, whose
pipe is our stdin, gets one JSON object as the first line on stdout.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Final, TextIO

import msgspec

from sidecar import STARTED_NS, __version__

__all__ = ["HANDSHAKE_PROTOCOL", "STARTED_NS", "ReadyInfo", "announce_ready"]

HANDSHAKE_PROTOCOL: Final = 1
"""Version of what is said on stdout; raised when a host must change to understand it."""


@dataclass(frozen=True, slots=True)
class ReadyInfo:
    """What there is to know about an SFU that serves.

    Attributes:
        port: TCP port of the WebSocket server.
        urls: WebSocket URLs for other computers, the best first.
        local_url: WebSocket URL for this computer.
        media_port: the UDP port that carries all media.
        media_addresses: IP addresses that peers are told to send media to, the best first.
        startup_ms: from the start of the process until now.
        version: of this program.
        pid: the process that serves, which under a launcher is not the one that was started.
    """

    port: int
    urls: tuple[str, ...]
    local_url: str
    media_port: int
    media_addresses: tuple[str, ...]
    startup_ms: int
    version: str = __version__
    pid: int = field(default_factory=os.getpid)


def announce_ready(info: ReadyInfo, *, stdin: TextIO | None, stdout: TextIO) -> None:
    """Tell whoever started the program that it serves, and where.

    Args:
        info: what to tell.
        stdin: on a terminal it means a person; anything else, also none, means a host.
        stdout: where to tell it. Flushed, since the host waits for the line.
    """
    person = stdin is not None and stdin.isatty()
    stdout.write(_greeting(info) if person else _ready_line(info))
    stdout.flush()


def _ready_line(info: ReadyInfo) -> str:
    event = {
        "event": "ready",
        "protocol": HANDSHAKE_PROTOCOL,
        "version": info.version,
        "pid": info.pid,
        "port": info.port,
        "urls": info.urls,
        "localUrl": info.local_url,
        "media": {"port": info.media_port, "addresses": info.media_addresses},
        "startupMs": info.startup_ms,
    }
    return msgspec.json.encode(event).decode() + "\n"


def _greeting(info: ReadyInfo) -> str:
    elsewhere = info.urls or ("no network address found",)
    lines = [
        f"The classroom SFU {info.version} is ready.",
        "",
        f"  on this computer      {info.local_url}",
        f"  from other computers  {elsewhere[0]}",
        *(f"                        {url}" for url in elsewhere[1:]),
        "",
        f"Media uses UDP port {info.media_port} ({', '.join(info.media_addresses)}).",
        "Ctrl+C stops it.",
    ]
    return "\n".join(lines) + "\n"
