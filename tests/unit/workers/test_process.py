"""One worker, as the main process has it."""

from __future__ import annotations

import asyncio

import pytest

from sidecar.classroom.snapshot import RoomSnapshot
from sidecar.signaling.connection import ROOM_LOST
from sidecar.workers import messages, pulse
from sidecar.workers.placement import Load
from sidecar.workers.process import WorkerProcess
from tests.unit.workers.fakes import START, Diary, FakeChild, FakeClient, settle


class Setting:
    def __init__(self) -> None:
        self.diary = Diary()
        self.children: list[FakeChild] = []
        self.idle: list[WorkerProcess] = []
        self.ended: list[tuple[bool, str]] = []
        self.worker = WorkerProcess(
            1, self._make_child, START, self.diary, self.idle.append, self._end
        )

    @property
    def child(self) -> FakeChild:
        return self.children[0]

    def _make_child(self, *heard_by: object) -> FakeChild:
        self.children.append(FakeChild(*heard_by))  # type: ignore[arg-type]
        return self.children[-1]

    def _end(self, _worker: WorkerProcess, was_ready: bool, reason: str) -> None:
        self.ended.append((was_ready, reason))


@pytest.fixture
async def setting() -> Setting:
    return Setting()


async def test_it_is_told_the_settings_first(setting: Setting) -> None:
    assert setting.child.posted == [START]


async def test_it_is_ready_when_it_says_so(setting: Setting) -> None:
    waiting = asyncio.create_task(setting.worker.ready())
    await settle()
    assert not waiting.done()
    setting.child.say(messages.Ready(4711, 40001))
    assert await waiting
    assert await setting.worker.ready()


async def test_one_who_waits_for_it_no_more_does_not_count_for_the_others(
    setting: Setting,
) -> None:
    gone, stays = (asyncio.create_task(setting.worker.ready()) for _ in range(2))
    await settle()
    gone.cancel()
    await settle()
    setting.child.say(messages.Ready(4711, 40001))
    assert await stays


async def test_one_that_cannot_serve_never_is_ready(
    setting: Setting, caplog: pytest.LogCaptureFixture
) -> None:
    setting.child.say(messages.Failed("all UDP ports are taken"))
    setting.child.die("exit code 0")
    assert not await setting.worker.ready()
    assert setting.ended == [(False, "exit code 0")]
    assert "all UDP ports are taken" in caplog.text


async def test_a_client_is_represented_until_it_has_no_seat(setting: Setting) -> None:
    client = FakeClient()
    relay = setting.worker.represent(client, "room", is_proven=True)
    assert setting.child.posted[1:] == [messages.Open(0, "192.0.2.1", "192.0.2.99", True)]
    assert setting.worker.holds("room")
    handled = asyncio.create_task(relay.handle("{}"))
    await settle()
    setting.child.say(messages.Deliver(0, b"{}"), messages.Answered(0, True))
    assert await handled
    assert client.delivered.get_nowait() == b"{}"
    assert setting.worker.load == Load(1, 1)
    setting.child.say(messages.Answered(0, False))
    assert setting.worker.load == Load(0, 0)
    assert setting.idle == [setting.worker]
    setting.child.say(messages.Deliver(0, b"{}"))
    assert client.delivered.empty()


async def test_a_room_is_held_until_the_worker_says_that_its_last_client_is_gone(
    setting: Setting,
) -> None:
    relay = setting.worker.represent(FakeClient(), "room", is_proven=False)
    relay.leave("hung up")
    assert setting.worker.holds("room")
    setting.child.say(messages.Ended(0))
    assert not setting.worker.holds("room")


async def test_a_claim_counts_like_a_client(setting: Setting) -> None:
    setting.worker.claim("room")
    setting.worker.represent(FakeClient(), "room", is_proven=False)
    setting.worker.release("room")
    assert setting.worker.load == Load(1, 1)
    assert setting.idle == []


async def test_a_probe_of_somebody_unknown_finds_nobody(setting: Setting) -> None:
    setting.child.say(messages.Probe(9, 3))
    assert setting.child.posted[1:] == [messages.Alive(9, 3, False)]


async def test_how_long_a_client_has_sent_no_media(setting: Setting) -> None:
    relay = setting.worker.represent(FakeClient(), "room", is_proven=False)
    asked = asyncio.create_task(relay.media_silence_ns())
    await settle()
    assert setting.child.posted[2:] == [messages.AskSilence(0)]
    setting.child.say(messages.Silence(9, 1), messages.Silence(0, 2))
    assert await asked == 2
    relay.leave("hung up")
    setting.child.say(messages.Ended(0))


async def test_comings_and_goings_are_seen(setting: Setting) -> None:
    setting.child.say(
        messages.PeerJoined("room", "p", "Ann", False, False, "secret"),
        messages.PeerLeft("room", "p"),
    )
    assert setting.diary.entries == ["Ann joined room", "Ann left room"]


async def test_one_that_is_starting_is_not_waited_for(setting: Setting) -> None:
    assert await setting.worker.rooms(3600) == ()


