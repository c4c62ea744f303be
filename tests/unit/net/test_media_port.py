"""The shared UDP port, over the loopback interface."""

from __future__ import annotations

import asyncio
import errno
import gc
import socket
import sys
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, cast

import pytest

from sidecar.net import media_port as media_port_module
from sidecar.net.addresses import AddressBook
from sidecar.net.dtls import Certificate, DtlsEndpoint
from sidecar.net.dtls_records import is_dtls
from sidecar.net.errors import CertificateError
from sidecar.net.ice import MAX_VALID_ADDRESSES, Address, Path
from sidecar.net.link import MediaLink
from sidecar.net.media_port import MAX_DATAGRAMS_PER_WAKE_UP, QUIET_NS, Counters, MediaPort
from sidecar.net.media_socket import open_media_socket
from sidecar.ortc.parameters import DtlsParameters, IceParameters
from sidecar.sfu import SfuError
from sidecar.sfu.batch import Packets
from tests.unit.net.support import (
    BINDING_ERROR,
    BINDING_SUCCESS,
    SECOND_NS,
    FakeClock,
    FakeTransport,
    FakeWorker,
    StunMessage,
    build_check,
    ice_parameters,
    protect_rtp,
)

CERTIFICATE = Certificate()
PEER_CERTIFICATE = Certificate()
LOOPBACK = "127.0.0.1"
RTP_PACKET = bytes([0x80, 96, 0, 1]) + bytes(4) + b"ssrc" + b"payload"


class FaultySocket:
    """A UDP socket with the faults of other systems.

    Attributes:
        receive_errors: What the next calls of ``recvfrom`` raise.
        send_error: What ``sendto`` raises, if anything.
    """

    def __init__(self, real: socket.socket) -> None:
        self._real = real
        self.receive_errors: list[OSError] = []
        self.send_error: OSError | None = None

    def recvfrom(self, size: int) -> tuple[bytes, Address]:
        if self.receive_errors:
            raise self.receive_errors.pop(0)
        return self._real.recvfrom(size)

    def sendto(self, datagram: bytes, address: Address) -> int:
        if self.send_error is not None:
            raise self.send_error
        return self._real.sendto(datagram, address)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


class Server:
    """A port with a worker that does nothing.

    Attributes:
        socket: Of the port.
        worker: Of the port.
        clock: Of the port.
        elapsed_clock: The one of the port that runs on in sleep.
        certificate_errors: Why the next certificates cannot be made.
        port: Itself.
    """

    def __init__(self, host: str = LOOPBACK) -> None:
        self.socket = FaultySocket(open_media_socket(host, 0, 0))
        self.worker = FakeWorker()
        self.clock = FakeClock()
        self.elapsed_clock = FakeClock()
        self.certificates_made = 0
        self.certificate_errors: list[BaseException] = []
        self.naps = 0
        self.during_nap: Callable[[], None] = lambda: None
        self.port = MediaPort(
            cast(socket.socket, self.socket),
            AddressBook(bound_to=LOOPBACK, announced=()),
            self.make_certificate,
            clock=self.clock,
            elapsed_clock=self.elapsed_clock,
            nap=self.nap,
        )
        self.port.start(self.worker.as_worker())

    def nap(self, _seconds: float) -> None:
        self.naps += 1
        self.during_nap()

    def make_certificate(self) -> Certificate:
        self.certificates_made += 1
        if self.certificate_errors:
            raise self.certificate_errors.pop(0)
        return CERTIFICATE

    def open_link(self) -> tuple[MediaLink, FakeTransport]:
        transport = FakeTransport()
        transport.link = self.port.open_link(transport.as_transport(), None)
        return transport.link, transport


