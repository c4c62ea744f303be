"""Who needs the PIN, and what trying it out costs."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.classroom.errors import ClassroomError, Fault
from sidecar.limits import Limits
from sidecar.signaling import pin as pin_module
from sidecar.signaling.pin import TRIES_INTERVAL_S, PinRule
from sidecar.signaling.teacher_rule import TeacherRule
from tests.unit.signaling.fakes import FakeClock, School

HERE, STUDENT = "192.0.2.1", "192.0.2.99"
JOIN = {"roomId": "room", "peerId": "ann", "name": "Ann", "isTeacher": False}


class Door:
    """A rule that lets an address try twice."""

    def __init__(self, pin: str = "1234") -> None:
        self.clock = FakeClock()
        self.rule = PinRule(pin, 2, self.clock)

    def fault(self, pin: str | None, address: str | None = STUDENT) -> Fault | None:
        try:
            self.rule.check(address, pin)
        except ClassroomError as error:
            return error.fault
        return None

    def exhaust(self, address: str | None = STUDENT) -> None:
        assert [self.fault("0000", address) for _ in range(2)] == [Fault.WRONG_PIN] * 2


@pytest.mark.parametrize("given", [None, "", "anything"])
def test_without_a_pin_everybody_passes(given: str | None) -> None:
    assert Door("").fault(given) is None


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ("1234", None),
        (" 1234\n", None),
        (None, Fault.PIN_REQUIRED),
        ("", Fault.PIN_REQUIRED),
        ("  ", Fault.PIN_REQUIRED),
        ("123", Fault.WRONG_PIN),
        ("12345", Fault.WRONG_PIN),
        ("\N{FULLWIDTH DIGIT ONE}234", Fault.WRONG_PIN),
        ("\ud83d", Fault.WRONG_PIN),
    ],
)
def test_the_pin_must_be_said(given: str | None, fault: Fault | None) -> None:
    assert Door().fault(given) is fault


def test_a_pin_is_any_text() -> None:
    assert Door("Grün\N{HONEYBEE}").fault("Grün\N{HONEYBEE}") is None


def test_after_too_many_wrong_ones_nobody_listens_for_a_while() -> None:
    door = Door()
    door.exhaust()
    with pytest.raises(ClassroomError) as refused:
        door.rule.check(STUDENT, "1234")
    assert refused.value.fault is Fault.TOO_MANY_PIN_TRIES
    assert refused.value.retry_after_s == TRIES_INTERVAL_S / 2
    assert str(refused.value) == "Too many wrong PINs, try again in 150 s"
    door.clock.now_s += TRIES_INTERVAL_S / 2
    assert door.fault("0000") is Fault.WRONG_PIN
    assert door.fault("1234") is Fault.TOO_MANY_PIN_TRIES
    door.clock.now_s += TRIES_INTERVAL_S / 2
    assert door.fault("1234") is None


def test_who_says_nothing_or_the_right_thing_uses_up_nothing() -> None:
    door = Door()
    for _ in range(100):
        assert door.fault("1234") is None
        assert door.fault(None) is Fault.PIN_REQUIRED
    door.exhaust()
    assert door.fault(None) is Fault.PIN_REQUIRED


def test_who_is_elsewhere_is_listened_to() -> None:
    door = Door()
    door.exhaust()
    assert door.fault("1234", "192.0.2.98") is None
    assert door.fault("1234", None) is None
    door.exhaust(None)
    assert door.fault("1234", None) is Fault.TOO_MANY_PIN_TRIES


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.99", "::ffff:192.0.2.99", True),
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("::ffff:192.0.2.99", "::ffff:192.0.2.98", False),
    ],
)
def test_tries_are_counted_by_what_one_client_can_have(one: str, other: str, same: bool) -> None:
    door = Door()
    door.exhaust(one)
    assert door.fault("1234", other) is (Fault.TOO_MANY_PIN_TRIES if same else None)


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pin_module, "MAX_ADDRESSES", 3)
    door = Door()
    for number in range(4):
        door.exhaust(f"192.0.2.{number}")
    answers = [door.fault("1234", f"192.0.2.{number}") for number in range(4)]
    assert answers == [None] + [Fault.TOO_MANY_PIN_TRIES] * 3


def test_another_pin_does_not_forget_the_tries() -> None:
    door = Door()
    door.exhaust()
    door.rule.set("5678")
    assert door.fault("5678") is Fault.TOO_MANY_PIN_TRIES
    assert door.fault("5678", HERE) is None
    assert door.fault("1234", HERE) is Fault.WRONG_PIN
    door.rule.set("")
    assert door.fault(None) is None


async def code_of(school: School, **data: Any) -> str | None:
    reply = await school.client().request("join", JOIN | data)
    code: str | None = reply["data"].get("code")
    return code


async def test_students_need_it_and_proven_teachers_do_not() -> None:
    rule = TeacherRule("local", "secret", lambda address: address == HERE)
    school = School(teacher_rule=rule, limits=Limits(max_pin_tries=1))
    early = school.client()
    await early.join("early")
    school.pin_rule.set("1234")
    assert await code_of(school) == "pin-required"
    assert await code_of(school, isTeacher=True, pin="1234") == "teacher-not-allowed"
    assert await code_of(school, pin="0000") == "wrong-pin"
    refused = await school.client().request("join", JOIN | {"pin": "1234"})
    assert refused["data"] == {
        "message": "Too many wrong PINs, try again in 300 s",
        "code": "too-many-pin-tries",
        "request": "join",
        "retryAfterSeconds": 300,
    }
    assert await code_of(school, peerId="t", isTeacher=True, token="secret") is None
    school.clock.now_s += 300
    assert await code_of(school, pin="1234") is None
    assert (await early.receive())["type"] == "peerJoined"
    await school.close()


async def test_where_anybody_may_teach_they_need_it_too() -> None:
    school = School(teacher_rule=TeacherRule("any", "secret", lambda _address: True))
    school.pin_rule.set("1234")
    assert await code_of(school, isTeacher=True) == "pin-required"
    assert await code_of(school, isTeacher=True, pin="1234") is None
    await school.close()
