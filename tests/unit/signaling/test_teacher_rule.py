"""Who may be the teacher."""

from __future__ import annotations

from typing import Literal

import pytest

from sidecar.signaling.teacher_rule import TeacherRule
from tests.unit.signaling.fakes import School

HERE, ELSEWHERE = "192.0.2.1", "192.0.2.99"
TOKEN = "correct horse"
JOIN = {"roomId": "room", "peerId": "t", "name": "T"}


def make_rule(accepts: Literal["any", "local", "token"]) -> TeacherRule:
    return TeacherRule(accepts, TOKEN, lambda address: address == HERE)


@pytest.mark.parametrize(
    ("accepts", "address", "token", "allowed"),
    [
        ("local", HERE, None, True),
        ("local", HERE, "wrong", True),
        ("local", ELSEWHERE, None, False),
        ("local", ELSEWHERE, "wrong", False),
        ("local", ELSEWHERE, "", False),
        ("local", ELSEWHERE, "correct", False),
        ("local", ELSEWHERE, "pferd \N{HORSE}", False),
        ("local", ELSEWHERE, TOKEN, True),
        ("local", None, None, False),
        ("local", None, TOKEN, True),
        ("token", HERE, None, False),
        ("token", HERE, "wrong", False),
        ("token", ELSEWHERE, TOKEN, True),
        ("any", ELSEWHERE, None, True),
        ("any", None, "wrong", True),
    ],
)
def test_the_rule(
    accepts: Literal["any", "local", "token"],
    address: str | None,
    token: str | None,
    allowed: bool,
) -> None:
    assert make_rule(accepts).allows(address, token) is allowed


@pytest.mark.parametrize(
    ("accepts", "address", "token", "proven"),
    [
        ("local", HERE, None, True),
        ("local", HERE, "wrong", True),
        ("local", ELSEWHERE, TOKEN, True),
        ("local", None, None, False),
        ("token", HERE, None, False),
        ("token", None, TOKEN, True),
        ("any", HERE, None, False),
        ("any", ELSEWHERE, "wrong", False),
        ("any", ELSEWHERE, TOKEN, True),
    ],
)
def test_what_proves_a_teacher(
    accepts: Literal["any", "local", "token"],
    address: str | None,
    token: str | None,
    proven: bool,
) -> None:
    assert make_rule(accepts).proves(address, token) is proven


async def test_who_is_not_believed_is_told_and_may_be_a_student() -> None:
    school = School(teacher_rule=make_rule("local"))
    client = school.client()
    refused = await client.join("t", is_teacher=True)
    assert refused["data"] == {
        "message": "Only the teacher's computer may join as teacher",
        "code": "teacher-not-allowed",
        "request": "join",
    }
    assert school.worker.routers == []
    assert (await client.join("t"))["data"]["isTeacher"] is False
    await school.close()


async def test_a_teacher_from_elsewhere_with_the_token() -> None:
    school = School(teacher_rule=make_rule("local"))
    client = school.client()
    reply = await client.request("join", JOIN | {"isTeacher": True, "token": TOKEN})
    assert reply["data"]["isTeacher"] is True
    await school.close()


async def test_a_teacher_from_here() -> None:
    school = School(teacher_rule=make_rule("local"))
    client = school.client()
    client.connection.remote_address = HERE
    assert (await client.join("t", is_teacher=True))["type"] == "joined"
    await school.close()


async def test_who_is_not_believed_does_not_disturb_the_teacher() -> None:
    school = School(teacher_rule=make_rule("local"))
    teacher = school.client(answers_pings=False)
    teacher.connection.remote_address = HERE
    await teacher.join("t", is_teacher=True)
    refused = await school.client().join("impostor", is_teacher=True)
    assert refused["data"]["code"] == "teacher-not-allowed"
    assert teacher.connection.pings.empty()
    await school.close()
