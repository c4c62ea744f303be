"""What is said on stdout when the SFU serves."""

from __future__ import annotations

import io
import json
import os

import pytest

from sidecar import __version__
from sidecar.lifecycle import ReadyInfo, announce_ready

INFO = ReadyInfo(
    port=3016,
    urls=("ws://192.168.1.20:3016", "ws://[fd00::20]:3016"),
    local_url="ws://127.0.0.1:3016",
    media_port=40001,
    media_addresses=("192.168.1.20", "fd00::20"),
    startup_ms=120,
)


class Stream(io.StringIO):
    """A text stream that may be a terminal and that knows what was flushed."""

    def __init__(self, *, terminal: bool = False) -> None:
        super().__init__()
        self._terminal = terminal
        self.flushed = ""

    def isatty(self) -> bool:
        return self._terminal

    def flush(self) -> None:
        super().flush()
        self.flushed = self.getvalue()


@pytest.mark.parametrize("stdin", [Stream(), None], ids=["pipe", "no stdin"])
def test_a_host_gets_one_line_of_json_at_once(stdin: Stream | None) -> None:
    stdout = Stream()
    announce_ready(INFO, stdin=stdin, stdout=stdout)
    assert stdout.flushed.endswith("}\n")
    assert stdout.flushed.count("\n") == 1
    assert json.loads(stdout.flushed) == {
        "event": "ready",
        "protocol": 1,
        "version": __version__,
        "pid": os.getpid(),
        "port": 3016,
        "urls": ["ws://192.168.1.20:3016", "ws://[fd00::20]:3016"],
        "localUrl": "ws://127.0.0.1:3016",
        "media": {"port": 40001, "addresses": ["192.168.1.20", "fd00::20"]},
        "startupMs": 120,
    }


def test_a_person_is_greeted_with_every_address() -> None:
    stdout = Stream()
    announce_ready(INFO, stdin=Stream(terminal=True), stdout=stdout)
    greeting = stdout.flushed
    for expected in (*INFO.urls, INFO.local_url, *INFO.media_addresses, "UDP port 40001", "Ctrl+C"):
        assert expected in greeting
    assert greeting.index(INFO.urls[0]) < greeting.index(INFO.urls[1])
    assert "{" not in greeting


def test_a_person_without_a_network_is_told_so() -> None:
    stdout = Stream()
    offline = ReadyInfo(
        port=3016,
        urls=(),
        local_url="ws://127.0.0.1:3016",
        media_port=40000,
        media_addresses=("127.0.0.1",),
        startup_ms=120,
    )
    announce_ready(offline, stdin=Stream(terminal=True), stdout=stdout)
    assert "no network address found" in stdout.flushed
