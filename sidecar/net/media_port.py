"""The one UDP port that all peers share, and the event loop's side of the `Worker`."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from sidecar.limits import Limits
from sidecar.net.addresses import AddressBook
from sidecar.net.certificates import CertificateSource, certificate_error
from sidecar.net.checks import Checks
from sidecar.net.datagrams import DatagramReceiver, DatagramSender, Receiver
from sidecar.net.fan import Fan
from sidecar.net.ice import Address
from sidecar.net.limits import RECEIVED_AT_ONCE
from sidecar.net.link import MediaLink
from sidecar.net.platform import (
    elapsed_ns,
    message_receiver,
    message_table,
    monotonic_ns,
)
from sidecar.net.stun import LAST_STUN_BYTE
from sidecar.net.upkeep import Upkeep
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

MAX_WAKE_UPS_BEFORE_JUDGING: Final = 16
"""So often the socket is read before a link is given up: more than its buffer holds."""

CONSENT_CHECK_INTERVAL_S: Final = 1.0
"""Between two rounds of looking after the links."""

IDLE_INTERVAL_S: Final = 5.0
"""The same while there is no link: to notice that the computer has slept."""

HANDSHAKE_THREADS: Final = 2

MIN_TIMER_NS: Final = 1_000_000
"""Timers finer than this would be late anyway, and could spin."""

_FAR_FUTURE_NS: Final = 1 << 61
"""The worker's "never" lies beyond."""


class Counters(NamedTuple):
    """What has come to nothing since the port was opened.

    Attributes:
        dropped: Datagrams that the system did not send.
        unknown: Received from nobody we know, or nothing that we know.
        over_budget: Received and not looked at, since there were too many of them.
        undecryptable: SRTP and SRTCP packets that failed authentication or the replay check.
        unsendable: Packets that libsrtp did not protect, such as too long ones.
    """

    dropped: int = 0
    unknown: int = 0
    over_budget: int = 0
    undecryptable: int = 0
    unsendable: int = 0


