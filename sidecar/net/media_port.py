"""The one UDP port that all peers share, and the event loop's side of the `Worker`."""

from __future__ import annotations

import asyncio
import gc
import logging
import secrets
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, Final, cast

from sidecar.net.addresses import AddressBook
from sidecar.net.datagrams import DatagramReceiver, DatagramSender, Receiver
from sidecar.net.fan import Fan
from sidecar.net.ice import Address, generate_ice_parameters
from sidecar.net.limits import RECEIVED_AT_ONCE
from sidecar.net.link import MediaLink
from sidecar.net.platform import message_receiver, message_table
from sidecar.net.stun import LAST_STUN_BYTE, is_stun, parse_binding_request
from sidecar.ortc.parameters import IceParameters

if TYPE_CHECKING:
    from sidecar.net.dtls import Certificate
    from sidecar.net.packet_sender import PacketSender
    from sidecar.sfu import Link, WebRtcTransport, Worker

logger = logging.getLogger(__name__)

MAX_DATAGRAMS_PER_WAKE_UP: Final = 256
"""What is drained before anything is sent on: bounds the latency of the first packet."""

NAP_S: Final = 0.000_25
"""How long the rest of a burst is waited for, once. Shorter than the event loop's timers can be;
nothing that it does otherwise could not wait for so long."""

QUIET_NS: Final = 100_000
"""A burst in which nothing has come for so long is over."""

CONSENT_CHECK_INTERVAL_S: Final = 1.0
HANDSHAKE_THREADS: Final = 2

MIN_TIMER_NS: Final = 1_000_000
"""Timers finer than this would be late anyway, and could spin."""

_FAR_FUTURE_NS: Final = 1 << 61
"""The worker's "never" lies beyond."""


