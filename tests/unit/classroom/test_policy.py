from __future__ import annotations

import pytest

from sidecar.classroom.errors import Fault
from sidecar.classroom.peer import Peer
from sidecar.classroom.policy import POLICIES
from sidecar.ortc.parameters import MediaKind

TEACHER = Peer("teacher", "Teacher", True)
STUDENT = Peer("student", "Student", False)
OTHER = Peer("other", "Other", False)

CLASSROOM = POLICIES["classroom"]
OPEN = POLICIES["open"]


@pytest.mark.parametrize(
    ("sender", "kind", "fault"),
    [
        (TEACHER, "video", None),
        (TEACHER, "audio", None),
        (STUDENT, "audio", None),
        (STUDENT, "video", Fault.VIDEO_IS_THE_TEACHERS),
    ],
)
def test_classroom_produce(sender: Peer, kind: MediaKind, fault: Fault | None) -> None:
    assert CLASSROOM.produce_fault(sender, kind) is fault


@pytest.mark.parametrize(
    ("receiver", "owner", "kind", "fault"),
    [
        (STUDENT, TEACHER, "video", None),
        (STUDENT, TEACHER, "audio", None),
        (STUDENT, OTHER, "audio", Fault.NOT_FROM_TEACHER),
        (STUDENT, STUDENT, "audio", Fault.NOT_FROM_TEACHER),
        (TEACHER, STUDENT, "audio", None),
        (TEACHER, STUDENT, "video", Fault.NOT_AUDIO),
        (TEACHER, TEACHER, "audio", Fault.OWN_PRODUCER),
        (TEACHER, TEACHER, "video", Fault.OWN_PRODUCER),
    ],
)
def test_classroom_consume(
    receiver: Peer, owner: Peer, kind: MediaKind, fault: Fault | None
) -> None:
    assert CLASSROOM.consume_fault(receiver, owner, kind) is fault


@pytest.mark.parametrize(
    ("owner", "other", "is_told"),
    [(TEACHER, STUDENT, True), (STUDENT, TEACHER, True), (STUDENT, OTHER, False)],
)
def test_classroom_announces(owner: Peer, other: Peer, is_told: bool) -> None:
    assert CLASSROOM.announces(owner, other) is is_told


@pytest.mark.parametrize(
    ("owner", "asker", "kind", "is_listed"),
    [
        (TEACHER, STUDENT, "video", True),
        (TEACHER, STUDENT, "audio", True),
        (TEACHER, TEACHER, "video", True),
        (STUDENT, TEACHER, "audio", True),
        (STUDENT, TEACHER, "video", False),
        (STUDENT, OTHER, "audio", False),
        (STUDENT, STUDENT, "audio", False),
    ],
)
def test_classroom_lists(owner: Peer, asker: Peer, kind: MediaKind, is_listed: bool) -> None:
    assert CLASSROOM.lists(owner, asker, kind) is is_listed


def test_classroom_has_one_teacher_and_open_any_number() -> None:
    assert CLASSROOM.one_teacher
    assert not OPEN.one_teacher


@pytest.mark.parametrize("kind", ["audio", "video"])
@pytest.mark.parametrize("owner", [TEACHER, STUDENT])
@pytest.mark.parametrize("other", [TEACHER, OTHER])
def test_open_allows_everything(owner: Peer, other: Peer, kind: MediaKind) -> None:
    assert OPEN.produce_fault(owner, kind) is None
    assert OPEN.consume_fault(other, owner, kind) is None
    assert OPEN.announces(owner, other)
    assert OPEN.lists(owner, other, kind) is (owner is not other)


def test_the_words_that_clients_show() -> None:
    assert {fault.message: fault.code for fault in Fault} == {
        "Not joined": "not-joined",
        "Already joined": "already-joined",
        "Room and peer ids must not have invisible characters": "invalid-id",
        "Peer already in room": "peer-exists",
        "Room already has a teacher": "teacher-exists",
        "Only the teacher's computer may join as teacher": "teacher-not-allowed",
        "This class needs a PIN": "pin-required",
        "Wrong PIN": "wrong-pin",
        "Too many wrong PINs": "too-many-pin-tries",
        "Room is full": "room-full",
        "There are too many rooms": "too-many-rooms",
        "Too many streams are sent": "too-many-producers",
        "Too many streams are received": "too-many-consumers",
        "Server is full": "server-full",
        "Too many messages": "too-many-messages",
        "Too many chat messages": "too-many-chat-messages",
        "Too many requests, wait some seconds": "too-many-changes",
        "Only teacher can share screen": "video-not-allowed",
        "Students can only consume from teacher": "not-from-teacher",
        "Teacher cannot consume from self": "own-producer",
        "Teacher can only consume audio from students": "not-audio",
        "Cannot consume": "cannot-consume",
        "Producer not found": "producer-not-found",
        "Consumer not found": "consumer-not-found",
        "Transport not found": "transport-not-found",
        "Send transport not found": "send-transport-not-found",
        "Recv transport not found": "recv-transport-not-found",
    }
