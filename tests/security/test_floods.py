"""Students who flood the signalling, beside a class that wants to go on."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial

import pytest
from websockets.asyncio.client import connect
from websockets.frames import Frame, Opcode

from tests.interop.conftest import StartSfu
from tests.support.attack import expect_undisturbed, heard, message, opus, who
from tests.support.classroom import Classroom
from tests.support.sfu_process import SfuProcess
from tests.support.signaling import SignalingClient
from tests.support.synthetic import SyntheticTeacher, eventually

CHATS = 299

HonestClass = tuple[SfuProcess, Classroom]
OpenClass = Callable[..., Awaitable[HonestClass]]


@pytest.fixture(params=["one process", "a worker"])
async def open_class(
    request: pytest.FixtureRequest, start_sfu: StartSfu
) -> AsyncIterator[OpenClass]:
    """Start a class whose room is in the main process, or else in another one."""
    async with AsyncExitStack() as stack:

        async def open_class_(*arguments: str) -> HonestClass:
            sfu = start_sfu("--num-workers", "2", "--log-level", "info", *arguments)
            if request.param == "a worker":
                first = await stack.enter_async_context(await SignalingClient.connect(sfu.url))
                await first.request("join", who("first", "somebody"))
            classroom = Classroom(sfu.url)
            stack.push_async_callback(classroom.leave)
            return sfu, classroom

        yield open_class_


async def test_two_students_who_flood_the_chat_cut_nobody_off(open_class: OpenClass) -> None:
    sfu, classroom = await open_class()
    teacher = await classroom.teach()
    students = await classroom.attend(3)
    async with (
        await SignalingClient.connect(sfu.url) as first,
        await SignalingClient.connect(sfu.url) as second,
    ):
        for number, flooder in enumerate((first, second)):
            await flooder.request("join", who("class", f"flooder-{number}"))
        for flooder in (first, second):
            words = {"content": "x" * 4000, "timestamp": "now"}
            flooder.send_at_once(message("chatMessage", words) for _ in range(CHATS))
        for number, flooder in enumerate((first, second)):
            answered = partial(heard_and_refused, teacher, f"flooder-{number}", flooder)
            await eventually(lambda: answered() == CHATS, "all are heard or refused")  # noqa: B023
            codes = {error["code"] for error in heard(flooder, "error")}
            assert codes == {"too-many-chat-messages"}
        await expect_undisturbed(teacher, students)
        said = [len(heard(peer.signaling, "chatMessage")) for peer in (teacher, *students)]
        assert len(set(said)) == 1
        assert 40 <= said[0] < CHATS
        # Whoever spoke too much is one of the class all the same.
        for flooder in (first, second):
            await flooder.request("getProducers")


async def test_a_student_who_connects_anew_again_and_again_is_not_heard_more(
    open_class: OpenClass,
) -> None:
    sfu, classroom = await open_class()
    teacher = await classroom.teach()
    students = await classroom.attend(1)
    words = {"content": "me again", "timestamp": "now"}
    refused = 0
    for number in range(20):
        async with await SignalingClient.connect(sfu.url) as flooder:
            await flooder.request("join", who("class", f"flooder-{number}"))
            flooder.send_at_once(message("chatMessage", words) for _ in range(100))
            await flooder.request("getProducers")
            refused += len(heard(flooder, "error"))
    await expect_undisturbed(teacher, students)
    said = len(heard(teacher.signaling, "chatMessage"))
    assert said + refused == 2000
    assert said < 200  # 400 if each connection began anew.


async def test_a_student_whose_computer_stalls_while_others_flood_the_chat_stays(
    open_class: OpenClass,
) -> None:
    sfu, _ = await open_class(
        *("--max-chat-messages", "1000"),
        *("--max-messages-per-second", "1000"),
        *("--max-signaling-bytes", "1000000000"),
    )
    with socket.socket() as sock:
        # What the system keeps for the reader is not what is tested.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        sock.connect(("127.0.0.1", sfu.ready["port"]))
        async with (
            SignalingClient(await connect(sfu.url, sock=sock)) as reader,
            await SignalingClient.connect(sfu.url) as flooder,
        ):
            await reader.request("join", who("class", "reader"))
            await flooder.request("join", who("class", "flooder"))
            reader.stop_reading()
            for _ in range(5):
                words = {"content": "\N{GRINNING FACE}" * 4000, "timestamp": "now"}
                flooder.send_at_once(message("chatMessage", words) for _ in range(150))
                await flooder.request("getProducers")
            reader.read_on()
            await reader.request("getProducers")
            assert 0 < len(heard(reader, "chatMessage")) < 750


def heard_and_refused(listener: SyntheticTeacher, peer_id: str, flooder: SignalingClient) -> int:
    """Of what somebody has said: how much was heard, and how much refused."""
    chat = heard(listener.signaling, "chatMessage")
    said = [data for data in chat if data["senderId"] == peer_id]
    return len(said) + len(heard(flooder, "error"))


async def test_a_student_who_produces_without_end_and_hangs_up_cuts_nobody_off(
    open_class: OpenClass,
) -> None:
    sfu, classroom = await open_class()
    teacher = await classroom.teach()
    students = await classroom.attend(3)
    flooder = await SignalingClient.connect(sfu.url)
    await flooder.request("join", who("class", "flooder"))
    await flooder.request("createTransport", {"direction": "send"})
    parameters = ({"kind": "audio", "rtpParameters": opus(number)} for number in range(600))
    flooder.send_at_once(message("produce", data) for data in parameters)
    await eventually(
        lambda: len(heard(flooder, "produced")) + len(heard(flooder, "error")) == 600,
        "all are answered",
    )
    await flooder.abort()
    await teacher.signaling.wait_for("peerLeft")
    announced = heard(teacher.signaling, "newProducer")
    closed = heard(teacher.signaling, "producerClosed")
    ids = [data["producerId"] for data in announced if data["peerId"] == "flooder"]
    assert [data["producerId"] for data in closed] == ids
    await expect_undisturbed(teacher, students)


async def test_a_client_who_asks_without_end_is_refused_and_then_cut_off(
    open_class: OpenClass,
) -> None:
    sfu, classroom = await open_class("--max-messages-per-second", "50")
    teacher = await classroom.teach()
    students = await classroom.attend(1)
    flooder = await SignalingClient.connect(sfu.url)
    await flooder.request("join", who("class", "flooder"))
    flooder.send_at_once(message("getProducers", request_id=0) for _ in range(2000))
    assert await flooder.wait_closed() == 1008
    errors = [error["code"] for error in heard(flooder, "error")]
    assert set(errors) <= {"too-many-messages"}
    await expect_undisturbed(teacher, students)


async def test_coming_and_going_without_end_is_refused(open_class: OpenClass) -> None:
    sfu, classroom = await open_class()
    teacher = await classroom.teach()
    students = await classroom.attend(1)
    async with await SignalingClient.connect(sfu.url) as flooder:
        for _ in range(2):
            frames = [message("join", who("class", "flooder")), message("leave")] * 100
            flooder.send_at_once(frames)
            await asyncio.sleep(0)
        await eventually(
            lambda: any(e["code"] == "too-many-changes" for e in heard(flooder, "error")),
            "it is refused",
        )
        await expect_undisturbed(teacher, students)


async def test_pings_and_fragments_are_messages_too(open_class: OpenClass) -> None:
    sfu, classroom = await open_class("--max-messages-per-second", "50")
    teacher = await classroom.teach()
    students = await classroom.attend(1)
    for frames in (
        [Frame(Opcode.PING, b"")] * 20_000,
        [Frame(Opcode.TEXT, b"", fin=False), *[Frame(Opcode.CONT, b"", fin=False)] * 20_000],
    ):
        flooder = await SignalingClient.connect(sfu.url)
        flooder.send_at_once(frames)
        assert await flooder.wait_closed() == 1008
    await expect_undisturbed(teacher, students)


async def test_large_messages_are_read_later(open_class: OpenClass) -> None:
    sfu, classroom = await open_class()
    teacher = await classroom.teach()
    students = await classroom.attend(1)
    async with await SignalingClient.connect(sfu.url) as flooder:
        await flooder.request("join", who("class", "flooder"))
        large = message("getProducers", {"padding": "x" * 60_000})
        flooder.send_at_once([large] * 100)
        await flooder.wait_for("producers")
        await expect_undisturbed(teacher, students)
        assert len(heard(flooder, "producers")) < 100
        await flooder.abort()
