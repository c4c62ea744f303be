from __future__ import annotations

import pytest

from sidecar.limits import Limits
from sidecar.signaling.connection_table import RESERVED_CONNECTIONS, ConnectionTable, Place

HERE = "192.0.2.1"


class Hall:
    """A table, and who has given way."""

    def __init__(
        self, total: int = 100, per_address: int = 100, unjoined: int = 100, capacity: int = 1000
    ) -> None:
        limits = Limits(
            max_connections=total,
            max_connections_per_address=per_address,
            max_unjoined_connections=unjoined,
        )
        self.table = ConnectionTable(limits, capacity, lambda address: address == HERE)
        self.cut: list[str] = []

    def come(self, name: str, address: str | None = "192.0.2.99") -> Place:
        place = self.table.take(address, lambda: self.cut.append(name))
        assert place is not None
        return place

    def join(self, name: str, address: str | None = "192.0.2.99") -> Place:
        place = self.come(name, address)
        assert self.table.admits(place, is_proven=False)
        self.table.note(place, has_joined=True)
        return place


async def test_who_has_waited_longest_gives_way() -> None:
    hall = Hall(unjoined=3)
    for name in ("first", "second", "third"):
        hall.come(name)
    hall.join("joins")
    assert hall.cut == ["first"]
    hall.come("fourth")
    assert hall.cut == ["first"]
    hall.come("fifth")
    assert hall.cut == ["first", "second"]
    assert len(hall.table) == 4


async def test_who_has_most_waiting_connections_gives_way_first() -> None:
    hall = Hall(unjoined=4)
    hall.come("honest", "192.0.2.7")
    for number in range(20):
        hall.come(f"attacker-{number}")
    assert hall.cut == [f"attacker-{number}" for number in range(17)]


async def test_a_whole_table_of_those_who_wait_holds_nobody_out() -> None:
    hall = Hall(total=5)
    for number in range(5):
        hall.come(f"waits-{number}")
    assert not hall.join("joins").is_reserved
    assert hall.cut == ["waits-0"]


async def test_who_leaves_a_room_waits_again() -> None:
    hall = Hall(unjoined=2)
    ann = hall.join("ann")
    hall.come("ben")
    hall.table.note(ann, has_joined=False)
    hall.come("zoe")
    assert hall.cut == ["ben"]
    hall.come("next")
    assert hall.cut == ["ben", "ann"]


async def test_one_address_has_its_own_limit() -> None:
    hall = Hall(per_address=3)
    for number in range(3):
        hall.come(f"waits-{number}")
    hall.join("joins")
    assert hall.cut == ["waits-0"]
    hall.come("elsewhere", "192.0.2.7")
    assert hall.cut == ["waits-0"]


async def test_a_full_address_lets_only_a_teacher_in() -> None:
    hall = Hall(per_address=2)
    first = hall.join("first")
    hall.join("second")
    student, teacher = hall.come("student"), hall.come("teacher")
    assert student.is_reserved
    assert teacher.is_reserved
    assert hall.table.admits(teacher, is_proven=True)
    assert not hall.table.admits(student, is_proven=False)
    assert student.is_refused
    hall.table.release(student)
    hall.table.release(first)
    assert not hall.come("third").is_reserved


async def test_this_computer_may_have_as_many_as_there_are() -> None:
    hall = Hall(total=5, per_address=2)
    for number in range(5):
        assert not hall.join(f"local-{number}", HERE).is_reserved
    assert hall.come("sixth", HERE).is_reserved


async def test_a_full_table_lets_only_a_teacher_in() -> None:
    hall = Hall(total=3)
    for number in range(3):
        hall.join(f"student-{number}")
    for number in range(RESERVED_CONNECTIONS + 5):
        hall.come(f"attacker-{number}")
    assert hall.cut == [f"attacker-{number}" for number in range(5)]
    teacher = hall.come("teacher")
    assert hall.table.admits(teacher, is_proven=True)
    for number in range(2 * RESERVED_CONNECTIONS):
        hall.come(f"more-{number}")
    assert "teacher" not in hall.cut
    assert len(hall.table) == 3 + RESERVED_CONNECTIONS


async def test_a_reserved_place_becomes_a_usual_one_when_there_is_one() -> None:
    hall = Hall(total=2)
    first = hall.join("first")
    hall.join("second")
    third = hall.come("third")
    hall.table.release(first)
    assert hall.table.admits(third, is_proven=False)
    assert not third.is_reserved
    fourth = hall.come("fourth")
    assert hall.cut == ["third"]  # It never got as far as joining.
    assert not fourth.is_reserved


