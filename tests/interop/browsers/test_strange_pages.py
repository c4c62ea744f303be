"""A page of another site in a browser on the teacher's own computer."""

from __future__ import annotations

from functools import partial

import pytest
from playwright.async_api import Browser, Page, Route

from tests.interop.conftest import StartSfu
from tests.support.sfu_process import SfuProcess
from tests.support.synthetic import eventually

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

_ATTEMPT = """
url => new Promise(resolve => {
  const socket = new WebSocket(url)
  socket.onerror = () => resolve('refused')
  socket.onopen = () => {
    const data = {roomId: 'class', peerId: 'page', name: 'The teacher', isTeacher: true}
    socket.send(JSON.stringify({type: 'join', data}))
  }
  socket.onmessage = ({data}) => resolve(JSON.parse(data).type)
})
"""


async def open_page(browser: Browser, url: str) -> Page:
    """A page that seems to come from somewhere; nothing is asked of the network for it."""

    async def answer(route: Route) -> None:
        await route.fulfill(body="<!doctype html>", content_type="text/html")

    # Newer browsers ask their user first: a person who is deceived may say yes.
    context = await browser.new_context(permissions=["local-network-access"])
    page = await context.new_page()
    await page.route("**/*", answer)
    await page.goto(url)
    return page


async def test_it_does_not_become_the_teacher(chromium: Browser, start_sfu: StartSfu) -> None:
    sfu = start_sfu()
    for url in ("https://evil.example/", "https://localhost.evil.example:5173/"):
        page = await open_page(chromium, url)
        assert await page.evaluate(_ATTEMPT, sfu.url) == "refused"
        await page.context.close()
        origin = f"'{url.rstrip('/')}'"
        said = f"{origin} may not connect"
        await eventually(partial(_is_in_log, sfu, said), said)


def _is_in_log(sfu: SfuProcess, text: str) -> bool:
    return text in sfu.log()


@pytest.mark.parametrize("url", ["http://localhost:5173/", "http://tauri.localhost/"])
async def test_the_app_and_a_development_server_do(
    chromium: Browser, start_sfu: StartSfu, url: str
) -> None:
    sfu = start_sfu()
    page = await open_page(chromium, url)
    assert await page.evaluate(_ATTEMPT, sfu.url) == "joined"
    await page.context.close()
