"""The remote end of one WebRTC transport, small enough to run fifty of them in one process.

ICE, DTLS and SRTP over one UDP socket that the event loop watches: no task, no queue and no
object per packet on the way in. Nothing of the server's network code is used.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pylibsrtp

from sidecar.rtp.rtcp import RtcpPacket, parse_rtcp
from tests.support.arrival_times import enable_arrival_times, receive_stamped
from tests.support.dtls import (
    SRTP_PROFILES,
    Certificate,
    DtlsEndpoint,
    DtlsError,
    DtlsRole,
    SrtpProfile,
)
from tests.support.ice import Address, IceAgent

DATAGRAM_BYTES = 2048
DATAGRAMS_PER_WAKEUP = 128
RECEIVE_BUFFER_BYTES = 1 << 20
CONNECT_TIMEOUT_S = 15.0


class MediaPeer:
    """One transport: `connect` it with the data of `transportCreated`, then send and receive.

    Args:
        dtls_role: Our role; `server` makes the SFU the DTLS client.
        srtp_profiles: What we offer or accept.
        host: Local address to send from.
        arrival_times: Whether to keep `arrival_ns`, at the cost of a slower way to receive.

    Attributes:
        arrival_ns: When the kernel took in the datagram that is being handled (wall clock).
        on_srtp: Called with every RTP packet as it came, still protected: the header can be
            read and `unprotect` called where the payload matters.
        on_rtcp: Called with the packets of every RTCP datagram.
        datagrams: Counts what arrived: `stun`, `dtls`, `rtp`, `rtcp`, and under `stranger` what
            came from elsewhere than the selected address, under `early` media from before the end
            of the handshake.
        dtls_retransmissions: How often our last flight had to be sent again.
        srtp_errors: Packets that could not be opened, by libsrtp's words for it.
    """

    def __init__(
        self,
        *,
        dtls_role: DtlsRole = "client",
        srtp_profiles: Sequence[SrtpProfile] = SRTP_PROFILES,
        host: str = "127.0.0.1",
        arrival_times: bool = False,
    ) -> None:
        self.on_srtp: Callable[[bytes], None] = lambda data: None
        self.on_rtcp: Callable[[list[RtcpPacket]], None] = lambda packets: None
        self.datagrams: Counter[str] = Counter()
        self.arrival_ns = 0
        self.dtls_retransmissions = 0
        self.srtp_errors: Counter[str] = Counter()
        self.ice = IceAgent(self._send_to)
        self.dtls: DtlsEndpoint | None = None
        self.remote_address: Address = ("", 0)
        self._dtls_role: DtlsRole = dtls_role
        self._srtp_profiles = srtp_profiles
        self._host = host
        self._arrival_times = arrival_times
        self._certificate = Certificate.generate()
        self._loop = asyncio.get_running_loop()
        self._socket = self._open_socket()
        self._established = False
        self._connected: asyncio.Future[None] = self._loop.create_future()
        self._dtls_timer: asyncio.TimerHandle | None = None

    @property
    def dtls_parameters(self) -> dict[str, Any]:
        """What `connectTransport` wants from us."""
        return {
            "role": self._dtls_role,
            "fingerprints": [{"algorithm": "sha-256", "value": self._certificate.fingerprint()}],
        }

    @property
    def local_address(self) -> Address:
        """Where our packets come from."""
        host, port = self._socket.getsockname()[:2]
        return host, port

    @property
    def closed_by_peer(self) -> bool:
        """Whether the other end has ended the association, in peace or by an alert."""
        return self.dtls is not None and self.dtls.closed_by_peer

    @property
    def srtp_profile(self) -> str:
        """Name of the negotiated profile.

        Raises:
            RuntimeError: The handshake is not over.
        """
        if self.dtls is None or self.dtls.profile is None:
            raise RuntimeError("no SRTP profile before the end of the DTLS handshake")
        return self.dtls.profile.name

    async def connect(self, transport: dict[str, Any]) -> None:
        """Run ICE, then DTLS.

        Args:
            transport: The data of `transportCreated`.

        Raises:
            IceError: The first check was refused or not answered.
            DtlsError: The handshake failed.
            TimeoutError: The handshake did not end.
        """
        await self.connect_ice(transport)
        await self.connect_dtls()

    async def connect_ice(self, transport: dict[str, Any]) -> None:
        """Nominate the first candidate."""
        candidate = transport["iceCandidates"][0]
        self.remote_address = candidate["ip"], candidate["port"]
        # The SFU's ClientHello, where that is its part, may follow its answer to the check.
        self.dtls = DtlsEndpoint(
            self._dtls_role,
            self._certificate,
            transport["dtlsParameters"]["fingerprints"],
            self._srtp_profiles,
            self.send_raw,
        )
        self.ice.set_remote(transport["iceParameters"])
        await self.ice.check(self.remote_address)
        self.ice.keep_consent(self.remote_address)

    async def connect_dtls(self) -> None:
        """Shake hands over the nominated pair."""
        self._endpoint().start()
        self._arm_dtls_timer()
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await self._connected

    async def restart_ice(self, ice_parameters: dict[str, Any]) -> None:
        """Go on with the `iceParameters` of `iceRestarted`; DTLS and SRTP stay."""
        self.ice.set_remote(ice_parameters)
        await self.ice.check(self.remote_address)

    async def roam(self) -> None:
        """Move to a new local port, as after a change of network, and nominate the new pair."""
        self._loop.remove_reader(self._socket)
        self._socket.close()
        self._socket = self._open_socket()
        await self.ice.check(self.remote_address)

    def send_rtp(self, packet: bytes) -> None:
        """Protect and send one RTP packet."""
        self.send_raw(self._endpoint().outbound_session().protect(packet))

    def send_rtcp(self, *packets: RtcpPacket) -> None:
        """Protect and send one compound RTCP packet."""
        self.send_raw(self.protect_rtcp(b"".join(packet.to_bytes() for packet in packets)))

    def protect_rtcp(self, compound: bytes) -> bytes:
        """Make the datagram that carries these bytes as authentic RTCP, whatever they are."""
        return self._endpoint().outbound_session().protect_rtcp(compound)

    def send_raw(self, datagram: bytes) -> None:
        """Send any bytes to the selected address."""
        self._send_to(datagram, self.remote_address)

    def unprotect(self, datagram: bytes) -> bytes | None:
        """Decrypt an RTP packet; None, and counted, where that fails."""
        try:
            return self._endpoint().inbound_session().unprotect(datagram)
        except pylibsrtp.Error as error:
            self.srtp_errors[str(error)] += 1
            return None

    def close(self, *, silently: bool = False) -> None:
        """Stop; a second time does nothing.

        Args:
            silently: As a killed process: no close_notify.
        """
        if self._socket.fileno() < 0:
            return
        self.ice.stop_consent()
        if self._dtls_timer is not None:
            self._dtls_timer.cancel()
        if self.dtls is not None and not silently:
            self.dtls.close()
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def _open_socket(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        new = socket.socket(family, socket.SOCK_DGRAM)
        new.setblocking(False)
        new.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        if self._arrival_times:
            enable_arrival_times(new)
        new.bind((self._host, 0))
        self._loop.add_reader(new, self._on_readable, new)
        return new

    def _send_to(self, datagram: bytes, address: Address) -> None:
        try:
            self._socket.sendto(datagram, address)
        except (BlockingIOError, ConnectionError):
            # UDP: what does not fit, or meets a closed port, is lost.
            self.datagrams["unsent"] += 1

    def _endpoint(self) -> DtlsEndpoint:
        if self.dtls is None:
            raise RuntimeError("connect_ice comes first")
        return self.dtls

    def _on_readable(self, source: socket.socket) -> None:
        """Drain the socket (up to a bound, to be fair to the other peers)."""
        receive = self._receive_stamped if self._arrival_times else source.recvfrom
        counts = self.datagrams
        remote_address = self.remote_address
        for _ in range(DATAGRAMS_PER_WAKEUP):
            try:
                datagram, address = receive(DATAGRAM_BYTES)
            except BlockingIOError:
                return
            except ConnectionError:
                continue
            if address[:2] != remote_address or not datagram:
                counts["stranger"] += 1
            elif datagram[0] >= 128:
                if not self._established:
                    counts["early"] += 1
                elif 192 <= datagram[1] <= 223:
                    self._on_srtcp(datagram)
                else:
                    counts["rtp"] += 1
                    self.on_srtp(datagram)
            elif datagram[0] < 4:
                counts["stun"] += 1
                self.ice.receive(datagram)
            else:
                self._on_dtls(datagram)

    def _receive_stamped(self, size_bytes: int) -> tuple[bytes, Address]:
        datagram, address, self.arrival_ns = receive_stamped(self._socket, size_bytes)
        return datagram, address

    def _on_srtcp(self, datagram: bytes) -> None:
        self.datagrams["rtcp"] += 1
        try:
            plain = self._endpoint().inbound_session().unprotect_rtcp(datagram)
        except pylibsrtp.Error as error:
            self.srtp_errors[str(error)] += 1
            return
        self.on_rtcp(parse_rtcp(plain))

    def _on_dtls(self, datagram: bytes) -> None:
        self.datagrams["dtls"] += 1
        endpoint = self._endpoint()
        try:
            endpoint.receive(datagram)
        except DtlsError as error:
            if not self._connected.done():
                self._connected.set_exception(error)
            return
        if endpoint.connected and not self._connected.done():
            self._established = True
            self._connected.set_result(None)
        self._arm_dtls_timer()

    def _arm_dtls_timer(self) -> None:
        if self._dtls_timer is not None:
            self._dtls_timer.cancel()
            self._dtls_timer = None
        delay_s = self._endpoint().retransmit_after_s()
        if delay_s is not None:
            self._dtls_timer = self._loop.call_later(delay_s, self._on_dtls_timeout)

    def _on_dtls_timeout(self) -> None:
        self.dtls_retransmissions += 1
        self._endpoint().retransmit()
        self._arm_dtls_timer()