async def test_what_is_going_on_there(setting: Setting) -> None:
    setting.child.say(messages.Ready(4711, 40001))
    asked = asyncio.create_task(setting.worker.rooms(3600))
    await settle()
    assert setting.child.posted[1:] == [messages.Ask(0)]
    room = RoomSnapshot("room", ())
    setting.child.say(messages.Answer(0, (room,), 5, 6))
    assert await asked == (room,)
    assert (setting.worker.cpu_ns, setting.worker.memory_bytes) == (5, 6)


async def test_of_one_that_does_not_answer_it_is_known_who_is_there(setting: Setting) -> None:
    setting.child.say(
        messages.Ready(4711, 40001), messages.PeerJoined("room", "p", "Ann", True, False, "secret")
    )
    (room,) = await setting.worker.rooms(0)
    (peer,) = room.peers
    assert (room.id, peer.id, peer.name, peer.is_teacher) == ("room", "p", "Ann", True)
    assert peer.transports == {}
    setting.child.say(messages.Answer(0, (), 5, None))
    assert setting.worker.cpu_ns == 5


async def test_one_question_is_enough_for_all_who_ask(setting: Setting) -> None:
    setting.child.say(messages.Ready(4711, 40001))
    asked = [asyncio.create_task(setting.worker.rooms(3600)) for _ in range(10)]
    await settle()
    assert setting.child.posted[1:] == [messages.Ask(0)]
    room = RoomSnapshot("room", ())
    setting.child.say(messages.Answer(0, (room,), 5, 6))
    assert [await each for each in asked] == [(room,)] * 10


async def test_one_that_did_not_answer_is_not_waited_for_again(setting: Setting) -> None:
    setting.child.say(messages.Ready(4711, 40001))
    assert await setting.worker.rooms(0) == ()
    assert await setting.worker.rooms(3600) == ()
    assert setting.child.posted[1:] == [messages.Ask(0)]
    setting.child.say(messages.Answer(0, (), 5, 6))
    asked = asyncio.create_task(setting.worker.rooms(3600))
    await settle()
    assert setting.child.posted[1:] == [messages.Ask(0), messages.Ask(1)]
    setting.child.say(messages.Answer(1, (RoomSnapshot("room", ()),), 5, 6))
    assert len(await asked) == 1


async def test_one_that_answers_no_ping_is_given_up_and_everybody_told_at_once(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = WorkerProcess(
        2, setting._make_child, START, setting.diary, setting.idle.append, setting._end
    )
    child = setting.children[1]
    monkeypatch.setattr(worker._pulse, "_interval_s", 0)
    client = FakeClient()
    worker.represent(client, "room", is_proven=False)
    child.say(messages.Ready(4711, 40001))
    await worker.wait_ended()
    assert child.is_killed
    assert child.posted.count(messages.Ping()) == pulse.MAX_UNANSWERED
    assert client.stopped == [ROOM_LOST]
    assert setting.ended == [(True, "it does not answer any more")]
    # What comes late, the system's word that it is gone included, changes nothing.
    child.say(messages.PeerJoined("room", "p", "Ann", False, False, "secret"), messages.Pong())
    child.die()
    assert len(setting.ended) == 1
    assert setting.diary.entries == []


async def test_one_that_answers_pings_may_take_its_time_for_a_request(setting: Setting) -> None:
    setting.child.say(messages.Ready(4711, 40001))
    relay = setting.worker.represent(FakeClient(), "room", is_proven=False)
    handled = asyncio.create_task(relay.handle("{}"))
    for _ in range(10 * pulse.MAX_UNANSWERED):
        setting.worker._pulse._beat()
        setting.child.say(messages.Pong())
    await settle()
    assert not setting.child.is_killed
    setting.child.say(messages.Answered(0, True))
    assert await handled


async def test_one_that_never_is_ready_is_given_up(setting: Setting) -> None:
    worker = WorkerProcess(
        2,
        setting._make_child,
        START,
        setting.diary,
        setting.idle.append,
        setting._end,
        ready_timeout_s=0,
    )
    assert not await worker.ready()
    assert setting.children[1].is_killed
    assert setting.ended == [(False, "it takes too long")]


async def test_when_it_dies_everybody_is_told(setting: Setting) -> None:
    setting.child.say(messages.Ready(4711, 40001))
    client = FakeClient()
    relay = setting.worker.represent(client, "room", is_proven=True)
    handled = asyncio.create_task(relay.handle("{}"))
    asked = asyncio.create_task(setting.worker.rooms(3600))
    await settle()
    setting.child.say(messages.PeerJoined("room", "p", "Ann", False, False, "secret"))
    setting.child.die()
    assert setting.ended == [(True, "exit code -9")]
    assert client.stopped == [ROOM_LOST]
    assert not await handled
    assert len(await asked) <= 1
    assert setting.diary.entries == ["Ann joined room", "Ann left room"]
    assert not await setting.worker.ready()
    await setting.worker.wait_ended()
    posted = len(setting.child.posted)
    relay.leave("hung up")
    setting.worker.kill()
    assert len(setting.child.posted) == posted
    assert not setting.child.is_killed
    assert await setting.worker.rooms(3600) == ()


async def test_it_is_asked_to_leave(setting: Setting) -> None:
    setting.worker.leave()
    assert setting.child.posted[1:] == [messages.Leave()]
    assert not setting.child.is_killed
    setting.worker.kill()
    assert setting.child.is_killed