class Peer:
    """A UDP socket that talks to the port."""

    def __init__(self, port: MediaPort) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind((LOOPBACK, 0))
        self.address: Address = self.socket.getsockname()
        self._port_address = (LOOPBACK, port.port)

    def send(self, datagram: bytes) -> None:
        self.socket.sendto(datagram, self._port_address)

    async def receive(self) -> bytes:
        return await asyncio.get_running_loop().sock_recv(self.socket, 2048)

    async def check(self, parameters: IceParameters, *, nominate: bool = True) -> StunMessage:
        self.send(build_check(parameters, nominate=nominate))
        return StunMessage(await self.receive())

    def has_received_nothing(self) -> bool:
        try:
            self.socket.recv(2048)
        except BlockingIOError:
            return True
        return False


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    yield server
    server.port.close()


@pytest.fixture
def new_peer(server: Server) -> Iterator[Callable[[], Peer]]:
    peers: list[Peer] = []

    def make() -> Peer:
        peers.append(Peer(server.port))
        return peers[-1]

    yield make
    for peer in peers:
        peer.socket.close()


NewPeer = Callable[[], Peer]


async def shake_hands(link: MediaLink, peer: Peer) -> DtlsEndpoint:
    """Connects a peer, as DTLS client, to a link."""
    link.connect(DtlsParameters(fingerprints=tuple(PEER_CERTIFICATE.fingerprints), role="client"))
    endpoint = DtlsEndpoint(PEER_CERTIFICATE, "client", CERTIFICATE.fingerprints)
    for datagram in endpoint.step([]):
        peer.send(datagram)
    while endpoint.srtp is None:
        for datagram in endpoint.step([await peer.receive()]):
            peer.send(datagram)
    return endpoint


async def test_a_check_is_answered(server: Server, new_peer: NewPeer) -> None:
    link, _transport = server.open_link()
    peer = new_peer()
    answer = await peer.check(link.ice_parameters)
    assert answer.kind == BINDING_SUCCESS
    assert answer.integrity_holds(link.ice_parameters.password)
    assert link.ice.selected == peer.address
    assert link.ice.last_check_ns == server.clock.now_ns
    assert server.port.counters().unknown == 0


async def test_strangers_get_nothing(server: Server, new_peer: NewPeer) -> None:
    link, _transport = server.open_link()
    stranger, peer = new_peer(), new_peer()
    hello = DtlsEndpoint(PEER_CERTIFICATE, "client", CERTIFICATE.fingerprints).step([])[0]
    wrong_password = IceParameters(
        username_fragment=link.ice_parameters.username_fragment, password="x" * 32, ice_lite=True
    )
    datagrams = [
        b"?",
        bytes(100),
        bytes(range(256)) * 5,
        RTP_PACKET,
        hello,
        build_check(ice_parameters("of nobody"), nominate=True),
        build_check(wrong_password, nominate=True),
        build_check(link.ice_parameters)[:-1],
    ]
    for datagram in datagrams:
        stranger.send(datagram)
    stranger.send(b"")
    # One socket keeps the order: once the peer is answered, the stranger would have been.
    await peer.check(link.ice_parameters)
    assert stranger.has_received_nothing()
    assert server.port.counters().unknown == len(datagrams)
    assert link.ice.valid_addresses == (peer.address,)


async def test_we_say_client_hello_once_the_peer_has_been_heard_of(
    server: Server, new_peer: NewPeer
) -> None:
    link, _transport = server.open_link()
    peer = new_peer()
    link.connect(DtlsParameters(fingerprints=tuple(PEER_CERTIFICATE.fingerprints), role="server"))
    await peer.check(link.ice_parameters)
    assert is_dtls(await peer.receive())


async def test_a_role_conflict_is_answered_but_gives_no_address(
    server: Server, new_peer: NewPeer
) -> None:
    link, _transport = server.open_link()
    peer = new_peer()
    peer.send(build_check(link.ice_parameters, controlled=True))
    answer = StunMessage(await peer.receive())
    assert (answer.kind, answer.error_code) == (BINDING_ERROR, 487)
    peer.send(RTP_PACKET)
    await server.worker.next_call()
    assert server.port.counters().unknown == 1


