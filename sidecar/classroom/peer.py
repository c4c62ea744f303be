"""One person in a room and what they have open."""

from __future__ import annotations

from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Literal, TypeAlias

from sidecar.classroom.errors import ClassroomError, Fault
from sidecar.classroom.text import one_line
from sidecar.sfu import Consumer, Producer, WebRtcTransport

Direction: TypeAlias = Literal["send", "recv"]
"""A transport's direction as its client sees it."""


@dataclass(eq=False, slots=True)
class Peer:
    """A teacher or a student. Two peers are equal only if they are the same object.

    Attributes:
        id: Chosen by the client, unique in its room.
        name: What others see: whatever can't be seen, or deceives, is taken out of it.
        is_teacher: Or else a student.
        is_proven: Whether the teacher's token or computer shows that it is the teacher.
        rejoin_token: The secret with which its client takes the place again; "" if none.
        uses_ids: Whether the client knows more than the earlier servers' frontends.
        transports: At most one each way.
        producers: What runs over the send transport, by id.
        consumers: What runs over the receive transport, by id.
    """

    id: str
    name: str
    is_teacher: bool
    is_proven: bool = False
    rejoin_token: str = field(default="", repr=False)
    uses_ids: bool = False
    transports: dict[Direction, WebRtcTransport] = field(default_factory=dict)
    producers: dict[str, Producer] = field(default_factory=dict)
    consumers: dict[str, Consumer] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.name = one_line(self.name)

    def outranks(self, other: Peer) -> bool:
        """Whether ``other`` never keeps a place from this peer, and this peer never loses one to
        ``other``.
        """
        return self.is_proven and not other.is_proven

    def is_rejoined(self, *, is_teacher: bool, token: str | None) -> bool:
        """Whether somebody is this peer: has its secret, and wants to be what it is."""
        if token is None or not self.rejoin_token or is_teacher != self.is_teacher:
            return False
        # In constant time: how long it takes must not tell how much of a guess is right.
        return compare_digest(token.encode(), self.rejoin_token.encode())

    def transport(
        self, direction: Direction, fault: Fault = Fault.TRANSPORT_NOT_FOUND
    ) -> WebRtcTransport:
        """The transport of that direction.

        Raises:
            ClassroomError: With ``fault``, if there is none.
        """
        transport = self.transports.get(direction)
        if transport is None:
            raise ClassroomError(fault)
        return transport

    @property
    def silence_ns(self) -> int | None:
        """How long nothing has been heard of any transport; None if nothing ever was."""
        silences_ns = (each.silence_ns for each in self.transports.values())
        return min((each for each in silences_ns if each is not None), default=None)

    def producer(self, producer_id: str) -> Producer:
        """This peer's own producer; others' are not found.

        Raises:
            ClassroomError: ``PRODUCER_NOT_FOUND``.
        """
        producer = self.producers.get(producer_id)
        if producer is None:
            raise ClassroomError(Fault.PRODUCER_NOT_FOUND)
        return producer

    def consumer(self, consumer_id: str) -> Consumer:
        """This peer's own consumer; others' are not found.

        Raises:
            ClassroomError: ``CONSUMER_NOT_FOUND``.
        """
        consumer = self.consumers.get(consumer_id)
        if consumer is None:
            raise ClassroomError(Fault.CONSUMER_NOT_FOUND)
        return consumer
