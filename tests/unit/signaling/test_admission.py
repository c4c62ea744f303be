"""Knocking at a door behind which somebody may or may not be alive."""

from __future__ import annotations

from typing import Any

from sidecar.limits import Limits
from sidecar.signaling.connection import REPLACED, TOO_SLOW
from sidecar.signaling.limits import Patience
from tests.unit.signaling.fakes import Client, School


def code_of(message: dict[str, Any]) -> str:
    assert message["type"] == "error"
    code: str = message["data"]["code"]
    return code


async def knocking(school: School, occupant: Client, peer_id: str) -> Client:
    """A second teacher on whose behalf ``occupant`` has just been pinged."""
    newcomer = school.client()
    newcomer.send_join(peer_id, is_teacher=True)
    await occupant.connection.pings.get()
    return newcomer


async def silent_teacher(school: School) -> Client:
    teacher = school.client(answers_pings=False)
    await teacher.join("old", is_teacher=True)
    return teacher


async def test_a_living_teacher_stays(school: School) -> None:
    teacher = school.client()
    await teacher.join("old", is_teacher=True)
    refused = await school.client().join("new", is_teacher=True)
    assert refused["data"]["message"] == "Room already has a teacher"
    assert code_of(refused) == "teacher-exists"
    assert (await teacher.request("getProducers"))["type"] == "producers"


async def test_a_dead_teacher_is_replaced(school: School) -> None:
    teacher = await silent_teacher(school)
    student = school.client()
    await student.join("ann")
    newcomer = await knocking(school, teacher, "new")
    teacher.connection.give_up_on_pong()
    assert (await newcomer.receive())["type"] == "joined"
    await teacher.task
    assert teacher.connection.closed_with == REPLACED
    left, joined = await student.receive(), await student.receive()
    assert left == {"type": "peerLeft", "data": {"peerId": "old", "wasTeacher": True}}
    assert joined["type"] == "peerJoined"
    assert joined["data"]["peerId"] == "new"


async def test_the_time_to_answer_is_limited() -> None:
    school = School(patience=Patience(probe_timeout_s=0))
    teacher = await silent_teacher(school)
    newcomer = await knocking(school, teacher, "new")
    assert (await newcomer.receive())["type"] == "joined"
    await school.close()


async def test_a_dead_teacher_who_was_alone(school: School) -> None:
    teacher = await silent_teacher(school)
    newcomer = await knocking(school, teacher, "new")
    teacher.connection.give_up_on_pong()
    assert (await newcomer.receive())["type"] == "joined"
    assert [router.closed for router in school.worker.routers] == [True, False]


async def test_a_dead_teacher_makes_room_in_a_full_one() -> None:
    school = School(limits=Limits(max_clients_per_room=2))
    teacher = await silent_teacher(school)
    await school.client().join("ann")
    newcomer = await knocking(school, teacher, "new")
    teacher.connection.give_up_on_pong()
    assert (await newcomer.receive())["type"] == "joined"
    await school.close()


async def test_a_living_namesake_stays(school: School) -> None:
    await school.client().join("ann")
    refused = await school.client().join("ann")
    assert refused["data"]["message"] == "Peer already in room"
    assert code_of(refused) == "peer-exists"


async def test_a_dead_namesake_is_replaced(school: School) -> None:
    ann = school.client(answers_pings=False)
    await ann.join("ann")
    again = school.client()
    again.send_join("ann")
    await ann.connection.pings.get()
    ann.connection.give_up_on_pong()
    assert (await again.receive())["type"] == "joined"
    await ann.task
    assert ann.connection.closed_with == REPLACED


async def test_of_two_who_knock_one_gets_in(school: School) -> None:
    teacher = await silent_teacher(school)
    first = await knocking(school, teacher, "first")
    second = await knocking(school, teacher, "second")
    teacher.connection.give_up_on_pong()
    assert (await first.receive())["type"] == "joined"
    assert code_of(await second.receive()) == "teacher-exists"
    # The second was refused because the first answered, not because the dead one was there.
    assert first.connection.pings.qsize() == 1


async def test_of_two_who_knock_the_other_gets_in_if_one_is_dead_too(school: School) -> None:
    teacher = await silent_teacher(school)
    first = await knocking(school, teacher, "first")
    first.connection.pong.clear()
    second = await knocking(school, teacher, "second")
    teacher.connection.give_up_on_pong()
    assert (await first.receive())["type"] == "joined"
    await first.connection.pings.get()
    first.connection.give_up_on_pong()
    assert (await second.receive())["type"] == "joined"
    await first.task
    assert first.connection.closed_with == REPLACED


async def test_the_teacher_disconnects_while_being_pinged(school: School) -> None:
    teacher = await silent_teacher(school)
    newcomer = await knocking(school, teacher, "new")
    await teacher.leave()
    assert (await newcomer.receive())["type"] == "joined"


async def test_the_teacher_leaves_and_then_answers(school: School) -> None:
    teacher = await silent_teacher(school)
    newcomer = await knocking(school, teacher, "new")
    assert (await teacher.request("leave"))["type"] == "left"
    teacher.connection.pong.set()
    assert (await newcomer.receive())["type"] == "joined"
    assert not teacher.task.done()


async def test_the_teacher_moves_to_another_room_without_answering(school: School) -> None:
    teacher = await silent_teacher(school)
    newcomer = await knocking(school, teacher, "new")
    await teacher.request("leave")
    await teacher.join("old", is_teacher=True, room_id="elsewhere")
    teacher.connection.give_up_on_pong()
    assert (await newcomer.receive())["type"] == "joined"
    assert (await teacher.request("getProducers"))["type"] == "producers"


async def test_the_newcomer_disconnects_meanwhile(school: School) -> None:
    teacher = await silent_teacher(school)
    newcomer = await knocking(school, teacher, "new")
    newcomer.connection.disconnect()
    teacher.connection.give_up_on_pong()
    await newcomer.task
    assert newcomer.connection.sent.empty()
    assert (await teacher.request("getProducers"))["type"] == "producers"


async def test_the_newcomer_is_cut_off_meanwhile(school: School) -> None:
    teacher = await silent_teacher(school)
    newcomer = await knocking(school, teacher, "new")
    newcomer.session.stop(TOO_SLOW)
    await newcomer.task
    teacher.connection.give_up_on_pong()
    assert (await teacher.request("getProducers"))["type"] == "producers"


async def test_a_teacher_who_is_being_cut_off_is_not_waited_for(school: School) -> None:
    teacher = await silent_teacher(school)
    newcomer = school.client()
    newcomer.send_join("new", is_teacher=True)
    teacher.session.stop(TOO_SLOW)
    assert (await newcomer.receive())["type"] == "joined"
    assert teacher.connection.pings.empty()


async def test_requests_behind_a_join_wait_for_it(school: School) -> None:
    teacher = await silent_teacher(school)
    newcomer = await knocking(school, teacher, "new")
    newcomer.send("getProducers", id=2)
    newcomer.send("leave", id=3)
    teacher.connection.give_up_on_pong()
    replies = [(await newcomer.receive())["type"] for _ in range(3)]
    assert replies == ["joined", "producers", "left"]