async def test_links_are_told_apart_by_user_name_and_then_by_address(
    server: Server, new_peer: NewPeer
) -> None:
    links = [server.open_link() for _ in range(2)]
    peers = [new_peer() for _ in links]
    endpoints = []
    for (link, _transport), peer in zip(links, peers, strict=True):
        await peer.check(link.ice_parameters)
        assert link.ice.selected == peer.address
        endpoints.append(await shake_hands(link, peer))
    for index, (endpoint, peer) in enumerate(zip(endpoints, peers, strict=True)):
        assert endpoint.srtp is not None
        peer.send(protect_rtp(endpoint.srtp, RTP_PACKET + bytes([index])))
        while not links[index][1].received:
            await server.worker.next_call()
    for index, (_link, transport) in enumerate(links):
        assert [each.data for each in transport.received] == [RTP_PACKET + bytes([index])]


async def test_media_goes_out_encrypted(server: Server, new_peer: NewPeer) -> None:
    link, transport = server.open_link()
    peer = new_peer()
    await peer.check(link.ice_parameters)
    endpoint = await shake_hands(link, peer)
    while transport.connected_ns is None:
        await server.worker.next_call()
    link.send_rtp([Packets([RTP_PACKET])])
    assert endpoint.srtp is not None
    assert endpoint.srtp.unprotect_rtp(await peer.receive()) == RTP_PACKET


async def test_a_peer_may_move_to_another_address(server: Server, new_peer: NewPeer) -> None:
    link, transport = server.open_link()
    old, new = new_peer(), new_peer()
    await old.check(link.ice_parameters)
    endpoint = await shake_hands(link, old)
    while transport.connected_ns is None:
        await server.worker.next_call()
    await new.check(link.ice_parameters)
    assert endpoint.srtp is not None
    new.send(protect_rtp(endpoint.srtp, RTP_PACKET))
    while not transport.received:
        await server.worker.next_call()
    link.send_rtp([Packets([RTP_PACKET])])
    assert endpoint.srtp.unprotect_rtp(await new.receive()) == RTP_PACKET
    assert old.has_received_nothing()


async def test_an_address_that_another_link_has_taken_over_stays_with_it(
    server: Server, new_peer: NewPeer
) -> None:
    first, _ = server.open_link()
    second, _ = server.open_link()
    peer = new_peer()
    await peer.check(first.ice_parameters)
    await peer.check(second.ice_parameters)
    # The first link forgets the address, since it sees many others.
    for _ in range(MAX_VALID_ADDRESSES + 1):
        await new_peer().check(first.ice_parameters)
    assert peer.address not in first.ice.valid_addresses
    first.close()
    peer.send(RTP_PACKET)
    await server.worker.next_call()
    assert server.port.counters().unknown == 0


async def test_an_address_that_is_forgotten_is_a_strangers(
    server: Server, new_peer: NewPeer
) -> None:
    link, _transport = server.open_link()
    peers = [new_peer() for _ in range(MAX_VALID_ADDRESSES + 2)]
    for peer in peers:
        await peer.check(link.ice_parameters, nominate=False)
    peers[0].send(RTP_PACKET)  # selected, and so kept
    peers[-1].send(RTP_PACKET)
    await server.worker.next_call()
    assert server.port.counters().unknown == 0
    peers[1].send(RTP_PACKET)
    await server.worker.next_call()
    assert server.port.counters().unknown == 1


async def test_after_an_ice_restart_the_old_user_name_ends(
    server: Server, new_peer: NewPeer
) -> None:
    link, _transport = server.open_link()
    peer, stranger = new_peer(), new_peer()
    old = link.ice_parameters
    await peer.check(old)
    new = link.restart_ice()
    assert (await peer.check(old)).kind == BINDING_SUCCESS
    assert (await peer.check(new)).kind == BINDING_SUCCESS
    stranger.send(build_check(old))
    await peer.check(new)
    assert stranger.has_received_nothing()


