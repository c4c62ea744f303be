"""From one producer to its consumers: those who are up to date get every batch together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sidecar.sfu.batch import Batch, Numbers
    from sidecar.sfu.consumer import Consumer
    from sidecar.sfu.network import Network, Recipients


class Flow:
    """Consumers that get every batch under the same numbers, which nearly all of a class do.

    What a batch means to each of them follows from the latest one, and is worked out when somebody
    asks: see `OutgoingStream`.

    Attributes:
        numbers: What their packets have of their own.
        members: All of them.
        sync_seq: Since which input sequence number they all are in step.
        latest: The batch that they got last, None if there was none since they came together.
    """

    __slots__ = ("_recipients", "latest", "members", "numbers", "sync_seq")

    def __init__(
        self, numbers: Numbers, members: Sequence[Consumer], recipients: Recipients
    ) -> None:
        self.numbers = numbers
        self.members = members
        self.sync_seq = max(member.stream.sync_seq for member in members)
        self.latest: Batch | None = None
        self._recipients = recipients
        for member in members:
            member.stream.enter(self)

    def send(self, batch: Batch) -> None:
        """Sends a batch to all at once."""
        self.latest = batch  # first: whoever is lost on the way leaves the flow
        self._recipients.send_rtp(batch.numbered(self.numbers))


class FanOut:
    """Hands a producer's batches to its consumers.

    Attributes:
        receivers: How many there are.
    """

    def __init__(self, network: Network) -> None:
        """Begins with nobody.

        Args:
            network: Sends to many at once, and hears of mistakes of ours that one of them has
                brought to light.
        """
        self.receivers = 0
        self._network = network
        self._consumers: Sequence[Consumer] = ()
        self._flows: Sequence[Flow] = ()
        self._apart: Sequence[Consumer] = ()

    def set_consumers(self, consumers: Sequence[Consumer]) -> None:
        """Says who gets batches from now on."""
        for gone in set(self._consumers).difference(consumers):
            gone.stream.leave()
        self._consumers = consumers
        self.receivers = len(consumers)
        self._arrange()

    def forward(self, batch: Batch) -> None:
        """Hands a batch to everybody."""
        flows = self._flows
        for flow in flows:
            if flows is not self._flows:  # whoever was lost on the way may have taken others along
                self._forward_to_each([each for each in flow.members if each.live], batch)
            elif batch.lowest_seq >= flow.sync_seq:
                flow.send(batch)
            else:  # parts of it are older than somebody's start
                self._forward_to_each(flow.members, batch)
                flow.latest = batch
        if self._apart:
            apart = self._apart
            self._forward_to_each(apart, batch)
            if any(consumer.stream.flowing for consumer in apart):
                self._arrange()

    def _forward_to_each(self, consumers: Sequence[Consumer], batch: Batch) -> None:
        for consumer in consumers:
            try:
                consumer.forward(batch)
            except Exception as error:  # a mistake of ours must not take the class with it
                self._network.report_defect(consumer.transport, error)

    def _arrange(self) -> None:
        """Brings those together who get the same."""
        apart: list[Consumer] = []
        together: dict[Numbers, list[Consumer]] = {}
        for consumer in self._consumers:
            stream = consumer.stream
            if stream.flowing:
                together.setdefault(stream.numbers, []).append(consumer)
            else:
                apart.append(consumer)
        self._apart = apart
        known = {flow.numbers: flow for flow in self._flows}
        self._flows = [
            self._flow(numbers, members, known.get(numbers))
            for numbers, members in together.items()
        ]

    def _flow(self, numbers: Numbers, members: Sequence[Consumer], known: Flow | None) -> Flow:
        if known is not None and known.members == members:
            return known
        links = [member.transport.link for member in members]
        return Flow(numbers, members, self._network.recipients(links))
