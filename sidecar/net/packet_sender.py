"""Protecting packets for many receivers at once, and sending them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from sidecar.net.srtp import KEY_EXPIRED, OK, SrtpSession, protect_in_place

if TYPE_CHECKING:
    from sidecar.net.ice import Address
    from sidecar.net.packet_memory import Image, PacketMemory, Run
    from sidecar.sfu.batch import Packets


class Receiver(Protocol):
    """Whom packets are for.

    Attributes:
        unsendable: Packets that libsrtp did not take, such as too long ones.
    """

    unsendable: int

    def key_used_up(self) -> None:
        """Hears that its key must protect nothing any more."""


class Datagrams(Protocol):
    """Sends to one address at a time; see `DatagramSender`."""

    max_segments: int

    def send(self, datagram: memoryview, address: Address) -> None:
        """Sends one datagram."""

    def send_run(self, datagrams: Sequence[memoryview], address: Address) -> None:
        """Sends datagrams of one size, of which the last may be shorter."""


class Table(Protocol):
    """Sends to several addresses at once; see `sidecar.net.linux.MessageTable`."""

    def names(self, addresses: Sequence[Address]) -> bytes:
        """Says where to."""
        ...

    def send(self, run: Run, names: bytes, copies: int) -> int:
        """Sends a run out of the first slots; returns out of how many it did."""
        ...


class Group:
    """Receivers that are served in one pass: not more of them than the memory has slots.

    Attributes:
        tag_bytes: What protection adds to an RTP packet of theirs.
        receivers: In the order of the slots.
        addresses: Of each.
        names: The same as the operating system takes it, empty where it takes one at a time.
    """

    __slots__ = (
        "_contexts_by_count",
        "_sessions",
        "addresses",
        "names",
        "receivers",
        "tag_bytes",
    )

    def __init__(
        self,
        tag_bytes: int,
        members: Sequence[tuple[Receiver, SrtpSession, Address]],
        names: bytes,
    ) -> None:
        self.tag_bytes = tag_bytes
        self.receivers = [receiver for receiver, _session, _address in members]
        self.addresses = [address for _receiver, _session, address in members]
        self.names = names
        # They own the contexts, also of a receiver that is lost while others are still served.
        self._sessions = [session for _receiver, session, _address in members]
        self._contexts_by_count: dict[int, list[Any]] = {}

    def contexts(self, count: int) -> Sequence[Any]:
        """For libsrtp: the context of each receiver, as many times as there are packets."""
        contexts = self._contexts_by_count.get(count)
        if contexts is None:
            contexts = self._contexts_by_count[count] = [
                session.outbound_context for session in self._sessions for _ in range(count)
            ]
        return contexts


class PacketSender:
    """Lays packets out in memory, has libsrtp protect them there, and sends them."""

    def __init__(self, datagrams: Datagrams, memory: PacketMemory, table: Table | None) -> None:
        """Takes what it works with.

        Args:
            datagrams: Sends what does not leave all at once.
            memory: Where packets are laid out.
            table: Sends out of it, None where the system has nothing of the kind.
        """
        self._datagrams = datagrams
        self._memory = memory
        self._table = table

    @property
    def max_receivers(self) -> int:
        """How many a group may have."""
        return self._memory.slots

    def group(
        self, tag_bytes: int, members: Sequence[tuple[Receiver, SrtpSession, Address]]
    ) -> Group:
        """Makes a group.

        Args:
            tag_bytes: The same for all members.
            members: At most `max_receivers`.
        """
        addresses = [address for _receiver, _session, address in members]
        names = self._table.names(addresses) if self._table is not None else b""
        return Group(tag_bytes, members, names)

    def send(self, packets: Packets, group: Group) -> None:
        """Sends packets to all of a group."""
        memory = self._memory
        images, too_long = memory.prepare(packets, group.tag_bytes)
        if too_long:
            for receiver in group.receivers:
                receiver.unsendable += too_long
        for image in images:
            count = image.count
            memory.load(image, len(group.receivers))
            statuses = protect_in_place(
                group.contexts(count), memory.pointers(count), memory.length_pointers(count)
            )
            if any(statuses):
                self._send_what_was_taken(image, group, statuses)
            else:
                self._send_all(image, group)

    def _send_all(self, image: Image, group: Group) -> None:
        addresses, names = group.addresses, group.names
        count = len(addresses)
        # For one alone there is nothing to gain.
        table = self._table if count > 1 and self._datagrams.max_segments > 1 else None
        for run in image.runs:
            done = table.send(run, names, count) if table is not None else 0
            for slot in range(done, count):
                datagrams = self._memory.datagrams(image, slot)[
                    run.first : run.first + len(run.sizes)
                ]
                self._datagrams.send_run(datagrams, addresses[slot])

    def _send_what_was_taken(self, image: Image, group: Group, statuses: Sequence[int]) -> None:
        for slot, (receiver, address) in enumerate(
            zip(group.receivers, group.addresses, strict=True)
        ):
            own = statuses[slot * image.count : (slot + 1) * image.count]
            if KEY_EXPIRED in own:
                receiver.key_used_up()
                continue
            datagrams = self._memory.datagrams(image, slot)
            for datagram, status in zip(datagrams, own, strict=True):
                if status == OK:
                    self._datagrams.send(datagram, address)
                else:
                    receiver.unsendable += 1