async def test_after_a_second_ice_restart_the_oldest_user_name_has_ended(
    server: Server, new_peer: NewPeer
) -> None:
    link, _transport = server.open_link()
    peer, stranger = new_peer(), new_peer()
    oldest = link.ice_parameters
    middle, newest = link.restart_ice(), link.restart_ice()
    stranger.send(build_check(oldest))
    assert (await peer.check(middle)).kind == BINDING_SUCCESS
    assert (await peer.check(newest)).kind == BINDING_SUCCESS
    assert stranger.has_received_nothing()


async def test_a_closed_link_is_not_recognised(server: Server, new_peer: NewPeer) -> None:
    gone, _ = server.open_link()
    here, _ = server.open_link()
    peer, other = new_peer(), new_peer()
    await peer.check(gone.ice_parameters)
    gone.restart_ice()
    gone.close()
    peer.send(build_check(gone.ice_parameters))
    peer.send(RTP_PACKET)
    await other.check(here.ice_parameters)
    assert peer.has_received_nothing()
    assert server.port.counters().unknown == 2


async def test_nothing_of_a_closed_link_is_kept(server: Server, new_peer: NewPeer) -> None:
    link, _transport = server.open_link()
    for _ in range(3):
        await new_peer().check(link.ice_parameters)
        link.restart_ice()
    link.close()
    remembered = weakref.ref(link)
    del link, _transport
    gc.collect()
    assert remembered() is None


async def test_what_the_system_does_not_send_is_counted(server: Server, new_peer: NewPeer) -> None:
    link, _transport = server.open_link()
    peer = new_peer()
    for number in (errno.EWOULDBLOCK, errno.ENETUNREACH, errno.EPERM):
        server.socket.send_error = OSError(number, "no")
        server.port.send(b"lost", peer.address)
    assert server.port.counters().dropped == 3
    server.socket.send_error = None
    assert (await peer.check(link.ice_parameters)).kind == BINDING_SUCCESS
    assert server.port.counters().dropped == 3


async def test_a_mistake_closes_the_transport_that_brought_it_to_light(
    server: Server, new_peer: NewPeer, caplog: pytest.LogCaptureFixture
) -> None:
    link, transport = server.open_link()
    server.port.report_defect(link.transport, ZeroDivisionError("a mistake"))
    assert transport.closed_for == []  # not while the worker is at it
    await asyncio.sleep(0)
    assert transport.closed_for == ["internal-error"]
    assert "a mistake" in caplog.text


async def test_errors_of_earlier_datagrams_do_not_stop_reception(
    server: Server, new_peer: NewPeer
) -> None:
    """Windows hands out an ICMP "port unreachable" where the next datagram is asked for."""
    link, _transport = server.open_link()
    server.socket.receive_errors = [
        ConnectionResetError(errno.ECONNRESET, "WSAECONNRESET"),
        OSError(errno.EMSGSIZE, "WSAEMSGSIZE"),
    ]
    assert (await new_peer().check(link.ice_parameters)).kind == BINDING_SUCCESS
    assert server.socket.receive_errors == []
    assert len(server.worker.processed) == 1  # the datagram behind them had not to wait


async def test_a_burst_is_drained_before_the_worker_is_called(
    server: Server, new_peer: NewPeer
) -> None:
    peer = new_peer()
    for _ in range(20):
        peer.send(RTP_PACKET)
    await server.worker.next_call()
    assert server.port.counters().unknown == 20
    assert server.worker.processed == [server.clock.now_ns]


@pytest.mark.skipif(sys.platform != "linux", reason="recvmmsg is Linux's")
async def test_many_datagrams_are_taken_by_one_call_once_somebody_is_to_come(
    server: Server, new_peer: NewPeer
) -> None:
    server.port.prepare()
    server.socket.receive_errors = [OSError("not one by one")]
    link, _transport = server.open_link()
    assert (await new_peer().check(link.ice_parameters)).kind == BINDING_SUCCESS
    assert len(server.socket.receive_errors) == 1