class MediaPort:
    """Receives, sorts by peer, hands on; sends; keeps the worker's time.

    Implements `sidecar.sfu.Network` for the worker and `sidecar.net.link.Port` for the links.

    Attributes:
        address_book: What is announced to peers.
        routes_version: Another number whenever the route of a link has changed.
        max_incoming_bps: What one peer may send, roughly.
        on_woken: Called with a time in seconds for which everything stood still, as when the
            computer sleeps.
        on_udp_blocked: Called once: a client has connected, and no UDP comes from it.
    """

    def __init__(
        self,
        media_socket: socket.socket,
        address_book: AddressBook,
        make_certificate: Callable[[], Certificate],
        *,
        max_incoming_bps: int = Limits().max_incoming_bitrate,
        on_woken: Callable[[float], None] = lambda _gap_s: None,
        on_udp_blocked: Callable[[], None] = lambda: None,
        clock: Callable[[], int] = monotonic_ns,
        elapsed_clock: Callable[[], int] = elapsed_ns,
        nap: Callable[[float], None] = time.sleep,
    ) -> None:
        """Wraps a bound socket. `start` begins to receive.

        Args:
            media_socket: As `open_media_socket` makes it.
            address_book: What to announce.
            make_certificate: Makes the one for DTLS; called in a thread, when the first peer is
                about to come, and again if it fails.
            max_incoming_bps: What one peer is asked not to exceed; what goes far beyond it is not
                even decrypted.
            on_woken: See above.
            on_udp_blocked: See above.
            clock: The time in nanoseconds (monotonic).
            elapsed_clock: The same of a clock that runs on while the computer sleeps.
            nap: Waits for some seconds, holding up the event loop.
        """
        self.address_book = address_book
        self.max_incoming_bps = max_incoming_bps
        self._socket = media_socket
        self.routes_version = 0
        self._datagrams = DatagramSender(media_socket)
        self._receiver: Receiver = DatagramReceiver(media_socket)
        self._clock = clock
        self._elapsed_clock = elapsed_clock
        self._nap = nap
        self._loop = asyncio.get_running_loop()
        self._executor = ThreadPoolExecutor(HANDSHAKE_THREADS, thread_name_prefix="dtls")
        self._certificates = CertificateSource(make_certificate, self._executor, clock)
        self._worker: Worker | None = None
        self._links: dict[MediaLink, None] = {}
        self._checks = Checks(
            self.send,
            self.route_changed,
            lambda datagram: self._receiver.local_address(datagram),
        )
        self.on_woken = on_woken
        self.on_udp_blocked = on_udp_blocked
        self._upkeep = Upkeep(self._on_woken, self._on_udp_blocked, self.report_defect)
        self._of_closed_links = Counters()
        self._is_receiving = False
        self._wake_up: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ns = _FAR_FUTURE_NS
        self._tick: asyncio.TimerHandle | None = None

    @property
    def port(self) -> int:
        """The UDP port."""
        number: int = self._socket.getsockname()[1]
        return number

    def start(self, worker: Worker) -> None:
        """Begins to receive for a worker."""
        self._worker = worker
        self._loop.add_reader(self._socket.fileno(), self._on_readable)
        self._schedule_tick()

    def close(self) -> None:
        """Stops receiving; what was sent before still goes out."""
        for handle in (self._wake_up, self._timer, self._tick):
            if handle is not None:
                handle.cancel()
        self._loop.remove_reader(self._socket.fileno())
        self._executor.shutdown(wait=False, cancel_futures=True)
        self._socket.close()

    def counters(self) -> Counters:
        """What has come to nothing so far."""
        closed = self._of_closed_links
        return Counters(
            dropped=self._datagrams.dropped,
            unknown=self._checks.unknown,
            over_budget=closed.over_budget
            + self._checks.over_budget
            + sum(link.over_budget for link in self._links),
            undecryptable=closed.undecryptable + sum(link.undecryptable for link in self._links),
            unsendable=closed.unsendable + sum(link.unsendable for link in self._links),
        )

    @property
    def srtp_streams(self) -> int:
        """How many SSRCs there may be SRTP state for, over all links."""
        return sum(link.srtp_streams for link in self._links)

    async def warm_up(self) -> None:
        """Has everything made and imported that the first peer will need, without holding up.

        Raises:
            CertificateError: It can't be. Unless that is hopeless, it is tried again when a peer
                comes.
        """
        self._prepare_receiver()
        made = self._certificates.prepare()
        error = await self._loop.run_in_executor(self._executor, made.exception)
        if error is None:
            error = await self._loop.run_in_executor(self._executor, _import_for_packets)
        if error is not None:
            raise certificate_error(error) from error

    # sidecar.sfu.Network

    def prepare(self) -> None:
        """Gets ready for the first link: in a thread what needs OpenSSL, which is large."""
        self._prepare_receiver()
        self._certificates.prepare()

    def open_link(self, transport: WebRtcTransport, local_address: str | None) -> MediaLink:
        """Makes the network half of a new transport.

        Raises:
            SfuError: There is no certificate, without which it would be of no use.
        """
        self._certificates.get()
        candidates = self.address_book.candidates(self.port, local_address, self._clock())
        link = MediaLink(self, transport, candidates, self._loop, self._executor)
        self._links[link] = None
        if len(self._links) == 1:
            self._schedule_tick()
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
        """Of this process."""
        return self._certificates.get()

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
        return self._checks.new_credentials(link)

    def forget_username(self, username_fragment: str) -> None:
        """Stops recognising checks for credentials that are void."""
        self._checks.forget_username(username_fragment)

    def retire(self, link: MediaLink) -> None:
        """Forgets a link's credentials and addresses."""
        if self._links.pop(link, link) is None:
            closed = self._of_closed_links
            self._of_closed_links = closed._replace(
                over_budget=closed.over_budget + link.over_budget,
                undecryptable=closed.undecryptable + link.undecryptable,
                unsendable=closed.unsendable + link.unsendable,
            )
        self._checks.retire(link)
        if not self._links:
            # Nobody is there: it is made anew for the next class, and there is time to clean up.
            self.__dict__.pop("packet_sender", None)
            self._loop.call_soon(gc.collect)

    def now_ns(self) -> int:
        """The time (monotonic)."""
        return self._clock()

    # The event loop's callbacks.

    def _on_readable(self) -> int:
        """Drains the socket, then has everything sent on at once.

        A sender's pacer lets several packets go at a time, of which the first wakes us up. The
        others are waited for, for a moment: a batch costs little more than a packet.

        Returns:
            How many datagrams were there.
        """
        self._is_receiving = True
        try:
            return self._receive_burst()
        finally:  # also after a mistake of ours: nobody else would call the worker now
            self._is_receiving = False
            self._process(self._clock())

    def _receive_burst(self) -> int:
        worker, receive, clock = self._worker, self._receiver.receive, self._clock
        reached, sort = self._checks.reached, self._checks.sort
        taken = 0
        has_napped = False
        while taken < MAX_DATAGRAMS_PER_WAKE_UP:
            datagrams = receive()
            if not datagrams:
                break
            taken += len(datagrams)
            now_ns = clock()
            for datagram, address in datagrams:
                known = reached.get(address)
                try:
                    if known is not None and datagram[:1] > LAST_STUN_BYTE:
                        link, pair = known
                        link.receive(datagram, pair, now_ns)
                    else:
                        sort(datagram, address, now_ns)
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
        return taken

    def _report(self, error: Exception) -> None:
        self._loop.call_exception_handler(
            {"message": "internal error while receiving", "exception": error}
        )

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

    def _schedule_tick(self) -> None:
        if self._tick is not None:
            self._tick.cancel()
            self._notice_gap()
        interval_s = CONSENT_CHECK_INTERVAL_S if self._links else IDLE_INTERVAL_S
        self._upkeep.expect(self._elapsed_clock() + round(interval_s * 1e9))
        self._tick = self._loop.call_later(interval_s, self._on_tick)

    def _notice_gap(self) -> None:
        self._upkeep.notice_gap(self._elapsed_clock(), self._links, self._clock())

    def _on_tick(self) -> None:
        """Looks after the links.

        First: was there a gap? Then consent is granted anew. Second: is there still something in
        the socket that nobody has read? Only then is a link given up.
        """
        self._tick = None
        try:
            self._notice_gap()
            if any(link.ice.has_expired(self._clock()) for link in self._links):
                self._read_all()
            self._checks.refill()
            self._datagrams.forget_refusals(self._clock())
            self._upkeep.look_after(self._links, self._clock())
        finally:
            self._schedule_tick()

    def _read_all(self) -> None:
        """Takes what waits in the socket by now."""
        for _ in range(MAX_WAKE_UPS_BEFORE_JUDGING):
            if self._on_readable() < MAX_DATAGRAMS_PER_WAKE_UP:
                return

    def _on_woken(self, gap_s: float) -> None:
        self._loop.call_soon(self.on_woken, gap_s)  # a mistake there is none of ours

    def _on_udp_blocked(self) -> None:
        self._loop.call_soon(self.on_udp_blocked)

    def _prepare_receiver(self) -> None:
        if isinstance(self._receiver, DatagramReceiver):
            self._receiver = message_receiver(self._socket) or self._receiver


def _import_for_packets() -> BaseException | None:
    """Imports what `MediaPort.packet_sender` brings; returns what keeps it from that."""
    try:
        import sidecar.net.packet_sender  # noqa: F401
    except BaseException as error:  # an unpacked program whose files are gone exits here
        return error
    return None
