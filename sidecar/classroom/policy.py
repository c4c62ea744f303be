"""The rules of a room: who may send what to whom. Pure functions of who asks and for what."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Protocol

from sidecar.classroom.errors import Fault
from sidecar.ortc.parameters import MediaKind


class Person(Protocol):
    """What the rules look at."""

    @property
    def id(self) -> str:
        """Unique in the room."""

    @property
    def is_teacher(self) -> bool:
        """Or else a student."""


class Policy(Protocol):
    """A set of rules."""

    @property
    def one_teacher(self) -> bool:
        """Whether a room has at most one teacher."""

    def produce_fault(self, sender: Person, kind: MediaKind) -> Fault | None:
        """Why ``sender`` may not send ``kind``; None if they may."""

    def consume_fault(self, receiver: Person, owner: Person, kind: MediaKind) -> Fault | None:
        """Why ``receiver`` may not receive ``owner``'s stream of ``kind``; None if they may."""

    def announces(self, owner: Person, other: Person) -> bool:
        """Whether ``other``, who is not ``owner``, is told of a new stream of ``owner``."""

    def lists(self, owner: Person, asker: Person, kind: MediaKind) -> bool:
        """Whether ``asker`` finds ``owner``'s stream of ``kind`` when asking what there is."""


class ClassroomPolicy:
    """One teacher shows and talks to all; students talk to the teacher."""

    one_teacher: Final = True

    def produce_fault(self, sender: Person, kind: MediaKind) -> Fault | None:
        """Students send audio only."""
        if kind == "video" and not sender.is_teacher:
            return Fault.VIDEO_IS_THE_TEACHERS
        return None

    def consume_fault(self, receiver: Person, owner: Person, kind: MediaKind) -> Fault | None:
        """Students receive the teacher; the teacher receives the students' audio."""
        if not receiver.is_teacher:
            return None if owner.is_teacher else Fault.NOT_FROM_TEACHER
        if owner.id == receiver.id:
            return Fault.OWN_PRODUCER
        return None if kind == "audio" else Fault.NOT_AUDIO

    def announces(self, owner: Person, other: Person) -> bool:
        """The teacher's streams to the students, a student's to the teacher."""
        return owner.is_teacher != other.is_teacher

    def lists(self, owner: Person, asker: Person, kind: MediaKind) -> bool:
        """To a student the teacher's streams; to the teacher their own and the students' audio."""
        return owner.is_teacher or (asker.is_teacher and kind == "audio")


class OpenPolicy:
    """Everybody may send and receive everything."""

    one_teacher: Final = False

    def produce_fault(self, sender: Person, kind: MediaKind) -> Fault | None:
        """Never."""
        return None

    def consume_fault(self, receiver: Person, owner: Person, kind: MediaKind) -> Fault | None:
        """Never."""
        return None

    def announces(self, owner: Person, other: Person) -> bool:
        """Always."""
        return True

    def lists(self, owner: Person, asker: Person, kind: MediaKind) -> bool:
        """Everything but the asker's own."""
        return owner.id != asker.id


POLICIES: Final[Mapping[str, Policy]] = MappingProxyType(
    {"classroom": ClassroomPolicy(), "open": OpenPolicy()}
)
"""The policies by the names that the configuration uses."""