async def test_a_flood_does_not_keep_the_worker_waiting(
    server: Server, new_peer: NewPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media_port_module, "MAX_DATAGRAMS_PER_WAKE_UP", 8)
    for module in ("datagrams", "media_port"):
        monkeypatch.setattr(f"sidecar.net.{module}.RECEIVED_AT_ONCE", 4)
    assert MAX_DATAGRAMS_PER_WAKE_UP >= 8
    peer = new_peer()
    for _ in range(20):
        peer.send(RTP_PACKET)
    seen = []
    while server.port.counters().unknown < 20:
        await server.worker.next_call()
        seen.append(server.port.counters().unknown)
    assert seen == [8, 16, 20]


async def test_wake_ups_are_gathered(server: Server) -> None:
    for _ in range(3):
        server.port.wake()
    assert server.worker.processed == []
    await server.worker.next_call()
    assert server.worker.processed == [server.clock.now_ns]
    server.port.wake()
    await server.worker.next_call()
    assert len(server.worker.processed) == 2


async def test_who_is_about_to_be_called_is_not_woken_as_well(
    server: Server, new_peer: NewPeer
) -> None:
    server.worker.awaits_rest = True
    server.during_nap = server.port.wake  # as by a packet that has come
    new_peer().send(b"anything")
    await server.worker.next_call()
    for _ in range(3):
        await asyncio.sleep(0)
    assert len(server.worker.processed) == 1


async def test_a_mistake_in_receiving_costs_the_one_datagram(
    server: Server, new_peer: NewPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    mistakes: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _loop, context: mistakes.append(context)
    )
    sort = server.port._checks.sort

    def mistaken(datagram: bytes, *arguments: Any) -> None:
        if datagram == b"second":
            raise ZeroDivisionError
        sort(datagram, *arguments)

    monkeypatch.setattr(server.port._checks, "sort", mistaken)
    peer = new_peer()
    for datagram in (b"first", b"second", b"third"):
        peer.send(datagram)
    await server.worker.next_call()
    assert [type(each["exception"]) for each in mistakes] == [ZeroDivisionError]
    assert server.port.counters().unknown == 2  # the others are dealt with
    server.port.wake()
    await server.worker.next_call()
    assert len(server.worker.processed) == 2


async def test_the_worker_is_called_when_it_wants(server: Server) -> None:
    server.worker.next_timeout_ns = server.clock.now_ns - SECOND_NS  # overdue
    server.port.wake()
    await server.worker.next_call()
    server.worker.next_timeout_ns = 1 << 62
    await server.worker.next_call()
    assert len(server.worker.processed) == 2


