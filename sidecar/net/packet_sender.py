"""Protecting packets for many receivers at once, and sending them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import ceil
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from sidecar.net.ice import local_of
from sidecar.net.srtp import KEY_EXPIRED, OK, SrtpSession, protect_in_place

if TYPE_CHECKING:
    from sidecar.net.ice import Address
    from sidecar.net.packet_memory import Image, PacketMemory, Run
    from sidecar.sfu.batch import Packets

_MAX_TABLE_CALLS: Final = 8
"""For one run: if so many were refused, the rest are likely to be."""

_MAX_PASSES_KEPT: Final = 16
"""For so many numbers of packets: batches of more are rare."""


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

    def source(self, local: str) -> bytes:
        """Says from which of our addresses; empty for that which the system chooses."""
        ...

    def send(
        self, image: Image, run: Run, names: bytes, copies: int, source: bytes, first: int = 0
    ) -> int:
        """Sends a run out of copies of an image, from a first one on; returns out of how many."""
        ...


class Pass(NamedTuple):
    """Receivers that are served together: there is room for a copy of the packets for each.

    Attributes:
        receivers: In the order of the copies.
        addresses: Of each.
        names: The same as the operating system takes it, empty where it takes one at a time.
        source: From which of our addresses to send, likewise.
        contexts: For libsrtp: that of each receiver, as many times as there are packets.
    """

    receivers: Sequence[Receiver]
    addresses: Sequence[Address]
    names: bytes
    source: bytes
    contexts: Sequence[Any]


class Group:
    """Any number of receivers whose packets are protected alike.

    Attributes:
        tag_bytes: What protection adds to an RTP packet of theirs.
        receivers: All of them.
        ended: SSRCs, as 4 bytes, under which nothing may be sent any more to one or the other.
    """

    __slots__ = (
        "_cells",
        "_members",
        "_passes_by_count",
        "_table",
        "ended",
        "receivers",
        "tag_bytes",
    )

    def __init__(
        self,
        tag_bytes: int,
        members: Sequence[tuple[Receiver, SrtpSession, Address]],
        cells: int,
        table: Table | None,
    ) -> None:
        """Takes receivers.

        Args:
            tag_bytes: The same for all of them.
            members: Each with its keys, and where it is reached, all from the same address of
                ours. The sessions are kept: they own the contexts, also of a receiver that is lost
                while others are still served.
            cells: How many packets there is room for.
            table: Puts addresses as the operating system takes them.
        """
        self.tag_bytes = tag_bytes
        self.receivers = [receiver for receiver, _session, _address in members]
        self.ended = frozenset[bytes]().union(*(session.ended for _, session, _ in members))
        self._members = members
        self._cells = cells
        self._table = table
        self._passes_by_count: dict[int, Sequence[Pass]] = {}

    def without_ended(self, image: Image) -> Group:
        """Those to whom packets may be sent under their SSRCs.

        Nobody asks for anything else. If somebody did, a key would be given away.
        """
        able = []
        for member in self._members:
            receiver, session, _address = member
            if session.ended.isdisjoint(image.ssrcs):
                able.append(member)
            else:
                receiver.unsendable += image.count
        return Group(self.tag_bytes, able, self._cells, self._table)

    def passes(self, count: int) -> Sequence[Pass]:
        """Divides the receivers, for a number of packets."""
        passes = self._passes_by_count.get(count)
        if passes is None:
            if len(self._passes_by_count) >= _MAX_PASSES_KEPT:
                self._passes_by_count.clear()
            passes = self._passes_by_count[count] = self._divide(count)
        return passes

    def _divide(self, count: int) -> Sequence[Pass]:
        """Into as few passes as possible, and those into equal parts."""
        members = self._members
        if not members:
            return []
        number = ceil(len(members) / (self._cells // count))
        bounds = [len(members) * index // number for index in range(number + 1)]
        return [self._pass(members[start:end], count) for start, end in pairwise(bounds)]

    def _pass(self, members: Sequence[tuple[Receiver, SrtpSession, Address]], count: int) -> Pass:
        addresses = [address for _receiver, _session, address in members]
        return Pass(
            [receiver for receiver, _session, _address in members],
            addresses,
            self._table.names(addresses) if self._table is not None else b"",
            self._table.source(local_of(addresses[0])) if self._table is not None else b"",
            [
                session.outbound_context
                for _receiver, session, _address in members
                for _ in range(count)
            ],
        )


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

    def group(
        self, tag_bytes: int, members: Sequence[tuple[Receiver, SrtpSession, Address]]
    ) -> Group:
        """Makes a group of receivers.

        Args:
            tag_bytes: The same for all members.
            members: Each with its keys, and where it is reached, all from the same address of
                ours.
        """
        return Group(tag_bytes, members, self._memory.cells, self._table)

    def send(self, packets: Packets, group: Group) -> None:
        """Sends packets to all of a group."""
        memory = self._memory
        images, too_long = memory.prepare(packets, group.tag_bytes)
        if too_long:
            for receiver in group.receivers:
                receiver.unsendable += too_long
        for image in images:
            may_go = group
            if group.ended and not group.ended.isdisjoint(image.ssrcs):
                may_go = group.without_ended(image)
            for together in may_go.passes(image.count):
                memory.load(image, len(together.receivers))
                statuses = protect_in_place(
                    together.contexts, memory.pointers, memory.length_pointers
                )
                if any(statuses):
                    self._send_what_was_taken(image, together, statuses)
                else:
                    self._send_all(image, together)

    def _send_all(self, image: Image, together: Pass) -> None:
        addresses, names, source = together.addresses, together.names, together.source
        copies = len(addresses)
        # For one alone there is nothing to gain.
        table = self._table if copies > 1 and self._datagrams.max_segments > 1 else None
        for run in image.runs:
            done = calls = 0
            while done < copies:
                if table is not None and calls < _MAX_TABLE_CALLS:
                    calls += 1
                    done += table.send(image, run, names, copies, source, done)
                if done < copies:  # this one was refused; those behind it need not be
                    datagrams = self._memory.datagrams(image, done)
                    self._datagrams.send_run(
                        datagrams[run.first : run.first + len(run.sizes)], addresses[done]
                    )
                    done += 1

    def _send_what_was_taken(self, image: Image, together: Pass, statuses: Sequence[int]) -> None:
        for copy, (receiver, address) in enumerate(
            zip(together.receivers, together.addresses, strict=True)
        ):
            own = statuses[copy * image.count : (copy + 1) * image.count]
            if KEY_EXPIRED in own:
                receiver.key_used_up()
                continue
            datagrams = self._memory.datagrams(image, copy)
            for datagram, status in zip(datagrams, own, strict=True):
                if status == OK:
                    self._datagrams.send(datagram, address)
                else:
                    receiver.unsendable += 1
