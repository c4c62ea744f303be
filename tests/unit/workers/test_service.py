"""A worker's side: what the messages of the main process make happen."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from sidecar.net.addresses import AddressBook, InterfaceAddress
from sidecar.signaling.connection import DEFECT, REPLACED
from sidecar.signaling.dialogue import Dialogue
from sidecar.workers import messages
from sidecar.workers.messages import Frame, Message
from sidecar.workers.service import Reporter, Service
from tests.unit.signaling.fakes import School
from tests.unit.workers.fakes import join, settle


class Setting:
    def __init__(self) -> None:
        self.posted: list[Message] = []
        self.school = School(observer=Reporter(self.posted.append))
        self.book = AddressBook(bound_to="0.0.0.0", announced=(), list_addresses=lambda: [])
        self.service = Service(self.posted.append, self.school.registry, self.book)

    async def obey(self, *said: messages.ToWorker) -> list[Message]:
        """Say something, and return what comes of it."""
        for message in said:
            self.service.obey(message)
        await settle()
        posted = self.posted[:]
        self.posted.clear()
        return posted

    async def enter(
        self, number: int, peer_id: str, *, is_teacher: bool = False, is_proven: bool = False
    ) -> list[Message]:
        frame = join("room", peer_id, is_teacher=is_teacher)
        return await self.obey(
            messages.Open(number, "192.0.2.1", "192.0.2.99", is_proven), Frame.of(number, frame)
        )


def told(posted: list[Message], number: int) -> list[Any]:
    """The types of what a client is told."""
    return [
        json.loads(each.message)["type"]
        for each in posted
        if isinstance(each, messages.Deliver) and each.client == number
    ]


async def test_a_proven_teacher_is_known_as_one_here() -> None:
    setting = Setting()
    await setting.enter(1, "t")
    posted = await setting.enter(2, "t", is_teacher=True, is_proven=True)
    assert messages.Stop(1, *REPLACED) in posted
    assert told(posted, 2) == ["joined"]


async def test_who_comes_back_takes_its_own_place_at_once() -> None:
    setting = Setting()
    (joined, *_) = await setting.enter(1, "ann")
    assert isinstance(joined, messages.PeerJoined)
    who = {"roomId": "room", "peerId": "ann", "name": "ann", "isTeacher": False}
    frame = json.dumps({"type": "join", "data": {**who, "rejoinToken": joined.rejoin_token}})
    posted = await setting.obey(messages.Open(2, None, None, False), Frame.of(2, frame))
    assert messages.Stop(1, *REPLACED) in posted
    assert told(posted, 2) == ["joined"]


async def test_a_client_joins_and_leaves() -> None:
    setting = Setting()
    posted = await setting.enter(1, "ann")
    (ann,) = setting.school.registry.rooms[0].peers
    assert posted[0] == messages.PeerJoined("room", "ann", "ann", False, False, ann.rejoin_token)
    assert told(posted, 1) == ["joined"]
    assert posted[-1] == messages.Answered(1, True)
    posted = await setting.obey(Frame.of(1, '{"type": "leave"}'))
    assert posted[0] == messages.PeerLeft("room", "ann")
    assert told(posted, 1) == ["left"]
    assert posted[-1] == messages.Answered(1, False)
    assert await setting.obey(Frame.of(1, "{}")) == [], "it is represented no more"


async def test_what_is_invalid_is_answered_and_counted() -> None:
    setting = Setting()
    await setting.enter(1, "ann")
    posted = await setting.obey(Frame.of(1, b"{}"))
    assert told(posted, 1) == ["error"]
    assert posted[1:] == [messages.Invalid(1), messages.Answered(1, True)]


async def test_the_end_of_a_client_is_confirmed_when_all_is_closed() -> None:
    setting = Setting()
    await setting.enter(1, "ann")
    assert await setting.obey(messages.End(1)) == [
        messages.PeerLeft("room", "ann"),
        messages.Ended(1),
    ]
    assert setting.school.registry.rooms == ()
    assert await setting.obey(messages.End(1)) == []


async def test_a_ping_is_answered() -> None:
    assert await Setting().obey(messages.Ping()) == [messages.Pong()]


async def test_a_teacher_who_does_not_answer_is_replaced() -> None:
    setting = Setting()
    await setting.enter(1, "old", is_teacher=True)
    assert await setting.enter(2, "new", is_teacher=True) == [messages.Probe(1, 0)]
    posted = await setting.obey(messages.Alive(1, 0, False))
    assert posted[0] == messages.Stop(1, 4000, "Replaced by another connection")
    assert told(posted, 2) == ["joined"]


async def test_a_newcomer_who_goes_meanwhile_changes_nothing() -> None:
    setting = Setting()
    await setting.enter(1, "old", is_teacher=True)
    await setting.enter(2, "new", is_teacher=True)
    posted = await setting.obey(messages.Gone(2), messages.Alive(1, 0, False))
    assert posted == [messages.Answered(2, False)]


async def test_an_answer_that_is_due_is_no_more_when_its_client_ends() -> None:
    setting = Setting()
    await setting.enter(1, "old", is_teacher=True)
    await setting.enter(2, "new", is_teacher=True)
    posted = await setting.obey(messages.End(2), messages.Alive(1, 0, False))
    assert posted == [messages.Ended(2)]


async def test_a_client_that_ends_while_it_is_probed_is_not_waited_for() -> None:
    setting = Setting()
    await setting.enter(1, "old", is_teacher=True)
    await setting.enter(2, "new", is_teacher=True)
    posted = await setting.obey(messages.End(1))
    assert told(posted, 2) == ["joined"]


async def test_addresses_are_written_down() -> None:
    setting = Setting()
    found = [InterfaceAddress("eth0", "192.168.1.20")]
    await setting.obey(messages.Found(found), messages.Announce(["10.0.0.1"]))
    assert setting.book.addresses(None, 0) == ["10.0.0.1"]


async def test_a_question_is_answered() -> None:
    setting = Setting()
    await setting.enter(1, "ann")
    (answer,) = await setting.obey(messages.Ask(5))
    assert isinstance(answer, messages.Answer)
    assert answer.question == 5
    assert [room.id for room in answer.rooms] == ["room"]
    assert answer.cpu_ns > 0


async def test_it_tells_how_long_a_client_has_sent_no_media() -> None:
    setting = Setting()
    await setting.enter(1, "ann")
    assert await setting.obey(messages.AskSilence(1)) == [messages.Silence(1, None)]
    create = {"type": "createTransport", "data": {"direction": "recv"}}
    await setting.obey(Frame.of(1, json.dumps(create)))
    setting.school.worker.routers[0].transports[0].silence_ns = 7
    assert await setting.obey(messages.AskSilence(1)) == [messages.Silence(1, 7)]
    assert await setting.obey(messages.AskSilence(2)) == [messages.Silence(2, None)]


async def test_a_defect_of_ours_ends_the_connection(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def handle(_self: Dialogue, _frame: object) -> None:
        await asyncio.sleep(0)
        raise ZeroDivisionError

    monkeypatch.setattr(Dialogue, "handle", handle)
    setting = Setting()
    assert await setting.enter(1, "ann") == [
        messages.Stop(1, *DEFECT),
        messages.Answered(1, False),
    ]
    assert "a frame could not be dealt with" in caplog.text


async def test_at_the_end_everybody_is_sent_home() -> None:
    setting = Setting()
    await setting.enter(1, "ann")
    await setting.enter(2, "ben")
    setting.service.close()
    assert setting.school.registry.rooms == ()