class Timers:
    """The timers that the port sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        loop = asyncio.get_running_loop()
        self.handles: list[asyncio.TimerHandle] = []
        call_at = loop.call_at

        def record(*arguments: Any, **options: Any) -> asyncio.TimerHandle:
            self.handles.append(call_at(*arguments, **options))
            return self.handles[-1]

        monkeypatch.setattr(loop, "call_at", record)

    @property
    def pending(self) -> list[asyncio.TimerHandle]:
        return [handle for handle in self.handles if not handle.cancelled()]


async def test_an_earlier_timeout_replaces_a_later_one_and_not_the_other_way_round(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    timers = Timers(monkeypatch)
    for delay_s in (3600, 60, 1800):
        server.worker.next_timeout_ns = server.clock.now_ns + delay_s * SECOND_NS
        server.port.wake()
        await server.worker.next_call()
    first, second = timers.handles
    assert first.cancelled()
    assert timers.pending == [second]
    assert second.when() < first.when()


async def test_a_worker_without_timeout_needs_no_timer(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    timers = Timers(monkeypatch)
    server.port.wake()
    await server.worker.next_call()
    assert timers.handles == []


async def test_a_link_without_checks_is_given_up(
    monkeypatch: pytest.MonkeyPatch, server: Server, new_peer: NewPeer
) -> None:
    monkeypatch.setattr(media_port_module, "CONSENT_CHECK_INTERVAL_S", 0.001)
    silent, silent_transport = server.open_link()
    lively, lively_transport = server.open_link()
    _unused, unused_transport = server.open_link()
    await new_peer().check(silent.ice_parameters)
    server.clock.now_ns += 20 * SECOND_NS
    peer = new_peer()
    await peer.check(lively.ice_parameters)
    server.clock.now_ns += 10 * SECOND_NS + 1
    await silent_transport.closing.wait()
    assert silent_transport.closed_for == ["ice-timeout"]
    assert lively_transport.closed_for == unused_transport.closed_for == []

    server.clock.now_ns += 30 * SECOND_NS
    await lively_transport.closing.wait()
    assert lively_transport.closed_for == ["ice-timeout"]
    assert unused_transport.closed_for == []


async def test_consent_is_watched_again_after_the_last_link_has_gone(
    monkeypatch: pytest.MonkeyPatch, server: Server, new_peer: NewPeer
) -> None:
    monkeypatch.setattr(media_port_module, "CONSENT_CHECK_INTERVAL_S", 0.001)
    for _ in range(2):
        link, transport = server.open_link()
        await new_peer().check(link.ice_parameters)
        server.clock.now_ns += 31 * SECOND_NS
        await transport.closing.wait()
        assert transport.closed_for == ["ice-timeout"]


async def test_a_link_is_offered_at_the_port(server: Server) -> None:
    link, _transport = server.open_link()
    (candidate,) = link.ice_candidates
    assert (candidate.ip, candidate.port) == (LOOPBACK, server.port.port)
    assert server.port.now_ns() == server.clock.now_ns


async def test_every_link_has_credentials_of_its_own(server: Server) -> None:
    parameters = [server.open_link()[0].ice_parameters for _ in range(20)]
    assert len({each.username_fragment for each in parameters}) == 20
    assert len({each.password for each in parameters}) == 20


async def test_close_frees_the_port_and_stops_the_timers(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server()
    timers = Timers(monkeypatch)
    server.open_link()
    server.worker.next_timeout_ns = server.clock.now_ns + SECOND_NS
    server.port.wake()
    await server.worker.next_call()
    server.port.wake()
    number = server.port.port
    server.port.close()
    assert timers.pending == []
    await asyncio.sleep(0)
    assert len(server.worker.processed) == 1
    open_media_socket(LOOPBACK, number, number).close()


async def test_the_certificate_is_made_when_the_first_peer_is_about_to_come(server: Server) -> None:
    assert server.certificates_made == 0
    server.port.prepare()
    link, _ = server.open_link()
    assert link.dtls_parameters.fingerprints == tuple(CERTIFICATE.fingerprints)
    server.port.prepare()
    server.open_link()
    assert server.certificates_made == 1


async def test_a_link_gets_its_certificate_without_preparation(server: Server) -> None:
    link, _ = server.open_link()
    assert link.dtls_parameters.fingerprints == tuple(CERTIFICATE.fingerprints)


async def test_the_rest_of_a_burst_is_waited_for_and_sent_on_with_its_first_packet(
    server: Server, new_peer: NewPeer
) -> None:
    peer = new_peer()
    server.worker.awaits_rest = True
    unknown = server.port.counters().unknown

    def during_nap() -> None:
        for datagram in (b"second", b"third"):
            peer.send(datagram)

    server.during_nap = during_nap
    peer.send(b"first")
    await server.worker.next_call()
    assert len(server.worker.processed) == 1
    assert server.port.counters().unknown - unknown == 3
    assert server.naps == 1


async def test_a_burst_without_end_is_sent_on_all_the_same(
    server: Server, new_peer: NewPeer
) -> None:
    peer = new_peer()
    server.worker.awaits_rest = True
    server.during_nap = lambda: peer.send(b"more")
    peer.send(b"first")
    await server.worker.next_call()
    assert server.naps == 1


async def test_a_burst_in_which_nothing_comes_for_a_while_is_over(
    server: Server, new_peer: NewPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def take_long(*_arguments: object) -> None:
        server.clock.now_ns += QUIET_NS

    monkeypatch.setattr(server.port._checks, "sort", take_long)
    server.worker.awaits_rest = True
    new_peer().send(b"first")
    await server.worker.next_call()
    assert server.naps == 0


async def test_what_is_complete_is_not_waited_with(server: Server, new_peer: NewPeer) -> None:
    peer = new_peer()
    peer.send(b"anything")
    await server.worker.next_call()
    assert server.naps == 0


async def test_memory_for_packets_is_kept_while_there_are_links(server: Server) -> None:
    (first, _), (second, _) = server.open_link(), server.open_link()
    memory = server.port.packet_sender
    first.close()
    assert server.port.packet_sender is memory
    second.close()
    assert server.port.packet_sender is not memory


async def test_what_a_class_leaves_in_circles_goes_with_its_last_link(server: Server) -> None:
    class Circle:
        def __init__(self) -> None:
            self.me = self

    (first, _), (second, _) = server.open_link(), server.open_link()
    left_over = weakref.ref(Circle())
    gc.disable()
    try:
        first.close()
        await asyncio.sleep(0)
        assert left_over() is not None
        second.close()
        await asyncio.sleep(0)
        assert left_over() is None
    finally:
        gc.enable()


async def test_a_certificate_that_cannot_be_made_is_an_answer_and_not_for_ever(
    server: Server,
) -> None:
    server.certificate_errors = [MemoryError("Cannot allocate write+execute memory")]
    with pytest.raises(SfuError) as refused:
        server.open_link()
    assert refused.value.code == "dtls-unavailable"
    server.clock.now_ns += SECOND_NS
    link, _ = server.open_link()
    assert link.dtls_parameters.fingerprints == tuple(CERTIFICATE.fingerprints)


async def test_a_refused_link_leaves_nothing_behind(server: Server) -> None:
    server.certificate_errors = [MemoryError()]
    with pytest.raises(SfuError):
        server.open_link()
    assert not server.port._links
    assert not server.port._checks._link_by_username


@pytest.mark.parametrize("error", [MemoryError("W^X"), SystemExit(255)])
async def test_warming_up_says_what_can_never_work(server: Server, error: BaseException) -> None:
    server.certificate_errors = [error]
    with pytest.raises(CertificateError) as failed:
        await server.port.warm_up()
    assert failed.value.is_hopeless


async def test_warming_up_makes_everything_ready(server: Server) -> None:
    await server.port.warm_up()
    assert server.certificates_made == 1
    server.open_link()
    assert server.certificates_made == 1


async def test_nobody_is_given_up_before_what_waits_in_the_socket_is_read(
    monkeypatch: pytest.MonkeyPatch, server: Server, new_peer: NewPeer
) -> None:
    """More than one wake-up takes, and the check that renews consent at its end."""
    monkeypatch.setattr(media_port_module, "MAX_DATAGRAMS_PER_WAKE_UP", 8)
    for module in ("datagrams", "media_port"):
        monkeypatch.setattr(f"sidecar.net.{module}.RECEIVED_AT_ONCE", 4)
    link, transport = server.open_link()
    peer = new_peer()
    await peer.check(link.ice_parameters)
    server.clock.now_ns += 31 * SECOND_NS
    for _ in range(40):
        peer.send(RTP_PACKET)
    peer.send(build_check(link.ice_parameters, nominate=True))
    server.port._on_tick()
    assert transport.closed_for == []
    assert link.ice.last_check_ns == server.clock.now_ns
    server.clock.now_ns += 31 * SECOND_NS
    server.port._on_tick()
    assert transport.closed_for == ["ice-timeout"]


async def test_waking_gives_everybody_time_and_is_told(server: Server, new_peer: NewPeer) -> None:
    gaps_s: list[float] = []
    server.port.on_woken = gaps_s.append
    link, transport = server.open_link()
    await new_peer().check(link.ice_parameters)
    server.clock.now_ns += 40 * SECOND_NS
    server.elapsed_clock.now_ns += 41 * SECOND_NS
    server.port._on_tick()
    await asyncio.sleep(0)
    assert gaps_s == [40]
    assert transport.closed_for == []
    server.clock.now_ns += SECOND_NS
    server.elapsed_clock.now_ns += SECOND_NS
    server.port._on_tick()
    await asyncio.sleep(0)
    assert gaps_s == [40]


async def test_waking_is_noticed_by_whoever_comes_first(server: Server) -> None:
    """Nobody was there, so that it was not looked after every second."""
    gaps_s: list[float] = []
    server.port.on_woken = gaps_s.append
    server.elapsed_clock.now_ns += 100 * SECOND_NS
    server.open_link()
    await asyncio.sleep(0)
    assert gaps_s == [95]
    server.open_link()
    server.port._on_tick()
    await asyncio.sleep(0)
    assert gaps_s == [95]


async def test_udp_that_never_comes_is_told(server: Server) -> None:
    told: list[bool] = []
    server.port.on_udp_blocked = lambda: told.append(True)
    link, _transport = server.open_link()
    fingerprints = tuple(PEER_CERTIFICATE.fingerprints)
    link.connect(DtlsParameters(fingerprints=fingerprints, role="client"))
    for _ in range(20):
        server.clock.now_ns += SECOND_NS
        server.port._on_tick()
    await asyncio.sleep(0)
    assert told == [True]


async def test_what_comes_to_nothing_is_counted_also_when_the_link_is_gone(
    server: Server, new_peer: NewPeer
) -> None:
    link, _transport = server.open_link()
    peer = new_peer()
    await peer.check(link.ice_parameters)
    await shake_hands(link, peer)
    for _ in range(3):
        peer.send(RTP_PACKET)
    new_peer().send(b"?")
    await server.worker.next_call()
    while server.port.counters().undecryptable < 3:
        await server.worker.next_call()
    link.unsendable = 2
    link.over_budget = 5
    expected = Counters(dropped=0, unknown=1, over_budget=5, undecryptable=3, unsendable=2)
    assert server.port.counters() == expected
    link.close()
    link.close()
    assert server.port.counters() == expected


async def test_media_that_moves_by_itself_moves_for_those_who_send_together(
    server: Server, new_peer: NewPeer
) -> None:
    link, _transport = server.open_link()
    old, new = new_peer(), new_peer()
    await old.check(link.ice_parameters)
    await new.check(link.ice_parameters)
    version = server.port.routes_version
    for _ in range(10):
        server.clock.now_ns += SECOND_NS
        await old.check(link.ice_parameters, nominate=False)
        server.port._on_tick()
    assert link.ice.selected == old.address
    assert server.port.routes_version > version


@pytest.mark.skipif(sys.platform != "linux", reason="others have one loopback address")
async def test_a_peer_may_ask_at_many_of_our_addresses_and_is_answered_from_each() -> None:
    server = Server("")
    peer = Peer(server.port)
    try:
        link, transport = server.open_link()
        server.port.prepare()
        for number in range(1, 5):
            asked = f"127.0.0.{number}", server.port.port
            peer.socket.sendto(build_check(link.ice_parameters, nominate=number == 1), asked)
            _answer, answered_from = await asyncio.get_running_loop().sock_recvfrom(
                peer.socket, 2048
            )
            assert answered_from == asked
        assert link.ice.selected == Path.between(peer.address, "127.0.0.1")
        # It is in one place, whichever address of ours it asks.
        assert link.ice.valid_addresses == (peer.address,)
        assert list(server.port._checks.reached) == [peer.address]
        transport.link_closed("test")
        assert server.port._checks.reached == {}
    finally:
        peer.socket.close()
        server.port.close()