class MediaPort:
    """Receives, sorts by peer, hands on; sends; keeps the worker's time.

    Implements `sidecar.sfu.Network` for the worker and `sidecar.net.link.Port` for the links.

    Attributes:
        address_book: What is announced to peers.
        routes_version: Another number whenever the route of a link has changed.
        unknown_datagrams: Received from nobody we know, or nothing that we know.
    """

    def __init__(
        self,
        media_socket: socket.socket,
        address_book: AddressBook,
        make_certificate: Callable[[], Certificate],
        *,
        clock: Callable[[], int] = time.monotonic_ns,
        nap: Callable[[float], None] = time.sleep,
    ) -> None:
        """Wraps a bound socket. `start` begins to receive.

        Args:
            media_socket: As `open_media_socket` makes it.
            address_book: What to announce.
            make_certificate: Makes the one for DTLS; called once, in a thread, when the first
                peer is about to come.
            clock: The time in nanoseconds (monotonic).
            nap: Waits for some seconds, holding up the event loop.
        """
        self.address_book = address_book
        self.unknown_datagrams = 0
        self._socket = media_socket
        self.routes_version = 0
        self._datagrams = DatagramSender(media_socket)
        self._receiver: Receiver = DatagramReceiver(media_socket)
        self._clock = clock
        self._nap = nap
        self._loop = asyncio.get_running_loop()
        self._executor = ThreadPoolExecutor(HANDSHAKE_THREADS, thread_name_prefix="dtls")
        self._make_certificate = make_certificate
        self._certificate: Future[Certificate] | None = None
        self._worker: Worker | None = None
        self._links: dict[MediaLink, None] = {}
        self._link_by_address: dict[Address, MediaLink] = {}
        self._link_by_username: dict[str, MediaLink] = {}
        self._is_receiving = False
        self._wake_up: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ns = _FAR_FUTURE_NS
        self._consent_timer: asyncio.TimerHandle | None = None

    @property
    def port(self) -> int:
        """The UDP port."""
        number: int = self._socket.getsockname()[1]
        return number

    def start(self, worker: Worker) -> None:
        """Begins to receive for a worker."""
        self._worker = worker
        self._loop.add_reader(self._socket.fileno(), self._on_readable)

    def close(self) -> None:
        """Stops receiving; what was sent before still goes out."""
        for handle in (self._wake_up, self._timer, self._consent_timer):
            if handle is not None:
                handle.cancel()
        self._loop.remove_reader(self._socket.fileno())
        self._executor.shutdown(wait=False, cancel_futures=True)
        self._socket.close()

    @property
    def dropped_datagrams(self) -> int:
        """Not sent because the system would not take them."""
        return self._datagrams.dropped

    # sidecar.sfu.Network

    def prepare(self) -> None:
        """Gets ready for the first link: in a thread what needs OpenSSL, which is large."""
        if self._certificate is None:
            self._receiver = message_receiver(self._socket) or self._receiver
            self._certificate = self._executor.submit(self._make_certificate)

    def open_link(self, transport: WebRtcTransport, local_address: str | None) -> MediaLink:
        """Makes the network half of a new transport."""
        candidates = self.address_book.candidates(self.port, local_address, self._clock())
        link = MediaLink(self, transport, candidates, self._loop, self._executor)
        self._links[link] = None
        if self._consent_timer is None:
            self._schedule_consent_check()
        return link

    def recipients(self, links: Sequence[Link]) -> Fan:
        """Makes what sends the same packets to several links of ours."""
        return Fan(self, cast(Sequence[MediaLink], links))

    def report_defect(self, transport: WebRtcTransport, error: Exception) -> None:
        """Logs a mistake of ours, and closes the transport that brought it to light.

        Closing waits for the loop's next round: whoever reports is in the middle of its own.
        """
        logger.error("transport %s: internal error", transport.id, exc_info=error)
        self._loop.call_soon(transport.link_closed, "internal-error")

    def wake(self) -> None:
        """Has the worker called in the loop's next round, unless it is about to be called."""
        if self._wake_up is None and not self._is_receiving:
            self._wake_up = self._loop.call_soon(self._on_wake_up)

    # sidecar.net.link.Port

    @property
    def certificate(self) -> Certificate:
        """Of this process; waited for, if nobody has needed it before."""
        self.prepare()
        assert self._certificate is not None
        return self._certificate.result()

    @cached_property
    def packet_sender(self) -> PacketSender:
        """Protects RTP packets, and sends them over the port."""
        # These bring libsrtp, which is there already: somebody has keys.
        from sidecar.net.packet_memory import PacketMemory
        from sidecar.net.packet_sender import PacketSender

        memory = PacketMemory()
        return PacketSender(self._datagrams, memory, message_table(self._socket, memory))

    def route_changed(self) -> None:
        """Hears that a link has got other keys, or another address."""
        self.routes_version += 1

    def send(self, datagram: bytes, address: Address) -> None:
        """Sends a datagram; one that the system does not take is lost, as on any network."""
        self._datagrams.send(datagram, address)

    def new_credentials(self, link: MediaLink) -> IceParameters:
        """Makes ICE credentials by which checks for the link are recognised."""
        parameters = generate_ice_parameters(secrets.choice)
        self._link_by_username[parameters.username_fragment] = link
        return parameters

    def forget_username(self, username_fragment: str) -> None:
        """Stops recognising checks for credentials that are void."""
        self._link_by_username.pop(username_fragment, None)

    def retire(self, link: MediaLink) -> None:
        """Forgets a link's credentials and addresses."""
        self._links.pop(link, None)
        for username in link.ice.username_fragments:
            self.forget_username(username)
        for address in link.ice.valid_addresses:
            self._forget_address(address, link)
        if not self._links:
            # Nobody is there: it is made anew for the next class, and there is time to clean up.
            self.__dict__.pop("packet_sender", None)
            self._loop.call_soon(gc.collect)

    def now_ns(self) -> int:
        """The time (monotonic)."""
        return self._clock()

    # The event loop's callbacks.

    def _on_readable(self) -> None:
        """Drains the socket, then has everything sent on at once.

        A sender's pacer lets several packets go at a time, of which the first wakes us up. The
        others are waited for, for a moment: a batch costs little more than a packet.
        """
        self._is_receiving = True
        try:
            self._receive_burst()
        finally:  # also after a mistake of ours: nobody else would call the worker now
            self._is_receiving = False
            self._process(self._clock())

    def _receive_burst(self) -> None:
        worker, receive, clock = self._worker, self._receiver.receive, self._clock
        link_by_address = self._link_by_address
        taken = 0
        has_napped = False
        while taken < MAX_DATAGRAMS_PER_WAKE_UP:
            datagrams = receive()
            if not datagrams:
                break
            taken += len(datagrams)
            now_ns = clock()
            for datagram, address in datagrams:
                link = link_by_address.get(address)
                try:
                    if link is not None and datagram[:1] > LAST_STUN_BYTE:
                        link.receive(datagram, now_ns)
                    else:
                        self._sort(datagram, address, now_ns)
                except Exception as error:  # a mistake of ours must not take the others with it
                    self._report(error)
            if len(datagrams) == RECEIVED_AT_ONCE:
                continue  # there may be more
            if worker is None or not worker.awaits_rest:
                break
            # If it took long to look at these, what follows them is there already, or is late.
            if clock() - now_ns < QUIET_NS:
                if has_napped:
                    break
                has_napped = True
                self._nap(NAP_S)

    def _sort(self, datagram: bytes, address: Address, now_ns: int) -> None:
        """Takes a datagram that may be STUN, or from nobody we know."""
        if is_stun(datagram):
            self._on_stun(datagram, address, now_ns)
        elif datagram:
            self.unknown_datagrams += 1

    def _report(self, error: Exception) -> None:
        self._loop.call_exception_handler(
            {"message": "internal error while receiving", "exception": error}
        )

    def _on_stun(self, datagram: bytes, address: Address, now_ns: int) -> None:
        known = self._link_by_address.get(address)
        response = known.ice.renew_consent(datagram, address, now_ns) if known else None
        if response is not None:
            self.send(response, address)
        else:
            self._on_check(datagram, address, now_ns)

    def _on_check(self, datagram: bytes, address: Address, now_ns: int) -> None:
        request = parse_binding_request(datagram)
        link = (
            self._link_by_username.get(request.local_username_fragment)
            if request is not None
            else None
        )
        before = link.ice.selected if link else None
        outcome = link.ice.check(request, address, now_ns) if link and request else None
        if link is None or outcome is None:
            self.unknown_datagrams += 1
            return
        if link.ice.selected != before:
            self.route_changed()
        self.send(outcome.response, address)
        if outcome.retired_username is not None:
            self.forget_username(outcome.retired_username)
        for forgotten in outcome.forgotten:
            self._forget_address(forgotten, link)
        if outcome.validated:
            self._link_by_address[address] = link
            link.ice_validated()

    def _forget_address(self, address: Address, link: MediaLink) -> None:
        """Forgets where a link was reached, unless another one is reached there by now."""
        if self._link_by_address.get(address) is link:
            del self._link_by_address[address]

    def _on_wake_up(self) -> None:
        self._wake_up = None
        self._process(self._clock())

    def _on_timer(self) -> None:
        self._timer = None
        self._timer_ns = _FAR_FUTURE_NS
        self._process(self._clock())

    def _process(self, now_ns: int) -> None:
        worker = self._worker
        if worker is None:
            return
        worker.process(now_ns)
        self._arm(worker.next_timeout_ns, now_ns)

    def _arm(self, timeout_ns: int, now_ns: int) -> None:
        """Sets the timer, unless one that is early enough is set. Too early does no harm."""
        if timeout_ns >= self._timer_ns:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_ns = max(timeout_ns, now_ns + MIN_TIMER_NS)
        when_s = self._loop.time() + (self._timer_ns - now_ns) / 1e9
        self._timer = self._loop.call_at(when_s, self._on_timer)

    def _schedule_consent_check(self) -> None:
        self._consent_timer = self._loop.call_later(CONSENT_CHECK_INTERVAL_S, self._check_consent)

    def _check_consent(self) -> None:
        self._consent_timer = None
        if self._links:
            self._schedule_consent_check()
        now_ns = self._clock()
        for link in [each for each in self._links if each.ice.has_expired(now_ns)]:
            logger.info("transport %s: no ICE check for 30 s", link.transport.id)
            link.fail("ice-timeout")
