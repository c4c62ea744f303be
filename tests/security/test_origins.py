"""A web page in a browser on the teacher's computer does not become the teacher."""

from __future__ import annotations

import socket
from http import HTTPStatus

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.interop.conftest import StartSfu
from tests.support.classroom import Classroom
from tests.support.sfu_process import SfuProcess
from tests.support.signaling import ProtocolError, SignalingClient

JOIN = {"roomId": "class", "name": "The teacher", "isTeacher": True}


async def attempt(
    sfu: SfuProcess, origin: str, *more: tuple[str, str], host: str | None = None
) -> HTTPStatus:
    """Open a connection as a page of that origin, and join as teacher if there is one.

    Args:
        sfu: Where.
        origin: The browser's word.
        more: Further headers.
        host: What the browser believes to have connected to.
    """
    url = sfu.url if host is None else f"ws://{host}:{sfu.ready['port']}"
    headers = [("Origin", origin), *more]
    try:
        connection = await connect(
            url, host="127.0.0.1", port=sfu.ready["port"], additional_headers=headers
        )
    except InvalidStatus as refused:
        return HTTPStatus(refused.response.status_code)
    async with SignalingClient(connection) as client:
        await client.request("join", JOIN | {"peerId": "page"})
    return HTTPStatus.SWITCHING_PROTOCOLS


STRANGE = (
    "https://evil.example",
    "null",
    "http://127.0.0.1.evil.example",
    "http://localhost@evil.example",
    "http://2130706433",
    "chrome-extension://abcdefghijklmnop",
    "",
)
OURS = (
    "tauri://localhost",
    "http://tauri.localhost",
    "https://tauri.localhost",
    "http://localhost:5173",
    "http://127.0.0.1:8080",
    "http://[::1]:3000",
    f"http://{socket.gethostname()}:8080",
)


async def test_a_page_from_anywhere_is_refused_before_the_upgrade(sfu: SfuProcess) -> None:
    answers = {origin: await attempt(sfu, origin) for origin in STRANGE}
    assert answers == dict.fromkeys(STRANGE, HTTPStatus.FORBIDDEN)


async def test_the_app_and_pages_of_this_computer_get_in(sfu: SfuProcess) -> None:
    answers = {origin: await attempt(sfu, origin) for origin in OURS}
    assert answers == dict.fromkeys(OURS, HTTPStatus.SWITCHING_PROTOCOLS)


async def test_a_refused_page_disturbs_nobody(sfu: SfuProcess, classroom: Classroom) -> None:
    student = await classroom.join_student()
    for _ in range(3):
        assert await attempt(sfu, "https://evil.example") is HTTPStatus.FORBIDDEN
    teacher = await classroom.join_teacher()
    await student.signaling.wait_for("peerJoined")
    joined = [data["peerId"] for name, data in student.signaling.events if name == "peerJoined"]
    assert joined == ["teacher"]
    assert sfu.log().count("'https://evil.example' may not connect") == 1
    with pytest.raises(ProtocolError, match="Room already has a teacher"):
        await attempt(sfu, "tauri://localhost")
    await teacher.signaling.request("getProducers")


async def test_what_is_no_browser_gets_in(sfu: SfuProcess) -> None:
    async with await SignalingClient.connect(sfu.url) as client:
        assert (await client.request("join", JOIN | {"peerId": "native"}))["isTeacher"]


async def test_a_name_that_was_led_here_gains_nothing(sfu: SfuProcess) -> None:
    for page in ("evil.example", "127.0.0.1"):
        origin = f"http://{page}:{sfu.ready['port']}"
        assert await attempt(sfu, origin, host="evil.example") is HTTPStatus.FORBIDDEN


async def test_several_origins_are_refused(sfu: SfuProcess) -> None:
    twice = await attempt(sfu, "tauri://localhost", ("Origin", "tauri://localhost"))
    assert twice is HTTPStatus.FORBIDDEN


async def test_origins_that_are_allowed(start_sfu: StartSfu) -> None:
    sfu = start_sfu("--allow-origin", "https://class.example", "--allow-origin", "null")
    assert await attempt(sfu, "https://class.example") is HTTPStatus.SWITCHING_PROTOCOLS
    assert await attempt(sfu, "null") is HTTPStatus.SWITCHING_PROTOCOLS
    assert await attempt(sfu, "https://evil.example") is HTTPStatus.FORBIDDEN


async def test_all_origins_can_be_allowed(start_sfu: StartSfu) -> None:
    sfu = start_sfu("--allow-origin", "*")
    assert await attempt(sfu, "https://evil.example") is HTTPStatus.SWITCHING_PROTOCOLS


async def test_announced_addresses_are_ours(start_sfu: StartSfu) -> None:
    sfu = start_sfu("--announce", "203.0.113.7")
    page = "http://203.0.113.7:8080"
    assert await attempt(sfu, page, host="203.0.113.7") is HTTPStatus.SWITCHING_PROTOCOLS
    assert await attempt(sfu, "http://203.0.113.8") is HTTPStatus.FORBIDDEN
