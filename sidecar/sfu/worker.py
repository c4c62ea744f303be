"""All media of one process, and its time.

The contract with the network layer: hand in what has arrived (`WebRtcTransport.receive_rtp` and
`receive_rtcp`), then call `process`, which sends everything that follows from it; call `process`
again when `next_timeout_ns` has come, or when `Network.wake` asks for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sidecar.limits import Limits
from sidecar.sfu.identifiers import Identifiers, RandomSource
from sidecar.sfu.network import Network
from sidecar.sfu.router import Router

if TYPE_CHECKING:
    from sidecar.sfu.producer import Producer
    from sidecar.sfu.transport import WebRtcTransport

_NEVER: Final = 1 << 62
_DEFAULT_LIMITS: Final = Limits()


class Worker:
    """The routers of one process.

    Attributes:
        network: The UDP port and the event loop.
        max_incoming_bitrate_bps: What each sending transport may send.
        limits: What else peers may use.
        next_timeout_ns: When `process` has something to do, a far future if never.
        now_ns: When `process` was called last.
        fed: Producers that may have packets to forward, and their transports feedback to send.
            Always the same object: transports put in what has arrived.
    """

    def __init__(
        self,
        network: Network,
        rng: RandomSource,
        *,
        max_incoming_bitrate_bps: int,
        limits: Limits = _DEFAULT_LIMITS,
    ) -> None:
        """Makes a worker without routers.

        Args:
            network: Makes links and wakes us.
            rng: The source of ids, SSRCs and first sequence numbers; unpredictable in earnest
                (``random.SystemRandom``), seeded in tests.
            max_incoming_bitrate_bps: The limit told to senders.
            limits: What else peers may use.
        """
        self.network = network
        self.max_incoming_bitrate_bps = max_incoming_bitrate_bps
        self.limits = limits
        self.next_timeout_ns = _NEVER
        self.now_ns = 0
        self._identifiers = Identifiers(rng)
        self._transports: dict[str, WebRtcTransport] = {}
        self.fed: dict[Producer, None] = {}
        self._touched: dict[WebRtcTransport, None] = {}
        self._with_output: dict[WebRtcTransport, None] = {}

    @property
    def transports(self) -> tuple[WebRtcTransport, ...]:
        """All open transports."""
        return tuple(self._transports.values())

    @property
    def awaits_rest(self) -> bool:
        """Whether `process` should wait for the rest of what has arrived since the last call.

        Senders let go several packets at a time. Who waits for a moment has less work with them.
        """
        for producer in self.fed:
            if producer.awaits_rest:
                return True
        return False

    def create_router(self) -> Router:
        """Opens a room's media."""
        self.network.prepare()
        return Router(self._identifiers.unique_id(), self, self._identifiers)

    def process(self, now_ns: int) -> None:
        """Sends on what has arrived, does what is due, and sends what follows from it.

        In this order: who gets packets out of a buffer gets them when they have been sent on, and
        nothing is changed of them any more. Otherwise two packets could differ under one number,
        and use the cipher's nonce twice (RFC 7714 section 8.4).
        """
        self.now_ns = now_ns
        if self.fed:
            fed = tuple(self.fed)
            self.fed.clear()
            for producer in fed:
                transport = producer.transport
                try:
                    producer.fan_out(now_ns)
                    if transport.has_feedback(producer):
                        self._touched[transport] = None
                except Exception as error:  # a mistake of ours must not take the class with it
                    self.network.report_defect(transport, error)
        touched, self._touched = self._touched, {}
        timed_out = now_ns >= self.next_timeout_ns
        if timed_out:
            touched.update(
                (each, None) for each in self._transports.values() if each.next_timeout_ns <= now_ns
            )
        for transport in touched:
            try:
                transport.poll(now_ns)
            except Exception as error:
                self.network.report_defect(transport, error)
        with_output, self._with_output = self._with_output, {}
        for transport in with_output:
            try:
                transport.flush()
            except Exception as error:
                self.network.report_defect(transport, error)
        # A time-out that has moved away is noticed when it comes; only then all are looked at.
        if timed_out:
            self.next_timeout_ns = _NEVER
            touched = dict.fromkeys(self._transports.values())
        for transport in touched:
            self.next_timeout_ns = min(self.next_timeout_ns, transport.next_timeout_ns)

    def has_output(self, transport: WebRtcTransport) -> None:
        """Notes that a transport has something to send, which `process` does."""
        self._with_output[transport] = None

    def touch(self, transport: WebRtcTransport) -> None:
        """Notes that a transport has something to do, and has `process` called soon."""
        if not self._touched:
            self.network.wake()
        self._touched[transport] = None

    def add_transport(self, transport: WebRtcTransport) -> None:
        """Takes a transport in."""
        self._transports[transport.id] = transport

    def forget_producer(self, producer: Producer) -> None:
        """Drops a producer that has closed."""
        self.fed.pop(producer, None)

    def forget_transport(self, transport: WebRtcTransport) -> None:
        """Drops a transport that has closed."""
        del self._transports[transport.id]
        self._touched.pop(transport, None)
        self._with_output.pop(transport, None)