async def test_who_comes_back_by_a_reserved_place_moves_as_soon_as_there_is_room() -> None:
    hall = Hall(total=2)
    old = hall.join("ann")
    hall.join("ben")
    new = hall.come("ann, again")
    assert hall.table.admits(new, is_proven=False, is_rejoined=True)
    assert new.is_reserved
    hall.table.note(new, has_joined=True)
    hall.table.release(old)
    assert not new.is_reserved
    late = hall.come("late")
    assert not hall.table.admits(late, is_proven=False)
    assert hall.cut == []
    hall.table.release(new)
    hall.table.release(late)
    assert len(hall.table) == 1


async def test_who_comes_back_moves_also_if_the_old_connection_has_ended_before() -> None:
    hall = Hall(total=1)
    old = hall.join("ann")
    new = hall.come("ann, again")
    assert hall.table.admits(new, is_proven=False, is_rejoined=True)
    hall.table.release(old)
    hall.table.note(new, has_joined=True)
    assert not new.is_reserved
    hall.come("attacker")
    assert hall.cut == []


async def test_a_place_that_a_newcomer_is_made_room_for_may_go_to_who_came_back() -> None:
    hall = Hall(total=2, per_address=2)
    old = hall.join("ann")
    waiting = hall.join("ben")
    new = hall.come("ann, again")
    assert hall.table.admits(new, is_proven=False, is_rejoined=True)
    hall.table.note(new, has_joined=True)
    hall.table.note(waiting, has_joined=False)
    assert hall.come("newcomer").is_reserved
    assert hall.cut == ["ben"]
    assert not new.is_reserved
    hall.table.release(old)
    assert len(hall.table) == 2


async def test_one_address_does_not_drive_others_out_of_the_reserve() -> None:
    hall = Hall(total=1)
    hall.join("student")
    teacher = hall.come("teacher", "192.0.2.7")
    for number in range(3 * RESERVED_CONNECTIONS):
        hall.come(f"attacker-{number}")
    assert "teacher" not in hall.cut
    assert hall.table.admits(teacher, is_proven=True)


async def test_nobody_gets_in_when_the_reserved_places_are_teachers() -> None:
    hall = Hall(total=1)
    hall.join("student")
    for number in range(RESERVED_CONNECTIONS):
        assert hall.table.admits(hall.come(f"teacher-{number}"), is_proven=True)
    assert hall.table.take("192.0.2.99", lambda: None) is None


async def test_a_proven_teacher_never_gives_way() -> None:
    hall = Hall(total=2, unjoined=2)
    teacher = hall.come("teacher")
    assert hall.table.admits(teacher, is_proven=True)
    hall.table.note(teacher, has_joined=True)
    hall.table.note(teacher, has_joined=False)
    for number in range(5):
        hall.come(str(number))
    assert "teacher" not in hall.cut


async def test_one_that_was_cut_off_is_refused_and_released_once() -> None:
    hall = Hall(total=1)
    first = hall.come("first")
    hall.join("second")
    hall.table.release(first)
    reserved = [hall.come(str(number)) for number in range(RESERVED_CONNECTIONS + 1)]
    assert hall.cut == ["first", "0"]
    assert not hall.table.admits(reserved[0], is_proven=False)
    hall.table.release(reserved[0])
    hall.table.note(reserved[0], has_joined=True)
    hall.table.note(reserved[0], has_joined=False)
    assert len(hall.table) == 1 + RESERVED_CONNECTIONS


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.9", "192.0.2.9", True),
        ("192.0.2.9", "192.0.2.10", False),
        ("192.0.2.9", "::ffff:192.0.2.9", True),
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        (None, None, True),
    ],
)
async def test_what_counts_as_one_address(one: str | None, other: str | None, same: bool) -> None:
    hall = Hall(per_address=1)
    hall.join("one", one)
    assert hall.come("other", other).is_reserved == same


async def test_the_system_may_hold_fewer() -> None:
    hall = Hall(total=100, capacity=RESERVED_CONNECTIONS + 2)
    hall.join("first")
    hall.join("second")
    assert hall.come("third").is_reserved


async def test_all_are_released() -> None:
    hall = Hall(unjoined=10)
    places = [hall.come(str(number), f"192.0.2.{number}") for number in range(10)]
    places += [hall.join(f"joined-{number}") for number in range(10)]
    for place in places:
        hall.table.release(place)
    assert len(hall.table) == 0
    for number in range(10):
        hall.come(f"again-{number}")
    assert hall.cut == ["0"]
