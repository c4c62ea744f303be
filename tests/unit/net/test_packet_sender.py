"""Packets for many receivers: protected side by side, sent together or one by one."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Sequence

import pytest

from sidecar.net.ice import Address
from sidecar.net.packet_memory import CELLS, Image, PacketMemory, Run
from sidecar.net.packet_sender import PacketSender
from sidecar.net.srtp import KEY_EXPIRED, OK, PROFILES, SrtpProfile, SrtpSession
from sidecar.sfu.batch import Packets
from tests.unit.net.support import FakeDatagrams


def rtp_packet(number: int, size_bytes: int = 100) -> bytes:
    return bytes([0x80, 96, 0, number]) + bytes(4) + b"ssrc" + bytes(size_bytes)


class Student:
    """One receiver with both halves of the keys."""

    def __init__(self, number: int, profile: SrtpProfile = PROFILES[0]) -> None:
        material = bytes([number]) * profile.keying_material_bytes
        self.session = SrtpSession(profile, material, is_dtls_client=False)
        self.own = SrtpSession(profile, material, is_dtls_client=True)
        self.address: Address = ("192.0.2.1", 1000 + number)
        self.unsendable = 0
        self.lost = False

    def key_used_up(self) -> None:
        self.lost = True


class FakeTable:
    """Takes runs out of some copies, as the kernel does.

    Attributes:
        takes: Out of how many copies at most.
        calls: Out of how many it was asked to.
        sent: Sizes and names of what it took.
        sources: From which of our addresses it was asked to send.
        refused: A name that it does not take.
    """

    def __init__(self, takes: int = CELLS) -> None:
        self.takes = takes
        self.refused = b""
        self.calls: list[int] = []
        self.sent: list[tuple[tuple[int, ...], bytes]] = []
        self.sources: list[bytes] = []

    def names(self, addresses: Sequence[Address]) -> bytes:
        return b"".join(address[1].to_bytes(2, "big") for address in addresses)

    def source(self, local: str) -> bytes:
        return local.encode()

    def send(
        self, image: Image, run: Run, names: bytes, copies: int, source: bytes, first: int = 0
    ) -> int:
        self.sources.append(source)
        assert run in image.runs
        assert len(names) == 2 * copies
        self.calls.append(copies - first)
        each = [names[2 * copy : 2 * copy + 2] for copy in range(first, copies)][: self.takes]
        if self.refused in each:
            each = each[: each.index(self.refused)]
        self.sent += [(tuple(run.sizes), name) for name in each]
        return len(each)


class Scene:
    """A sender and whom it serves."""

    def __init__(self, students: Sequence[Student], table: FakeTable | None = None) -> None:
        self.students = students
        self.datagrams = FakeDatagrams()
        self.sender = PacketSender(self.datagrams, PacketMemory(), table)
        members = [(each, each.session, each.address) for each in students]
        self.group = self.sender.group(students[0].session.tag_bytes, members)

    def send(self, *packets: bytes) -> None:
        self.sender.send(Packets(packets), self.group)

    def received(self, student: Student) -> list[bytes]:
        return [
            student.own.unprotect_rtp(datagram)
            for datagram, address in self.datagrams.sent
            if address == student.address
        ]


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_everybody_gets_the_same_under_his_own_key(profile: SrtpProfile) -> None:
    scene = Scene([Student(number, profile) for number in range(9)])
    packets = [rtp_packet(1), rtp_packet(2), rtp_packet(3, 40)]
    scene.send(*packets)
    assert all(scene.received(student) == packets for student in scene.students)
    assert len({datagram for datagram, _address in scene.datagrams.sent}) == 3 * 9


@pytest.mark.parametrize("count", [1, 2, 7, 40, 64, 128])
def test_all_are_served_in_equal_parts_as_few_as_there_is_room_for(count: int) -> None:
    table = FakeTable()
    students = [Student(number) for number in range(49)]
    scene = Scene(students, table)
    scene.send(*(rtp_packet(number) for number in range(count)))
    per_image = {1: [49], 2: [24, 25], 7: [9, 10, 10, 10, 10]}
    # With so many packets each is served alone, which is not by the table.
    assert table.calls == per_image.get(count, [])
    if count not in per_image:
        expected = [rtp_packet(number) for number in range(count)]
        assert all(scene.received(student) == expected for student in students)


def test_there_may_be_fewer_than_there_is_room_for() -> None:
    scene = Scene([Student(1), Student(2)])
    for number in range(3):
        scene.send(rtp_packet(number))
    assert [len(scene.received(student)) for student in scene.students] == [3, 3]


def test_a_run_goes_to_all_at_once_where_the_system_takes_it() -> None:
    table = FakeTable()
    scene = Scene([Student(1), Student(2)], table)
    scene.send(rtp_packet(1, 100), rtp_packet(2, 100), rtp_packet(3, 500))
    assert table.calls == [2, 2]
    names = [b"\x03\xe9", b"\x03\xea"]
    assert table.sent == [((128, 128), name) for name in names] + [((528,), name) for name in names]
    assert scene.datagrams.sent == []


def test_what_the_system_refuses_for_one_is_sent_to_that_one_and_at_once_to_the_rest() -> None:
    table = FakeTable()
    students = [Student(number) for number in range(9)]
    scene = Scene(students, table)
    table.refused = table.names([students[3].address])
    packets = [rtp_packet(1), rtp_packet(2)]
    scene.send(*packets)
    assert table.calls == [9, 5]
    assert len(table.sent) == 8
    assert scene.received(students[3]) == packets
    assert {address for _, address in scene.datagrams.sent} == {students[3].address}


def test_what_the_system_does_not_take_at_all_is_sent_one_by_one() -> None:
    table = FakeTable(takes=0)
    scene = Scene([Student(number) for number in range(30)], table)
    packets = [rtp_packet(1), rtp_packet(2)]
    scene.send(*packets)
    assert all(scene.received(student) == packets for student in scene.students)
    assert len(table.calls) <= 8


def test_nothing_goes_to_all_at_once_where_runs_cannot_be_cut() -> None:
    table = FakeTable()
    scene = Scene([Student(1)], table)
    scene.datagrams.max_segments = 1
    scene.send(rtp_packet(1), rtp_packet(2))
    assert table.calls == []
    assert len(scene.received(scene.students[0])) == 2


def test_too_long_packets_are_counted_with_everybody() -> None:
    scene = Scene([Student(1), Student(2)])
    scene.send(rtp_packet(1, 1400), rtp_packet(2))
    for student in scene.students:
        assert scene.received(student) == [rtp_packet(2)]
        assert student.unsendable == 1


def test_what_libsrtp_does_not_take_is_left_out_and_counted() -> None:
    scene = Scene([Student(1), Student(2)])
    scene.send(rtp_packet(1), b"nonsense", rtp_packet(3))
    for student in scene.students:
        assert scene.received(student) == [rtp_packet(1), rtp_packet(3)]
        assert student.unsendable == 1


def test_keys_live_as_long_as_the_group_that_uses_them() -> None:
    """A link forgets its own when it closes, which may be in the middle of a class."""
    student = Student(1)
    scene = Scene([student])
    scene.send(rtp_packet(1))
    libsrtps = weakref.ref(student.session._outbound)
    del student.session
    gc.collect()
    assert libsrtps() is not None
    scene.send(rtp_packet(2))
    assert scene.received(student) == [rtp_packet(1), rtp_packet(2)]
    del scene.group
    gc.collect()
    assert libsrtps() is None


def test_who_has_used_up_his_key_gets_nothing_and_the_others_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """libsrtp refuses after 2**48 packets, which nobody waits for."""
    scene = Scene([Student(1), Student(2), Student(3)])
    statuses = [OK, OK, OK, KEY_EXPIRED, OK, OK]
    monkeypatch.setattr("sidecar.net.packet_sender.protect_in_place", lambda *_args: statuses)
    scene.send(rtp_packet(1), rtp_packet(2))
    assert [student.lost for student in scene.students] == [False, True, False]
    addresses = [address for _datagram, address in scene.datagrams.sent]
    first, _second, third = (student.address for student in scene.students)
    assert addresses == [first, first, third, third]
