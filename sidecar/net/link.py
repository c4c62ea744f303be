"""The network half of one transport: ICE-lite, DTLS and SRTP on the shared UDP port."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Final, Protocol

from sidecar.net.dtls_records import FINGERPRINT_ALGORITHMS, DtlsRole, is_dtls
from sidecar.net.errors import SrtpError, SrtpKeyUsedUpError
from sidecar.net.fan import Fan
from sidecar.net.handshake import Handshake
from sidecar.net.ice import CHECKS_AT_ONCE, CHECKS_PER_SECOND, Address, IceLite, Pair
from sidecar.net.stray_streams import StrayStreams
from sidecar.ortc.parameters import DtlsParameters, IceCandidate, IceParameters
from sidecar.rtp.packet import is_rtcp
from sidecar.sfu import SfuError

if TYPE_CHECKING:
    from sidecar.net.dtls import Certificate
    from sidecar.net.packet_sender import PacketSender
    from sidecar.net.srtp import SrtpSession
    from sidecar.sfu import WebRtcTransport
    from sidecar.sfu.batch import Packets

logger = logging.getLogger(__name__)

_FIRST_RTP_BYTE = 128
_LAST_RTP_BYTE = 191

SPARE_BYTES_PER_SECOND: Final = 64_000
"""What a peer may send besides its media: RTCP, ICE, DTLS."""

SECONDS_AT_ONCE: Final = 3
"""So many seconds' worth of datagrams may come together, as after a gap of the network."""

PACKET_PRICE_BYTES: Final = 200
"""What any datagram counts for beside its size: small ones are work as well."""

MAX_ENDED_STREAMS: Final = 16_384
"""That a peer may have had. Their SSRCs are remembered as long as its keys are."""

UNDECRYPTABLE_PRICE_BYTES: Final = 2_000
DTLS_PRICE_BYTES: Final = 4_000
"""What these count for on top: nobody who is honest sends many."""


class Port(Protocol):
    """What a link needs of the UDP port that it shares with all others."""

    @property
    def certificate(self) -> Certificate:
        """Of this process."""
        ...

    @property
    def packet_sender(self) -> PacketSender:
        """Protects RTP packets, and sends them over the port."""
        ...

    @property
    def routes_version(self) -> int:
        """Another number whenever `MediaLink.route` of any link may have changed."""
        ...

    @property
    def max_incoming_bps(self) -> int:
        """What a peer is asked not to exceed."""
        ...

    def route_changed(self) -> None:
        """Hears that the `MediaLink.route` of a link has."""

    def send(self, datagram: bytes, address: Address) -> None:
        """Sends a datagram, or drops it."""

    def new_credentials(self, link: MediaLink) -> IceParameters:
        """Makes ICE credentials by which datagrams for the link are recognised."""
        ...

    def forget_username(self, username_fragment: str) -> None:
        """Stops recognising checks for these credentials."""

    def retire(self, link: MediaLink) -> None:
        """Stops recognising anything for the link."""

    def wake(self) -> None:
        """Has the worker called soon."""

    def now_ns(self) -> int:
        """The time (monotonic)."""
        ...


