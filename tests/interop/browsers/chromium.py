"""Chromium, driven through Playwright."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Error, Page, async_playwright

from tests.interop.browsers.participant import Participant, RefusedError

CHROMIUM_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    # Camera and microphone without a device, without a question; a shared screen is the tab.
    "--use-fake-device-for-media-stream=display-media-type=browser",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    # Media works on a machine whose only interface is the loopback one.
    "--allow-loopback-in-peer-connection",
    # Nothing but the tests' own traffic.
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

SIGKILL = 9
"""``signal.SIGKILL`` by number, which ``os.kill`` also understands where there are no signals."""

_REFUSAL = "RefusedError: "


class ChromiumTab(Participant):
    """A participant in a browser context, and so in a renderer process, of their own."""

    def __init__(self, name: str, page: Page) -> None:
        super().__init__(name)
        self._page = page

    async def evaluate(self, function: str, argument: object = None) -> Any:
        try:
            return await self._page.evaluate(function, argument)
        except Error as error:
            _, found, message = error.message.partition(_REFUSAL)
            if found:
                raise RefusedError(message.splitlines()[0]) from None
            raise

    async def save_screenshot(self, folder: Path) -> None:
        with suppress(Error):  # a crashed page has no picture
            await self._page.screenshot(path=folder / f"{self.peer_id}.png", full_page=True)

    async def close(self) -> None:
        await self._page.context.close()

    async def reload(self) -> None:
        """Reload the tab, as a person does who thinks that this helps."""
        await self._page.reload()

    async def crash(self) -> None:
        """Let the tab's process crash: the page and its media are gone at once."""
        async with self._page.expect_event("crash"):
            # The navigation never ends: this address makes the present process crash at once.
            with suppress(Error):
                await self._page.goto("chrome://crash")


async def kill_chromium(browser: Browser) -> None:
    """Kill all processes of a browser: not even its network stack can say goodbye."""
    session = await browser.new_browser_cdp_session()
    processes = (await session.send("SystemInfo.getProcessInfo"))["processInfo"]
    # The network process before the pages: it would close their connections in their name.
    for process in sorted(processes, key=lambda each: bool(each["type"] == "renderer")):
        with suppress(ProcessLookupError):
            os.kill(process["id"], SIGKILL)


@asynccontextmanager
async def launch_chromium(executable: str) -> AsyncIterator[Browser]:
    """Start one browser process for any number of tabs, with a profile that is thrown away."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=executable, args=list(CHROMIUM_FLAGS)
        )
        try:
            yield browser
        finally:
            await browser.close()


async def open_chromium_tab(browser: Browser, page_url: str, name: str) -> ChromiumTab:
    """Open the test page in a new context."""
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(page_url)
    return ChromiumTab(name, page)
