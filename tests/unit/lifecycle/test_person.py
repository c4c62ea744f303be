"""A person at a terminal."""

from __future__ import annotations

import io

from msgspec.structs import replace

from sidecar.lifecycle.events import Media, Ready, Stopped
from sidecar.lifecycle.person import Person

READY = Ready(
    version="1.2.3",
    pid=7,
    port=3016,
    requested_port=3016,
    local_url="ws://127.0.0.1:3016",
    urls=["ws://192.168.1.20:3016", "ws://[fd00::20]:3016"],
    media=Media(40001, ["192.168.1.20", "fd00::20"]),
    teacher_token="secret",
    startup_ms=120,
)


class Terminal(io.StringIO):
    """Knows what was flushed."""

    flushed = ""

    def flush(self) -> None:
        self.flushed = self.getvalue()


def test_a_person_is_greeted_with_every_address() -> None:
    terminal = Terminal()
    Person(terminal).tell(READY)
    greeting = terminal.flushed
    for expected in (*READY.urls, READY.local_url, "192.168.1.20, fd00::20", "UDP port 40001"):
        assert expected in greeting
    assert "secret" in greeting
    assert "Ctrl+C" in greeting
    assert greeting.index(READY.urls[0]) < greeting.index(READY.urls[1])
    assert "{" not in greeting


def test_a_person_without_a_network_is_told_so() -> None:
    terminal = Terminal()
    Person(terminal).tell(replace(READY, urls=[]))
    assert "no network address found" in terminal.flushed


def test_a_person_is_not_bothered_with_anything_else() -> None:
    terminal = Terminal()
    person = Person(terminal)
    person.tell(Stopped(reason="signal"))
    person.close()
    assert terminal.getvalue() == ""
