"""Knocking at a door behind which somebody may or may not be alive."""

from __future__ import annotations

from typing import Any

from sidecar.limits import Limits
from sidecar.signaling.connection import REPLACED, TOO_SLOW
from sidecar.signaling.limits import Patience
from sidecar.signaling.teacher_rule import TeacherRule
from tests.unit.signaling.fakes import Client, School
from tests.unit.workers.fakes import settle

HERE = "192.0.2.1"
LOCAL_TEACHERS = TeacherRule("local", "secret", lambda address: address == HERE)
TOKEN_OR_ANYBODY = TeacherRule("any", "secret", lambda _address: True)


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


async def also_knocking(school: School, peer_id: str, *, is_teacher: bool = True) -> Client:
    """Somebody who knocks while the occupant's pong is waited for."""
    newcomer = school.client()
    newcomer.send_join(peer_id, is_teacher=is_teacher)
    await settle()
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
    second = await also_knocking(school, "second")
    teacher.connection.give_up_on_pong()
    assert (await first.receive())["type"] == "joined"
    assert code_of(await second.receive()) == "teacher-exists"
    # The second was refused because the first answered, not because the dead one was there.
    assert first.connection.pings.qsize() == 1


async def test_of_two_who_knock_the_other_gets_in_if_one_is_dead_too(school: School) -> None:
    teacher = await silent_teacher(school)
    first = await knocking(school, teacher, "first")
    first.connection.pong.clear()
    second = await also_knocking(school, "second")
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


def at_the_teachers_computer(school: School, *, answers_pings: bool = True) -> Client:
    client = school.client(answers_pings=answers_pings)
    client.connection.remote_address = HERE
    return client


async def test_a_proven_teacher_does_not_wait_for_a_student_with_the_same_id() -> None:
    school = School(teacher_rule=LOCAL_TEACHERS)
    impostor, witness = school.client(), school.client()
    await witness.join("ann")
    await impostor.join("t")
    assert (await witness.receive())["type"] == "peerJoined"
    assert (await at_the_teachers_computer(school).join("t", is_teacher=True))["type"] == "joined"
    await impostor.task
    assert impostor.connection.closed_with == REPLACED
    assert impostor.connection.pings.empty()
    assert [(await witness.receive())["type"] for _ in range(2)] == ["peerLeft", "peerJoined"]
    await school.close()


async def test_the_student_who_comes_back_is_refused_without_asking_the_teacher() -> None:
    school = School(teacher_rule=LOCAL_TEACHERS)
    teacher = at_the_teachers_computer(school, answers_pings=False)
    await teacher.join("t", is_teacher=True)
    for _ in range(3):
        assert code_of(await school.client().join("t")) == "peer-exists"
    assert teacher.connection.pings.empty()
    await school.close()


async def test_a_proven_teacher_who_seems_to_be_there_already_is_asked() -> None:
    school = School(teacher_rule=LOCAL_TEACHERS)
    await at_the_teachers_computer(school).join("t", is_teacher=True)
    again = await at_the_teachers_computer(school).join("t", is_teacher=True)
    assert code_of(again) == "teacher-exists"
    await school.close()


async def test_where_anybody_may_teach_the_token_counts_for_more() -> None:
    school = School(teacher_rule=TOKEN_OR_ANYBODY)
    data = {"roomId": "room", "peerId": "t", "name": "T", "isTeacher": True}
    claimant, teacher = school.client(), school.client()
    await claimant.join("t", is_teacher=True)
    joined = await teacher.request("join", data | {"token": "secret"})
    assert joined["type"] == "joined"
    await claimant.task
    assert claimant.connection.closed_with == REPLACED
    teacher.connection.pong.clear()
    assert code_of(await school.client().join("t", is_teacher=True)) == "teacher-exists"
    assert code_of(await school.client().join("t")) == "peer-exists"
    assert teacher.connection.pings.empty()
    await school.close()


async def test_where_anybody_may_teach_a_claim_alone_evicts_nobody() -> None:
    school = School(teacher_rule=TOKEN_OR_ANYBODY)
    await school.client().join("ann")
    assert code_of(await school.client().join("ann", is_teacher=True)) == "peer-exists"
    await school.close()


async def test_a_proven_teacher_gets_into_an_open_room_full_of_students() -> None:
    school = School(
        policy="open", limits=Limits(max_clients_per_room=2), teacher_rule=LOCAL_TEACHERS
    )
    await school.client().join("t")
    await school.client().join("ben")
    assert code_of(await school.client().join("carl")) == "room-full"
    assert (await at_the_teachers_computer(school).join("t", is_teacher=True))["type"] == "joined"
    assert (await at_the_teachers_computer(school).join("u", is_teacher=True))["type"] == "joined"
    assert code_of(await school.client().join("carl")) == "room-full"
    await school.close()


