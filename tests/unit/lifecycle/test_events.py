"""Each event as a line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sidecar.lifecycle.events import (
    Addresses,
    Error,
    Event,
    Fatal,
    Media,
    PeerJoined,
    PeerLeft,
    Pong,
    Process,
    Ready,
    Status,
    Stopped,
    Totals,
    Warning,
    encode_event,
)

MEDIA = Media(40001, ["192.168.1.20", "fd00::20"])
MEDIA_JSON = {"port": 40001, "addresses": ["192.168.1.20", "fd00::20"]}
PEER: dict[str, Any] = {"room_id": "r", "peer_id": "p", "name": "Ann", "is_teacher": False}
PEER_JSON = {"roomId": "r", "peerId": "p", "name": "Ann", "isTeacher": False}


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (
            Ready(
                version="1.2.3",
                pid=7,
                port=3017,
                requested_port=3016,
                local_url="ws://127.0.0.1:3017",
                urls=["ws://192.168.1.20:3017"],
                media=MEDIA,
                teacher_token="secret",
                startup_ms=120,
            ),
            {
                "event": "ready",
                "protocol": 1,
                "version": "1.2.3",
                "pid": 7,
                "port": 3017,
                "requestedPort": 3016,
                "localUrl": "ws://127.0.0.1:3017",
                "urls": ["ws://192.168.1.20:3017"],
                "media": MEDIA_JSON,
                "teacherToken": "secret",
                "startupMs": 120,
            },
        ),
        (
            Status(
                id=1,
                uptime_ms=5,
                totals=Totals(connections=3, rooms=1, peers=2, producers=1, consumers=0),
                rooms=[],
                process=Process(cpu_seconds=0.5, cpu_percent=2.5, memory_bytes=None, processes=1),
            ),
            {
                "event": "status",
                "id": 1,
                "uptimeMs": 5,
                "totals": {"connections": 3, "rooms": 1, "peers": 2, "producers": 1}
                | {"consumers": 0},
                "rooms": [],
                "process": {"cpuSeconds": 0.5, "cpuPercent": 2.5, "memoryBytes": None}
                | {"processes": 1},
            },
        ),
        (
            Addresses(urls=["ws://192.168.1.20:3017"], media=MEDIA),
            {"event": "addresses", "urls": ["ws://192.168.1.20:3017"], "media": MEDIA_JSON},
        ),
        (PeerJoined(**PEER), {"event": "peer-joined", **PEER_JSON}),
        (PeerLeft(**PEER), {"event": "peer-left", **PEER_JSON}),
        (Pong(id="x"), {"event": "pong", "id": "x"}),
        (Pong(), {"event": "pong"}),
        (
            Warning(code="address-gone", message="m"),
            {"event": "warning", "code": "address-gone", "message": "m"},
        ),
        (
            Error(code="unknown-command", message="m", id=0.5),
            {"event": "error", "id": 0.5, "code": "unknown-command", "message": "m"},
        ),
        (
            Fatal(code="port-taken", message="m", hint="h", exit_code=3),
            {"event": "fatal", "code": "port-taken", "message": "m", "hint": "h", "exitCode": 3},
        ),
        (Stopped(reason="host-gone"), {"event": "stopped", "reason": "host-gone"}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Event) else "",
)
def test_an_event_is_one_line(event: Event, expected: dict[str, Any]) -> None:
    line = encode_event(event)
    assert json.loads(line) == expected
    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1


def test_a_name_with_line_feeds_and_letters_of_any_script_stays_in_its_line() -> None:
    line = encode_event(PeerJoined(**PEER | {"name": "Zoë\n\u2028{"}))
    assert line.count(b"\n") == 1
    assert json.loads(line.decode("utf-8"))["name"] == "Zoë\n\u2028{"
