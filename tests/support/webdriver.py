"""The few commands of WebDriver (https://www.w3.org/TR/webdriver2/) that the app's test needs.

Spoken directly: HTTP and JSON. Each command runs in a thread, so that the event loop, which
carries the media of synthetic peers, never waits for a window.
"""

from __future__ import annotations

import asyncio
import base64
import json
import urllib.request
from pathlib import Path
from typing import Any, Self
from urllib.error import HTTPError

COMMAND_TIMEOUT_S = 30.0

# No proxy: the driver is on this computer.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class WebDriverError(Exception):
    """The driver refused a command."""


class WebDriver:
    """A session: one window of one browser.

    Args:
        url: of the session.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    @classmethod
    async def open(cls, driver_url: str, capabilities: dict[str, object]) -> Self:
        """Let a driver start its browser.

        Args:
            driver_url: of the driver.
            capabilities: what the browser must have, and how to start it.
        """
        wanted = {"capabilities": {"alwaysMatch": capabilities}}
        session = await _command("POST", f"{driver_url}/session", wanted)
        return cls(f"{driver_url}/session/{session['sessionId']}")

    async def run(self, function_body: str, *arguments: object) -> Any:
        """Run a script in the page; what it returns may be a promise."""
        script = {"script": function_body, "args": list(arguments)}
        return await _command("POST", f"{self._url}/execute/sync", script)

    async def click(self, selector: str) -> None:
        """Click on the first element of that CSS selector, as a person does."""
        wanted = {"using": "css selector", "value": selector}
        found = await _command("POST", f"{self._url}/element", wanted)
        (element_id,) = found.values()
        await _command("POST", f"{self._url}/element/{element_id}/click", {})

    async def save_screenshot(self, path: Path) -> None:
        """Save a picture of the page."""
        picture = await _command("GET", f"{self._url}/screenshot")
        await asyncio.to_thread(path.write_bytes, base64.b64decode(picture))


async def is_up(driver_url: str) -> bool:
    """Whether a driver takes commands yet."""
    try:
        return bool((await _command("GET", f"{driver_url}/status"))["ready"])
    except OSError:
        return False


async def _command(method: str, url: str, body: dict[str, Any] | None = None) -> Any:
    return await asyncio.to_thread(_command_in_thread, method, url, body)


def _command_in_thread(method: str, url: str, body: dict[str, Any] | None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with _opener.open(request, timeout=COMMAND_TIMEOUT_S) as answer:
            return json.load(answer)["value"]
    except HTTPError as refusal:
        with refusal:
            value = json.load(refusal)["value"]
        raise WebDriverError(f"{value['error']}: {value['message']}") from None
