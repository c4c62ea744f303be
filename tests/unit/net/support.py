"""Peers, ports and loops for the network layer's tests, none of which waits for anything."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import zlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

from aioice import stun

from sidecar.net.dtls import Certificate, DtlsEndpoint
from sidecar.net.errors import SrtpError, SrtpKeyUsedUpError
from sidecar.net.ice import Address, CheckOutcome, IceLite
from sidecar.net.link import MediaLink
from sidecar.net.packet_memory import PacketMemory
from sidecar.net.packet_sender import PacketSender
from sidecar.net.srtp import SrtpSession
from sidecar.net.stun import parse_binding_request
from sidecar.ortc.parameters import IceParameters
from sidecar.sfu import WebRtcTransport, Worker
from sidecar.sfu.batch import Packets

SECOND_NS = 1_000_000_000

HOME: Address = ("192.0.2.1", 1000)
ELSEWHERE: Address = ("198.51.100.2", 2000)
"""Where a peer sends from, and where it goes."""

BINDING_REQUEST = 0x0001
BINDING_SUCCESS = 0x0101
BINDING_ERROR = 0x0111

USERNAME = 0x0006
MESSAGE_INTEGRITY = 0x0008
ERROR_CODE = 0x0009
UNKNOWN_ATTRIBUTES = 0x000A
XOR_MAPPED_ADDRESS = 0x0020
PRIORITY = 0x0024
USE_CANDIDATE = 0x0025
FINGERPRINT = 0x8028
ICE_CONTROLLED = 0x8029
ICE_CONTROLLING = 0x802A


class StunMessage:
    """A second, independent reading and writing of STUN, as RFC 8489 section 5 says.

    Attributes:
        kind: Method and class.
        transaction_id: 12 bytes.
        attributes: Type and value of each, in order, padding removed.
    """

    def __init__(self, datagram: bytes) -> None:
        self.kind = int.from_bytes(datagram[:2], "big")
        self.transaction_id = datagram[8:20]
        self.attributes: list[tuple[int, bytes]] = []
        self._datagram = datagram
        self._positions: dict[int, int] = {}
        position = 20
        while position < len(datagram):
            kind = int.from_bytes(datagram[position : position + 2], "big")
            length = int.from_bytes(datagram[position + 2 : position + 4], "big")
            self._positions[kind] = position
            self.attributes.append((kind, datagram[position + 4 : position + 4 + length]))
            position += 4 + (length + 3) // 4 * 4

    def __getitem__(self, kind: int) -> bytes:
        return dict(self.attributes)[kind]

    @property
    def error_code(self) -> int:
        """The number in ERROR-CODE."""
        return self[ERROR_CODE][2] * 100 + self[ERROR_CODE][3]

    def integrity_holds(self, password: str) -> bool:
        """Whether MESSAGE-INTEGRITY is the HMAC of what precedes it (RFC 8489 section 14.5)."""
        covered = self._datagram[: self._positions[MESSAGE_INTEGRITY]]
        return self[MESSAGE_INTEGRITY] == _integrity(covered, password)

    def fingerprint_holds(self) -> bool:
        """Whether FINGERPRINT is last and the CRC of what precedes it (section 14.7)."""
        position = self._positions[FINGERPRINT]
        return position == len(self._datagram) - 8 and (
            self[FINGERPRINT] == _fingerprint(self._datagram[:position])
        )


def build_stun(
    kind: int,
    attributes: Sequence[tuple[int, bytes]],
    *,
    password: str | None = None,
    after_integrity: Sequence[tuple[int, bytes]] = (),
    fingerprint: bool = True,
    transaction_id: bytes = bytes(range(12)),
) -> bytes:
    """Writes a STUN message, also one that no decent agent would send.

    Args:
        kind: Method and class.
        attributes: Type and value of each.
        password: For MESSAGE-INTEGRITY, which is left out for None.
        after_integrity: More attributes, not covered by it.
        fingerprint: Whether FINGERPRINT ends it.
        transaction_id: 12 bytes.
    """
    message = kind.to_bytes(2, "big") + bytes(2) + bytes.fromhex("2112a442") + transaction_id
    message += b"".join(_attribute(*each) for each in attributes)
    if password is not None:
        message += _attribute(MESSAGE_INTEGRITY, _integrity(message, password))
    message += b"".join(_attribute(*each) for each in after_integrity)
    if fingerprint:
        message += _attribute(FINGERPRINT, _fingerprint(message))
    return _with_length(message, len(message) - 20)


def check_attributes(
    parameters: IceParameters,
    *,
    nominate: bool = False,
    controlled: bool = False,
    priority: int = 110 << 24,
) -> list[tuple[int, bytes]]:
    """What a connectivity check carries, to these credentials."""
    attributes = [
        (USERNAME, f"{parameters.username_fragment}:peer".encode()),
        (PRIORITY, priority.to_bytes(4, "big")),
        (ICE_CONTROLLED if controlled else ICE_CONTROLLING, bytes(8)),
    ]
    if nominate:
        attributes.append((USE_CANDIDATE, b""))
    return attributes


def build_check(
    parameters: IceParameters,
    *,
    nominate: bool = False,
    controlled: bool = False,
    priority: int = 110 << 24,
) -> bytes:
    """Writes an authentic connectivity check to these credentials."""
    attributes = check_attributes(
        parameters, nominate=nominate, controlled=controlled, priority=priority
    )
    return build_stun(BINDING_REQUEST, attributes, password=parameters.password)


def _attribute(kind: int, value: bytes) -> bytes:
    padding = bytes(stun.padding_length(len(value)))
    return kind.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value + padding


def _with_length(message: bytes, length: int) -> bytes:
    return message[:2] + length.to_bytes(2, "big") + message[4:]


def _integrity(covered: bytes, password: str) -> bytes:
    covered = _with_length(covered, len(covered) - 20 + 24)
    return hmac.digest(password.encode(), covered, hashlib.sha1)


def _fingerprint(covered: bytes) -> bytes:
    covered = _with_length(covered, len(covered) - 20 + 8)
    return (zlib.crc32(covered) ^ 0x5354554E).to_bytes(4, "big")


def shake_hands(client: DtlsEndpoint, server: DtlsEndpoint) -> list[bytes]:
    """Carries datagrams between the two until there are none; returns all of them."""
    carried: list[bytes] = []
    flight, receiver, sender = client.step([]), server, client
    while flight:
        carried += flight
        flight, receiver, sender = receiver.step(flight), sender, receiver
    return carried


class ManualStep:
    """What `ManualLoop.run_in_executor` returns: done when the test says so."""

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self._function = function
        self._arguments = arguments
        self._callbacks: list[Callable[[Any], None]] = []
        self._cancelled = False
        self._result: Any = None
        self._error: BaseException | None = None

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        self._callbacks.append(callback)

    def cancelled(self) -> bool:
        return self._cancelled

    def exception(self) -> BaseException | None:
        return self._error

    def result(self) -> Any:
        return self._result

    def run(self) -> None:
        """Does the work, then tells."""
        try:
            self._result = self._function(*self._arguments)
        except Exception as error:
            self._error = error
        self._tell()

    def cancel(self) -> None:
        """What becomes of it when its executor is shut down."""
        self._cancelled = True
        self._tell()

    def _tell(self) -> None:
        for callback in self._callbacks:
            callback(self)


class ManualTimer:
    """What `ManualLoop.call_later` returns."""

    def __init__(self, delay_s: float, callback: Callable[[], None]) -> None:
        self.delay_s = delay_s
        self.fire = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class ManualLoop:
    """An event loop whose threads and timers move when the test says so.

    Attributes:
        steps: Calls that wait for a thread.
        timers: All timers ever set.
    """

    def __init__(self) -> None:
        self.steps: list[ManualStep] = []
        self.timers: list[ManualTimer] = []

    def run_in_executor(
        self, _executor: object, function: Callable[..., Any], *arguments: object
    ) -> ManualStep:
        self.steps.append(ManualStep(function, arguments))
        return self.steps[-1]

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> ManualTimer:
        self.timers.append(ManualTimer(delay_s, callback))
        return self.timers[-1]

    @property
    def pending_timers(self) -> list[ManualTimer]:
        """Those that have not been cancelled."""
        return [timer for timer in self.timers if not timer.cancelled]

    def run_step(self) -> None:
        """Runs the call that has waited longest."""
        self.steps.pop(0).run()

    def run_steps(self) -> None:
        """Runs calls until none is waiting."""
        while self.steps:
            self.run_step()

    def as_loop(self) -> asyncio.AbstractEventLoop:
        return cast(asyncio.AbstractEventLoop, self)


class Received(NamedTuple):
    """What a transport was handed."""

    kind: str
    data: bytes
    now_ns: int


class FakeTransport:
    """The media half of a link, which only remembers.

    Attributes:
        received: Decrypted packets.
        connected_ns: When the link told that it is ready.
        closed_for: The reasons for which the network gave up; never more than one.
        stale_ns: When it was told that nothing is heard of the peer.
        ssrcs: What producers have.
    """

    def __init__(self) -> None:
        self.id = "transport"
        self.received: list[Received] = []
        self.connected_ns: int | None = None
        self.closed_for: list[str] = []
        self.stale_ns: list[int] = []
        self.ssrcs: set[int] = set()
        self.link: MediaLink | None = None
        self.closing = asyncio.Event()

    def receive_rtp(self, data: bytes, now_ns: int) -> None:
        self.received.append(Received("rtp", data, now_ns))

    def receive_rtcp(self, data: bytes, now_ns: int) -> None:
        self.received.append(Received("rtcp", data, now_ns))

    def is_receiving(self, ssrc: int) -> bool:
        return ssrc in self.ssrcs

    def link_connected(self, now_ns: int) -> None:
        self.connected_ns = now_ns

    def link_closed(self, reason: str) -> None:
        self.closed_for.append(reason)
        if self.link is not None:
            self.link.close()
        self.closing.set()

    def link_stale(self, now_ns: int) -> None:
        self.stale_ns.append(now_ns)

    def as_transport(self) -> WebRtcTransport:
        return cast(WebRtcTransport, self)


def protect_rtp(session: SrtpSession, packet: bytes) -> bytes:
    """Protects a single packet.

    Raises:
        SrtpError: libsrtp does not take it.
    """
    protected = protect_all(session, [packet])
    if not protected:
        raise SrtpError("refused")
    return protected[0]


def protect_all(session: SrtpSession, packets: Sequence[bytes]) -> list[bytes]:
    """Protects packets; those that are not taken are missing.

    Raises:
        SrtpKeyUsedUpError: The key may protect nothing any more.
    """
    datagrams = FakeDatagrams()
    sender = PacketSender(datagrams, PacketMemory(), None)
    group = sender.group(session.tag_bytes, [(FakeReceiver(), session, ("192.0.2.1", 1))])
    sender.send(Packets(packets), group)
    return [datagram for datagram, _address in datagrams.sent]


class FakeReceiver:
    """Somebody whose key lasts.

    Attributes:
        unsendable: What was not taken.
    """

    def __init__(self) -> None:
        self.unsendable = 0

    def key_used_up(self) -> None:
        raise SrtpKeyUsedUpError("used up")


class FakeDatagrams:
    """Remembers what is sent, one by one.

    Attributes:
        sent: Datagrams and where they went.
        max_segments: Of a call.
    """

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, Address]] = []
        self.max_segments = 64

    def send(self, datagram: bytes | memoryview, address: Address) -> None:
        self.sent.append((bytes(datagram), address))

    def send_run(self, datagrams: Sequence[memoryview], address: Address) -> None:
        for datagram in datagrams:
            self.send(datagram, address)


class FakePort(FakeDatagrams):
    """A port without a socket.

    Attributes:
        known: Username fragments by which checks are recognised.
        retired: Links that have closed.
        wake_ups: How often the worker was called for.
        time_ns: The time.
    """

    def __init__(self, certificate: Certificate) -> None:
        super().__init__()
        self.certificate = certificate
        self.packet_sender = PacketSender(self, PacketMemory(), None)
        self.routes_version = 0
        self.max_incoming_bps = 6_000_000
        self.known: list[str] = []
        self.retired: list[MediaLink] = []
        self.wake_ups = 0
        self.time_ns = 5 * SECOND_NS
        self._issued = 0

    def route_changed(self) -> None:
        self.routes_version += 1

    def new_credentials(self, _link: MediaLink) -> IceParameters:
        self._issued += 1
        parameters = ice_parameters(str(self._issued))
        self.known.append(parameters.username_fragment)
        return parameters

    def forget_username(self, username_fragment: str) -> None:
        self.known.remove(username_fragment)

    def retire(self, link: MediaLink) -> None:
        self.retired.append(link)

    def wake(self) -> None:
        self.wake_ups += 1

    def now_ns(self) -> int:
        return self.time_ns

    def take_sent(self) -> list[bytes]:
        """The datagrams since the last call."""
        sent, self.sent = self.sent, []
        return [datagram for datagram, _address in sent]


class FakeWorker:
    """A worker that only counts.

    Attributes:
        processed: When it was called.
        awaits_rest: Whether it wants the rest of a burst to be waited for.
        next_timeout_ns: When it wants to be called.
    """

    def __init__(self) -> None:
        self.processed: list[int] = []
        self.awaits_rest = False
        self.next_timeout_ns = 1 << 62
        self._called = asyncio.Event()

    def process(self, now_ns: int) -> None:
        self.processed.append(now_ns)
        self._called.set()

    async def next_call(self) -> None:
        """Waits until it is called, from now on."""
        self._called.clear()
        await self._called.wait()

    def as_worker(self) -> Worker:
        return cast(Worker, self)


class FakeClock:
    """A monotonic clock that stands still."""

    def __init__(self) -> None:
        self.now_ns = 100 * SECOND_NS

    def __call__(self) -> int:
        return self.now_ns


def ice_parameters(suffix: str = "") -> IceParameters:
    """Credentials that are easy to recognise."""
    return IceParameters(
        username_fragment=f"fragment{suffix}",
        password=f"password{suffix}".ljust(32, "x"),
        ice_lite=True,
    )


def receive_check(
    ice: IceLite, datagram: bytes, source: Address = HOME, now_ns: int = 0
) -> CheckOutcome | None:
    """Has a well-formed check looked at."""
    request = parse_binding_request(datagram)
    assert request is not None
    return ice.check(request, source, now_ns)
