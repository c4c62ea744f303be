"""What an observer of the rooms sees; the rest is told in the tests of sessions and admission."""

from __future__ import annotations

from sidecar.classroom.peer import Peer
from sidecar.limits import Limits
from sidecar.signaling.teacher_rule import TeacherRule
from tests.unit.signaling.fakes import School


class Diary:
    """An observer."""

    def __init__(self) -> None:
        self.entries: list[str] = []

    def joined(self, room_id: str, peer: Peer) -> None:
        self.entries.append(f"{peer.id} joined {room_id}")

    def left(self, room_id: str, peer: Peer) -> None:
        self.entries.append(f"{peer.id} left {room_id}")


async def test_comings_and_goings_are_seen() -> None:
    diary = Diary()
    school = School(observer=diary)
    ann, ben = school.client(), school.client()
    await ann.join("ann", room_id="7b")
    await ben.join("ben", room_id="7b")
    await ann.request("leave")
    await ben.leave()
    await ann.leave()
    assert diary.entries == ["ann joined 7b", "ben joined 7b", "ann left 7b", "ben left 7b"]


async def test_who_is_refused_is_not_seen() -> None:
    diary = Diary()
    school = School(limits=Limits(max_clients_per_room=2), observer=diary)
    await school.client().join("ann")
    await school.client().join("ben")
    assert diary.entries == ["ann joined room"]
    await school.close()


async def test_somebody_who_is_replaced_goes_first() -> None:
    diary = Diary()
    school = School(observer=diary)
    await school.client(answers_pings=False).join("old", is_teacher=True)
    newcomer = school.client()
    newcomer.send_join("new", is_teacher=True)
    await school.clients[0].connection.pings.get()
    school.clients[0].connection.give_up_on_pong()
    await newcomer.receive()
    assert diary.entries == ["old joined room", "old left room", "new joined room"]
    await school.close()


async def test_a_room_is_held_from_the_first_who_waits_for_it_to_the_last_who_leaves() -> None:
    school = School()
    assert not school.registry.holds("room")
    with school.registry.expecting("room"), school.registry.expecting("room"):
        assert school.registry.holds("room")
        assert not school.registry.holds("another")
    assert not school.registry.holds("room")
    ann = school.client()
    await ann.join("ann")
    assert school.registry.holds("room")
    assert school.registry.peers == 1
    await ann.leave()
    assert not school.registry.holds("room")
    assert school.registry.peers == 0


async def test_only_a_proven_teacher_opens_one_room_more() -> None:
    rule = TeacherRule("local", "", lambda address: address == "192.0.2.1")
    school = School(limits=Limits(max_rooms=2), teacher_rule=rule)
    for room_id in ("first", "second"):
        await school.client().join("ann", room_id=room_id)
    client = school.client()
    refused = await client.join("ben", room_id="third")
    assert refused["data"] == {
        "message": "There are too many rooms",
        "code": "too-many-rooms",
        "request": "join",
    }
    assert (await client.join("ben", room_id="first"))["type"] == "joined"
    for number in range(2):
        teacher = school.client()
        teacher.connection.remote_address = "192.0.2.1"
        reply = await teacher.join("teacher", is_teacher=True, room_id=f"class-{number}")
        assert reply["type"] == "joined"
    teacher = school.client()
    teacher.connection.remote_address = "192.0.2.1"
    refused = await teacher.join("teacher", is_teacher=True, room_id="class-2")
    assert refused["data"]["code"] == "too-many-rooms"
    await school.close()
