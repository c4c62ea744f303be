"""Firefox, driven through WebDriver BiDi (https://www.w3.org/TR/webdriver-bidi/).

Only the few commands that the tests need, spoken directly: a WebSocket and JSON.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from tests.interop.browsers.participant import Participant, RefusedError

START_PATIENCE_S = 30.0
MAX_MESSAGE_BYTES = 32 * 1024 * 1024

FIREFOX_PREFERENCES = {
    # Camera and microphone without a device, without a question.
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "media.autoplay.default": 0,
    "media.autoplay.blocking_policy": 0,
    # Nothing but the tests' own traffic; the remote agent switches off the rest.
    "media.gmp-manager.updateEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
}

_LISTENING = re.compile(r"WebDriver BiDi listening on (ws://\S+)")

# Values travel as JSON text, which spares BiDi's own notation for them.
_CALL = """async (parameters) => {
  const run = %s;
  try {
    return JSON.stringify({ value: await run(JSON.parse(parameters)) });
  } catch (error) {
    return JSON.stringify({ error: { name: error.name, message: error.message } });
  }
}"""


class FirefoxError(Exception):
    """A BiDi command failed, or a script in the page did."""


class BidiConnection:
    """A BiDi session: commands go out one at a time, events are of no interest."""

    def __init__(self, websocket: ClientConnection) -> None:
        self._websocket = websocket
        self._ids = itertools.count(1)
        self._pending: dict[int, asyncio.Future[dict[str, Any]]] = {}

    async def read_replies(self) -> None:
        """Hand the replies to those who wait for them, until the connection ends."""
        async for message in self._websocket:
            reply = json.loads(message)
            if waiting := self._pending.pop(reply.get("id"), None):
                waiting.set_result(reply)
        for waiting in self._pending.values():
            waiting.set_exception(FirefoxError("Firefox ended"))

    async def command(self, method: str, **params: object) -> dict[str, Any]:
        """Send a command and return its result.

        Raises:
            FirefoxError: the browser refused it.
        """
        command_id = next(self._ids)
        self._pending[command_id] = asyncio.get_running_loop().create_future()
        await self._websocket.send(
            json.dumps({"id": command_id, "method": method, "params": params})
        )
        reply = await self._pending[command_id]
        if reply["type"] != "success":
            raise FirefoxError(f"{method}: {reply['error']}: {reply['message']}")
        result: dict[str, Any] = reply["result"]
        return result


class FirefoxTab(Participant):
    """A participant in a Firefox tab."""

    def __init__(self, name: str, bidi: BidiConnection, context: str) -> None:
        super().__init__(name)
        self._bidi = bidi
        self._context = context

    async def evaluate(self, function: str, argument: object = None) -> Any:
        outcome = await self._bidi.command(
            "script.callFunction",
            functionDeclaration=_CALL % function,
            awaitPromise=True,
            target={"context": self._context},
            arguments=[{"type": "string", "value": json.dumps(argument)}],
        )
        if outcome["type"] == "exception":
            raise FirefoxError(outcome["exceptionDetails"]["text"])
        answer = json.loads(outcome["result"]["value"])
        if error := answer.get("error"):
            refused = error["name"] == "RefusedError"
            raise (RefusedError if refused else FirefoxError)(error["message"])
        return answer.get("value")

    async def save_screenshot(self, folder: Path) -> None:
        picture = await self._bidi.command(
            "browsingContext.captureScreenshot", context=self._context
        )
        (folder / f"{self.peer_id}.png").write_bytes(base64.b64decode(picture["data"]))

    async def close(self) -> None:
        await self._bidi.command("browsingContext.close", context=self._context)


@asynccontextmanager
async def launch_firefox(executable: str, profile: Path) -> AsyncIterator[BidiConnection]:
    """Start Firefox and a BiDi session in it.

    Args:
        executable: path of the program.
        profile: an empty folder.
    """
    preferences = (
        f"user_pref({json.dumps(name)}, {json.dumps(value)});\n"
        for name, value in FIREFOX_PREFERENCES.items()
    )
    (profile / "user.js").write_text("".join(preferences), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        executable,
        "--headless",
        "--no-remote",
        "--profile",
        str(profile),
        "--remote-debugging-port=0",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        url = await asyncio.wait_for(_find_bidi_url(process.stderr), START_PATIENCE_S)
        async with (
            connect(f"{url}/session", max_size=MAX_MESSAGE_BYTES, ping_interval=None) as websocket,
            asyncio.TaskGroup() as tasks,
        ):
            bidi = BidiConnection(websocket)
            tasks.create_task(bidi.read_replies())
            tasks.create_task(_discard(process.stderr))
            await bidi.command("session.new", capabilities={})
            yield bidi
            await bidi.command("browser.close")
        await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def open_firefox_tab(bidi: BidiConnection, page_url: str, name: str) -> FirefoxTab:
    """Open the test page in a new tab."""
    context = (await bidi.command("browsingContext.create", type="tab"))["context"]
    await bidi.command("browsingContext.navigate", context=context, url=page_url, wait="complete")
    return FirefoxTab(name, bidi, context)


async def _find_bidi_url(log: asyncio.StreamReader) -> str:
    async for line in log:
        if found := _LISTENING.search(line.decode(errors="replace")):
            return found[1]
    raise FirefoxError("Firefox ended before it listened")


async def _discard(log: asyncio.StreamReader) -> None:
    """Keep the pipe empty, so that Firefox never waits for somebody to read its log."""
    while await log.read(65536):
        pass
