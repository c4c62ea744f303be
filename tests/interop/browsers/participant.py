"""One person of a class in a browser tab, whatever the browser."""

from __future__ import annotations

import asyncio
import itertools
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Literal, TypeVar

T = TypeVar("T")
MediaKind = Literal["audio", "video"]
Stats = dict[str, Any]
"""A stream's ``getStats`` figures, plus what ``classroom.js`` measured itself."""

POLL_INTERVAL_S = 0.1
PATIENCE_S = 25.0

_serial_numbers = itertools.count(1)


class RefusedError(Exception):
    """The server answered a request with an error; the message is the server's."""


async def until(
    probe: Callable[[], Awaitable[T | None]],
    what: str,
    evidence: Callable[[], object] = lambda: "",
    patience_s: float = PATIENCE_S,
) -> T:
    """Ask again and again until there is an answer.

    Args:
        probe: returns a false value for "not yet".
        what: what one waits for, and
        evidence: what was seen instead, for the failure's message.
        patience_s: how long one waits.

    Raises:
        AssertionError: it did not come in time.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + patience_s
    while not (found := await probe()):
        assert clock() < deadline, f"waited in vain for {what} {evidence()}"
        await asyncio.sleep(POLL_INTERVAL_S)
    return found


class Participant(ABC):
    """A tab that holds the test page; its methods are those of ``window.classroom``.

    Args:
        name: shown to the others in the class; the peer id is made of it.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.peer_id = f"{name.lower()}-{next(_serial_numbers)}"

    @abstractmethod
    async def evaluate(self, function: str, argument: object = None) -> Any:
        """Call a JavaScript function expression in the page and await what it returns.

        Raises:
            RefusedError: the function rejected with one.
        """

    @abstractmethod
    async def save_screenshot(self, folder: Path) -> None:
        """Save a picture of the page, named after the participant."""

    @abstractmethod
    async def close(self) -> None:
        """Close the tab; it may have crashed before."""

    async def call(self, method: str, *arguments: object) -> Any:
        """Call a method of ``window.classroom``."""
        return await self.evaluate(
            "([method, args]) => window.classroom[method](...args)", [method, list(arguments)]
        )

    async def join(
        self,
        url: str,
        room_id: str,
        *,
        is_teacher: bool = False,
        media_address: tuple[str, int] | None = None,
        comes_back: bool = False,
    ) -> dict[str, Any]:
        """Join a room.

        Args:
            url: the SFU's WebSocket.
            room_id: made by the first who joins.
            is_teacher: whether to join as the teacher.
            media_address: IP address and UDP port to use instead of the SFU's candidates.
            comes_back: whether to behave as new frontends do, who come back by themselves.

        Returns:
            The data of the ``joined`` message.
        """
        options: dict[str, object] = {
            "url": url,
            "person": {
                "roomId": room_id,
                "peerId": self.peer_id,
                "name": self.name,
                "isTeacher": is_teacher,
            },
            "comesBack": comes_back,
        }
        if media_address:
            options["mediaAddress"] = {"ip": media_address[0], "port": media_address[1]}
        joined: dict[str, Any] = await self.call("join", options)
        return joined

    async def share(
        self, mime_type: str, *, picture: str = "camera", sound: str = "leftTone"
    ) -> None:
        """Send video of that codec, and sound; both are named as in ``sources.js``."""
        await self.call("share", {"mimeType": mime_type, "picture": picture, "sound": sound})

    async def request(self, request_type: str, data: object) -> Any:
        """Send a request as it is; returns the reply's data, raises ``RefusedError``."""
        return await self.call("request", request_type, data)

    async def events(self, event_type: str) -> list[dict[str, Any]]:
        """The data of all events of a type that the server sent, oldest first."""
        return await self.evaluate(  # type: ignore[no-any-return]
            "(type) => window.classroom.events.filter((e) => e.type === type).map((e) => e.data)",
            event_type,
        )

    async def wait_event(self, event_type: str, **fields: object) -> dict[str, Any]:
        """Wait for an event that has these values, and return its data."""

        async def probe() -> dict[str, Any] | None:
            events = await self.events(event_type)
            return next((data for data in events if fields.items() <= data.items()), None)

        return await until(probe, f"{event_type} {fields} at {self.name}'s")

    async def sent(self, kind: MediaKind) -> Stats:
        """Figures of the latest stream of this kind that goes out."""
        return _latest(await self.call("sent"), kind)

    async def received(self, kind: MediaKind) -> Stats:
        """Figures of the latest stream of this kind that comes in."""
        return _latest(await self.call("received"), kind)

    async def wait_sent(self, kind: MediaKind, figure: str, at_least: float) -> Stats:
        """Wait until a figure of an outgoing stream has grown to that much."""
        return await self._wait_figure(self.sent, kind, figure, at_least)

    async def wait_received(self, kind: MediaKind, figure: str, at_least: float) -> Stats:
        """Wait until a figure of an incoming stream has grown to that much."""
        return await self._wait_figure(self.received, kind, figure, at_least)

    async def wait_more_sent(self, kind: MediaKind, figure: str, growth: float) -> Stats:
        """Wait until a figure of an outgoing stream has grown by that much from now on."""
        now = (await self.sent(kind)).get(figure, 0)
        return await self.wait_sent(kind, figure, now + growth)

    async def wait_more_received(self, kind: MediaKind, figure: str, growth: float) -> Stats:
        """Wait until a figure of an incoming stream has grown by that much from now on."""
        now = (await self.received(kind)).get(figure, 0)
        return await self.wait_received(kind, figure, now + growth)

    async def wait_picture_of(self, teacher: Participant) -> Stats:
        """Wait until what the teacher shares now is on the screen, and is not black."""
        producer_id = (await teacher.sent("video"))["producerId"]
        latest: Stats = {}

        async def probe() -> bool:
            nonlocal latest
            latest = await self.received("video")
            is_new = latest.get("producerId") == producer_id and latest["pictures"] > 0
            return is_new and bool(latest["brightness"] >= 1)

        await until(probe, f"a picture on {self.name}'s screen", lambda: latest)
        return latest

    async def assert_no_problems(self) -> None:
        """Nothing went wrong in the page while it handled what the server said."""
        problems = await self.evaluate("() => window.classroom.problems")
        assert problems == [], f"{self.name}'s page had problems: {problems}"

    async def _wait_figure(
        self,
        read: Callable[[MediaKind], Awaitable[Stats]],
        kind: MediaKind,
        figure: str,
        at_least: float,
    ) -> Stats:
        latest: Stats = {}

        async def probe() -> bool:
            nonlocal latest
            latest = await read(kind)
            return (latest.get(figure) or 0) >= at_least

        await until(probe, f"{figure} >= {at_least} of {self.name}'s {kind}", lambda: latest)
        return latest


def _latest(streams: list[Stats], kind: MediaKind) -> Stats:
    return next((stream for stream in reversed(streams) if stream.get("kind") == kind), {})