async def test_all_who_knock_at_one_place_share_one_ping(school: School) -> None:
    ann = school.client(answers_pings=False)
    await ann.join("ann")
    knockers = [await also_knocking(school, "ann", is_teacher=False) for _ in range(20)]
    assert ann.connection.pings.qsize() == 1
    ann.connection.pong.set()
    assert [code_of(await each.receive()) for each in knockers] == ["peer-exists"] * 20


async def test_nobody_waits_for_more_than_two_pings(school: School) -> None:
    occupant = school.client(answers_pings=False)
    await occupant.join("ann")
    waiting = []
    for _ in range(6):
        client = school.client(answers_pings=False)
        client.send_join("ann")
        await settle()
        waiting.append(client)
    answers = []
    for pinged in (occupant, waiting[0]):
        pinged.connection.give_up_on_pong()
        await settle()
    answers = [client.connection.sent.get_nowait() for client in waiting]
    assert [each["type"] for each in answers] == ["joined", "joined"] + ["error"] * 4
    assert {code_of(each) for each in answers[2:]} == {"peer-exists"}


async def test_who_gives_up_knocking_takes_the_ping_from_nobody(school: School) -> None:
    ann = school.client(answers_pings=False)
    await ann.join("ann")
    first = await also_knocking(school, "ann", is_teacher=False)
    second = await also_knocking(school, "ann", is_teacher=False)
    first.session.stop(TOO_SLOW)
    await first.task
    ann.connection.give_up_on_pong()
    assert (await second.receive())["type"] == "joined"


async def rejoin(
    school: School, peer_id: str, token: object, *, is_teacher: bool = False
) -> dict[str, Any]:
    """Come back over a new connection, and say whose the seat was."""
    who = {"roomId": "room", "peerId": peer_id, "name": peer_id, "isTeacher": is_teacher}
    return await school.client().request("join", {**who, "rejoinToken": token})


async def test_who_shows_the_secret_of_its_seat_is_in_at_once(school: School) -> None:
    ann = school.client(answers_pings=False)
    token = (await ann.join("ann"))["data"]["rejoinToken"]
    again = await rejoin(school, "ann", token)
    assert again["type"] == "joined"
    assert again["data"]["rejoinToken"] != token
    await ann.task
    assert ann.connection.closed_with == REPLACED
    assert ann.connection.pings.empty()


async def test_a_teacher_who_comes_back_is_the_teacher_that_it_was() -> None:
    school = School(teacher_rule=TeacherRule("token", "secret", lambda _address: False))
    teacher = school.client()
    who = {"roomId": "room", "peerId": "t", "name": "T", "isTeacher": True}
    joined = await teacher.request("join", {**who, "token": "secret"})
    assert code_of(await school.client().request("join", who)) == "teacher-not-allowed"
    again = await rejoin(school, "t", joined["data"]["rejoinToken"], is_teacher=True)
    assert again["data"]["isTeacher"]
    assert school.registry.rooms[0].peers[0].is_proven
    await school.close()


async def test_a_seat_is_taken_by_its_own_secret_only(school: School) -> None:
    ann, bob = school.client(), school.client()
    await ann.join("ann")
    token = (await bob.join("bob"))["data"]["rejoinToken"]
    for wrong in (token, "x", "\ud7ff", None):
        assert code_of(await rejoin(school, "ann", wrong)) == "peer-exists"
    assert not ann.task.done()


async def test_a_student_does_not_come_back_as_a_teacher() -> None:
    school = School(teacher_rule=LOCAL_TEACHERS)
    ann = school.client()
    token = (await ann.join("ann"))["data"]["rejoinToken"]
    refused = await rejoin(school, "ann", token, is_teacher=True)
    assert code_of(refused) == "teacher-not-allowed"
    assert not ann.task.done()
    await school.close()


async def test_the_secret_of_a_seat_ends_with_it() -> None:
    school = School(teacher_rule=TeacherRule("token", "secret", lambda _address: False))
    teacher = school.client()
    who = {"roomId": "room", "peerId": "t", "name": "T", "isTeacher": True}
    token = (await teacher.request("join", {**who, "token": "secret"}))["data"]["rejoinToken"]
    await teacher.request("leave")
    await school.client().join("t")
    refused = await rejoin(school, "t", token, is_teacher=True)
    assert code_of(refused) == "teacher-not-allowed"
    assert code_of(await rejoin(school, "t", token)) == "peer-exists"
    await school.close()


async def test_who_comes_back_finds_room_in_a_full_one() -> None:
    school = School(limits=Limits(max_clients_per_room=3))
    await school.client().join("t", is_teacher=True)
    await school.client().join("bob")
    token = (await school.client().join("ann"))["data"]["rejoinToken"]
    assert (await rejoin(school, "ann", token))["type"] == "joined"
    await school.close()


async def test_nobody_else_hears_the_secret(school: School) -> None:
    teacher, ann = school.client(), school.client()
    await teacher.join("t", is_teacher=True)
    token = (await ann.join("ann"))["data"]["rejoinToken"]
    assert token not in str(await teacher.receive())
    assert token not in repr(school.registry.rooms[0].peers)
