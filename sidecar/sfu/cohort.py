"""Consumers who have come at the same moment, and are brought up to date together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sidecar.sfu.replay import Replay

if TYPE_CHECKING:
    from sidecar.sfu.consumer import Consumer
    from sidecar.sfu.incoming import IncomingStream
    from sidecar.sfu.network import Network


class Cohort:
    """Gets one replay: its packets are made once, and sent to all members as a whole.

    A member who is paused, closed or started anew has left it, which `settle` finds out.

    Attributes:
        members: Those who were with it when it was settled last.
    """

    __slots__ = ("_network", "_recipients", "_replay", "_stream", "members")

    def __init__(
        self,
        members: Sequence[Consumer],
        first_seq: int,
        stream: IncomingStream,
        network: Network,
    ) -> None:
        """Has its members begin.

        Args:
            members: Their streams are `OutgoingStream.replayed_alike`.
            first_seq: Where they start.
            stream: What they are fed from.
            network: Sends to all of them.
        """
        self._stream = stream
        self._network = network
        self._replay = Replay(stream.buffer, first_seq)
        self._gather(members)
        for member in members:
            member.stream.follow(self._replay)

    def settle(self) -> int:
        """Lets go of those who have left, and returns how many are still with it."""
        present = [each for each in self.members if each.live and each.stream.follows(self._replay)]
        if len(present) < len(self.members):
            self._gather(present)
        return len(present)

    def advance(self, size_bytes: int, now_ns: int) -> bool:
        """Sends the next instalment to each member; behind the last one they are up to date.

        To be called when it has been settled.

        Args:
            size_bytes: Of it, for each.
            now_ns: The time.

        Returns:
            False if the buffer has lost packets that had not been sent: they need a key frame.
        """
        newest_seq = self._stream.newest_seq
        members = self.members
        if self._replay.is_overtaken(newest_seq):
            for member in members:
                member.stream.restart()
            return False
        packets = self._replay.take(size_bytes, newest_seq)
        if packets:
            replayed = members[0].stream.replayed(packets, now_ns)
            for member in members:  # first: whoever is lost on the way has left
                member.stream.note_replayed(replayed, now_ns)
            self._recipients.send_rtp(replayed.packets)
        if self._replay.has_reached(newest_seq):
            self.settle()
            for member in self.members:
                member.stream.end_replay()
                member.transport.report_soon()
        return True

    def _gather(self, members: Sequence[Consumer]) -> None:
        self.members = members
        self._recipients = self._network.recipients([each.transport.link for each in members])