class MediaLink:
    """Carries one transport's packets.

    Attributes:
        transport: The media half.
        ice: The ICE state, which the port drives.
        ice_candidates: Where the port can be reached, best first.
        over_budget: Datagrams that were not looked at, since there were too many of them.
        undecryptable: SRTP and SRTCP packets that failed authentication or the replay check.
        unsendable: Packets for the peer that libsrtp did not take, such as too long ones.
        awaits_check_since_ns: When the peer was to begin with its checks, if it was.
        told_stale_ns: When the transport was last told of a silence that lasts, if it lasts.
    """

    def __init__(
        self,
        port: Port,
        transport: WebRtcTransport,
        ice_candidates: Sequence[IceCandidate],
        loop: asyncio.AbstractEventLoop,
        executor: Executor,
    ) -> None:
        self.transport = transport
        self.ice_candidates = ice_candidates
        self.over_budget = 0
        self.undecryptable = 0
        self.unsendable = 0
        self.awaits_check_since_ns: int | None = None
        self.told_stale_ns: int | None = None
        self._port = port
        self._bytes_per_second = SPARE_BYTES_PER_SECOND + port.max_incoming_bps * 3 // 2 // 8
        self._allowance_bytes = self._bytes_per_second * SECONDS_AT_ONCE
        self._allowed_checks = CHECKS_AT_ONCE
        self._srtp: SrtpSession | None = None
        self._strays: StrayStreams | None = None
        self._latest_rtcp_sender = b""
        self._ending_ssrcs: list[int] = []
        self._closed = False
        self.ice = IceLite(port.new_credentials(self))
        self._handshake = Handshake(
            loop,
            executor,
            send=self._send_plain,
            on_keys=self._on_keys,
            on_closed=transport.link_closed,
        )
        self._client_start: DtlsParameters | None = None
        self._fan = Fan(port, (self,))

    @property
    def route(self) -> tuple[SrtpSession, Address] | None:
        """By which keys the peer is reached, and where; None before both are known."""
        srtp, address = self._srtp, self.ice.selected
        return None if srtp is None or address is None else (srtp, address)

    @property
    def ice_parameters(self) -> IceParameters:
        """The local ICE credentials."""
        return self.ice.parameters

    @property
    def silence_ns(self) -> int | None:
        """How long nothing has been heard of the peer; None before its first check."""
        heard_ns = self.ice.last_heard_ns
        return None if heard_ns is None else self._port.now_ns() - heard_ns

    @property
    def dtls_parameters(self) -> DtlsParameters:
        """Our fingerprints; we take the role that the peer leaves us."""
        return DtlsParameters(fingerprints=tuple(self._port.certificate.fingerprints), role="auto")

    def connect(self, dtls_parameters: DtlsParameters) -> None:
        """Takes the peer's DTLS parameters; the handshake starts as soon as ICE has an address.

        Raises:
            SfuError: None of the fingerprints can be checked.
        """
        known = any(
            each.algorithm.lower() in FINGERPRINT_ALGORITHMS
            for each in dtls_parameters.fingerprints
        )
        if not known:
            raise SfuError("No usable DTLS fingerprint", "invalid-dtls-parameters")
        self.awaits_check_since_ns = self._port.now_ns()
        if dtls_parameters.role == "client":
            self._start("server", dtls_parameters)
        elif self.ice.selected is not None:
            self._start("client", dtls_parameters)
        else:
            self._client_start = dtls_parameters

    def restart_ice(self) -> IceParameters:
        """Makes new ICE credentials; the old ones end with the first check that uses the new."""
        parameters = self._port.new_credentials(self)
        retired = self.ice.restart(parameters)
        if retired is not None:
            self._port.forget_username(retired)
        return parameters

    def offer_ice_restart(self) -> IceParameters:
        """Makes new ICE credentials, unless the latest have not been used yet.

        An offer that is not taken up, or is still on its way, is not made void by the next one, and
        neither are the credentials that the peer uses meanwhile.
        """
        return self.ice.parameters if self.ice.is_restarting else self.restart_ice()

    def ice_validated(self) -> None:
        """The port tells: there is an address to send to."""
        if self._client_start is not None:
            dtls_parameters, self._client_start = self._client_start, None
            self._start("client", dtls_parameters)

    def may_check(self) -> bool:
        """Whether a check from a new address may be looked at, of which there are not too many."""
        self._allowed_checks -= 1
        return self._allowed_checks >= 0

    def grant_time(self, now_ns: int) -> None:
        """Has everything that the peer was to do by now be due later: it could not be heard."""
        self.ice.grant_time(now_ns)
        if self.awaits_check_since_ns is not None:
            self.awaits_check_since_ns = now_ns

    def look_after(self, now_ns: int) -> None:
        """Does what is due once a second."""
        self._allowance_bytes = min(
            max(self._allowance_bytes, 0) + self._bytes_per_second,
            self._bytes_per_second * SECONDS_AT_ONCE,
        )
        self._allowed_checks = min(max(self._allowed_checks, 0) + CHECKS_PER_SECOND, CHECKS_AT_ONCE)
        self._end_streams()
        before = self.ice.selected
        for pair in self.ice.pairs:
            pair.refill()
        self.ice.reconsider(now_ns)
        if self.ice.selected != before:
            self._port.route_changed()

    def receive(self, datagram: bytes, pair: Pair, now_ns: int) -> None:
        """Takes a datagram other than STUN from one of the peer's addresses (RFC 7983).

        More of them than an honest peer could send are not looked at.
        """
        self._allowance_bytes -= len(datagram) + PACKET_PRICE_BYTES
        if self._allowance_bytes < 0:
            self.over_budget += 1
        elif _FIRST_RTP_BYTE <= datagram[0] <= _LAST_RTP_BYTE:
            srtp = self._srtp
            if srtp is None:
                return
            try:
                if is_rtcp(datagram):
                    packet, take = srtp.unprotect_rtcp(datagram), self.transport.receive_rtcp
                    if packet[4:8] != self._latest_rtcp_sender:
                        self._note_rtcp_sender(packet[4:8])
                else:
                    packet, take = srtp.unprotect_rtp(datagram), self.transport.receive_rtp
            except SrtpError:
                self.undecryptable += 1
                self._allowance_bytes -= UNDECRYPTABLE_PRICE_BYTES
                return
            pair.heard_ns = now_ns
            take(packet, now_ns)
        elif is_dtls(datagram):
            self._allowance_bytes -= DTLS_PRICE_BYTES
            self._handshake.receive(datagram)

    def forget_incoming(self, ssrc: int) -> None:
        """Hears that packets come, or came, under an SSRC that is nobody's."""
        if self._strays is not None:
            self._strays.add(ssrc)

    def end_outgoing(self, ssrc: int) -> None:
        """Hears that nothing will be sent under an SSRC any more.

        What waits to be sent under it leaves first.
        """
        self._ending_ssrcs.append(ssrc)

    def send_rtp(self, groups: Sequence[Packets]) -> None:
        """Protects packets and sends them to the nominated address."""
        for packets in groups:
            self._fan.send_rtp(packets)

    def send_rtcp(self, compounds: Sequence[bytes]) -> None:
        """Protects RTCP packets and sends them to the nominated address."""
        route = self.route
        if route is None:
            return
        srtp, address = route
        for packet in compounds:
            try:
                self._port.send(srtp.protect_rtcp(packet), address)
            except SrtpKeyUsedUpError:
                self.key_used_up()
                return
            except SrtpError:
                self.unsendable += 1

    def key_used_up(self) -> None:
        """Gives the peer up, since nothing can be protected for it any more.

        Not even the last packets of the transport that now closes.
        """
        self._forget_keys()
        logger.warning("transport %s: its key has protected all that it may", self.transport.id)
        self.fail("srtp-failed")

    def fail(self, reason: str) -> None:
        """Gives the peer up."""
        self.transport.link_closed(reason)

    @property
    def srtp_streams(self) -> int:
        """How many SSRCs there may be SRTP state for."""
        return len(self.transport.streams) + (len(self._strays) if self._strays else 0)

    def close(self) -> None:
        """Says goodbye and is recognised no more."""
        if self._closed:
            return
        self._closed = True
        self._handshake.close()
        self._forget_keys()
        self._fan = Fan(self._port, ())
        self._port.retire(self)

    def _start(self, role: DtlsRole, dtls_parameters: DtlsParameters) -> None:
        self._handshake.start(self._port.certificate, role, dtls_parameters.fingerprints)

    def _note_rtcp_sender(self, sender: bytes) -> None:
        """Takes the SSRC under which a peer reports, which need not be one of its streams."""
        self._latest_rtcp_sender = sender
        ssrc = int.from_bytes(sender, "big")
        if not self.transport.is_receiving(ssrc):
            self.forget_incoming(ssrc)

    def _end_streams(self) -> None:
        srtp, ssrcs = self._srtp, self._ending_ssrcs
        if not ssrcs:
            return
        self._ending_ssrcs = []
        if srtp is None:
            return
        for ssrc in ssrcs:
            srtp.end_outbound(ssrc)
        self._port.route_changed()  # whoever sends to several learns of it
        if len(srtp.ended) > MAX_ENDED_STREAMS:
            self.key_used_up()

    def _forget_keys(self) -> None:
        self._srtp = None
        self._strays = None
        self._port.route_changed()

    def _on_keys(self, srtp: SrtpSession) -> None:
        self._srtp = srtp
        self._strays = StrayStreams(srtp.remove_inbound, self.transport.is_receiving)
        self._port.route_changed()
        self.transport.link_connected(self._port.now_ns())
        self._port.wake()

    def _send_plain(self, datagrams: Sequence[bytes]) -> None:
        address = self.ice.selected
        if address is not None:
            for datagram in datagrams:
                self._port.send(datagram, address)
