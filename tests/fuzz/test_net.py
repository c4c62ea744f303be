"""Any bytes on the UDP port give a value or this layer's error, and never another."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.net.addresses import AddressBook
from sidecar.net.dtls import (
    MTU_BYTES,
    Certificate,
    DtlsEndpoint,
    split_into_datagrams,
)
from sidecar.net.dtls_records import DtlsRole, is_dtls
from sidecar.net.errors import DtlsError, SrtpError
from sidecar.net.ice import IceLite, Pair
from sidecar.net.link import MediaLink
from sidecar.net.media_port import MediaPort
from sidecar.net.media_socket import open_media_socket
from sidecar.net.srtp import PROFILES, SrtpProfile, SrtpSession
from sidecar.net.stun import is_stun, parse_binding_request
from sidecar.ortc.parameters import DtlsParameters
from tests.fuzz.mutations import mutated
from tests.unit.net.support import (
    BINDING_REQUEST,
    FakePort,
    FakeTransport,
    FakeWorker,
    ManualLoop,
    StunMessage,
    build_check,
    build_stun,
    check_attributes,
    ice_parameters,
    protect_rtp,
    receive_check,
    shake_hands,
)

CERTIFICATE = Certificate()
PEER_CERTIFICATE = Certificate()
PARAMETERS = ice_parameters()
HOME = ("192.0.2.1", 1000)

stun_attributes = st.lists(
    st.one_of(
        st.sampled_from(check_attributes(PARAMETERS, nominate=True)),
        st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=24)),
        st.tuples(
            st.sampled_from((0x0001, 0x0006, 0x0008, 0x0009, 0x0020)), st.binary(max_size=24)
        ),
    ),
    max_size=6,
)
checks = st.builds(
    build_stun,
    st.one_of(st.just(BINDING_REQUEST), st.integers(0, 0x3FFF)),
    stun_attributes,
    password=st.sampled_from((None, "wrong", PARAMETERS.password)),
    after_integrity=stun_attributes,
    fingerprint=st.booleans(),
)
stun_like = st.one_of(st.binary(max_size=200), checks, mutated(checks))


def handshake_datagrams() -> list[bytes]:
    """What both sides of a handshake send."""
    client = DtlsEndpoint(PEER_CERTIFICATE, "client", CERTIFICATE.fingerprints)
    server = DtlsEndpoint(CERTIFICATE, "server", PEER_CERTIFICATE.fingerprints)
    return [*shake_hands(client, server), *client.close(), *server.close()]


record_headers = st.builds(
    lambda kind, version, epoch_and_number, length: (
        bytes([kind]) + version + epoch_and_number + length.to_bytes(2, "big")
    ),
    st.sampled_from((20, 21, 22, 23, 24, 63)),
    st.sampled_from((b"\xfe\xfd", b"\xfe\xff", b"\x03\x03")),
    st.one_of(st.just(bytes(8)), st.binary(min_size=8, max_size=8)),
    st.integers(0, 60),
)
records = st.builds(bytes.__add__, record_headers, st.binary(max_size=60))
dtls_like = st.one_of(
    st.binary(max_size=200), records, mutated(st.sampled_from(handshake_datagrams()))
)

media_like = st.builds(
    bytes.__add__,
    st.sampled_from((b"\x80", b"\x90", b"\xb0", b"\xbf")),
    st.one_of(st.binary(max_size=120), st.binary(min_size=1300, max_size=1700)),
)


def srtp_pair(profile: SrtpProfile) -> tuple[SrtpSession, SrtpSession]:
    material = bytes(range(profile.keying_material_bytes))
    return (
        SrtpSession(profile, material, is_dtls_client=True),
        SrtpSession(profile, material, is_dtls_client=False),
    )


PAIRS = [srtp_pair(profile) for profile in PROFILES]


@given(stun_like)
def test_stun(data: bytes) -> None:
    is_stun(data)
    request = parse_binding_request(data)
    if request is None:
        return
    ice = IceLite(PARAMETERS)
    outcome = ice.check(request, HOME, 0)
    assert (ice.selected == HOME) == (outcome is not None and outcome.validated)
    if outcome is not None:
        answer = StunMessage(outcome.response)
        assert answer.transaction_id == data[8:20]
        assert answer.integrity_holds(PARAMETERS.password)
        assert answer.fingerprint_holds()


@given(st.binary(max_size=200), st.lists(st.integers(0, 2000), max_size=6))
def test_datagrams_are_the_records(tail: bytes, lengths: list[int]) -> None:
    whole = b"".join(
        bytes([22, 0xFE, 0xFD]) + bytes(8) + length.to_bytes(2, "big") + bytes(length)
        for length in lengths
    )
    datagrams = split_into_datagrams(whole + tail)
    assert b"".join(datagrams) == whole + tail
    assert all(datagrams)
    for datagram in split_into_datagrams(whole):
        first_record_bytes = 13 + int.from_bytes(datagram[11:13], "big")
        assert len(datagram) <= max(MTU_BYTES, first_record_bytes)


@given(st.sampled_from(("client", "server")), st.lists(dtls_like, max_size=4))
def test_a_handshake(role: DtlsRole, datagrams: list[bytes]) -> None:
    endpoint = DtlsEndpoint(CERTIFICATE, role, PEER_CERTIFICATE.fingerprints)
    try:
        endpoint.step([])
        for datagram in datagrams:
            is_dtls(datagram)
            endpoint.step([datagram])
            assert endpoint.timeout_ns is None or endpoint.timeout_ns >= 0
    except DtlsError:
        pass
    assert endpoint.srtp is None
    endpoint.drain()
    assert endpoint.close() == []


@given(st.lists(dtls_like, max_size=4))
def test_after_a_handshake(datagrams: list[bytes]) -> None:
    client = DtlsEndpoint(PEER_CERTIFICATE, "client", CERTIFICATE.fingerprints)
    server = DtlsEndpoint(CERTIFICATE, "server", PEER_CERTIFICATE.fingerprints)
    shake_hands(client, server)
    try:
        for datagram in datagrams:
            server.step([datagram])
    except DtlsError:
        return
    assert not server.closed
    assert client.srtp is not None and server.srtp is not None
    packet = bytes([0x80, 96, 0, 1]) + bytes(12)
    assert server.srtp.unprotect_rtp(protect_rtp(client.srtp, packet)) == packet


@given(st.sampled_from(PAIRS), st.one_of(st.binary(max_size=80), media_like))
def test_srtp_from_strangers(pair: tuple[SrtpSession, SrtpSession], data: bytes) -> None:
    receiver = pair[1]
    with pytest.raises(SrtpError):
        receiver.unprotect_rtp(data)
    with pytest.raises(SrtpError):
        receiver.unprotect_rtcp(data)


@given(st.sampled_from(PROFILES), st.one_of(st.binary(max_size=80), media_like))
def test_srtp_to_a_peer(profile: SrtpProfile, data: bytes) -> None:
    sender, receiver = srtp_pair(profile)
    try:
        assert receiver.unprotect_rtp(protect_rtp(sender, data)) == data
    except SrtpError:
        pass
    try:
        assert receiver.unprotect_rtcp(sender.protect_rtcp(data)) == data
    except SrtpError:
        pass


@given(st.lists(st.one_of(stun_like, dtls_like, media_like), max_size=6), st.booleans())
def test_a_link(datagrams: list[bytes], connected: bool) -> None:
    """Whatever a peer sends from an address that has passed a check."""
    loop, port, transport = ManualLoop(), FakePort(CERTIFICATE), FakeTransport()
    link = MediaLink(
        port,
        transport.as_transport(),
        [],
        loop.as_loop(),
        cast(ThreadPoolExecutor, None),
    )
    transport.link = link
    pair = Pair(HOME)
    fingerprints = tuple(PEER_CERTIFICATE.fingerprints)
    link.connect(DtlsParameters(fingerprints=fingerprints, role="client"))
    if connected:
        peer = DtlsEndpoint(PEER_CERTIFICATE, "client", CERTIFICATE.fingerprints)
        check = build_check(link.ice_parameters, nominate=True)
        assert receive_check(link.ice, check) is not None
        flight = peer.step([])
        while flight:
            for datagram in flight:
                link.receive(datagram, pair, 0)
            loop.run_steps()
            sent = port.take_sent()
            flight = peer.step(sent) if sent else []
        assert transport.connected_ns is not None
    for datagram in datagrams:
        if datagram:
            link.receive(datagram, pair, 0)
            loop.run_steps()
    assert transport.received == []
    assert transport.closed_for in ([], ["dtls-failed"])
    link.close()
    loop.run_steps()


@given(st.lists(st.one_of(stun_like, dtls_like, media_like), max_size=12))
def test_the_port(datagrams: list[bytes]) -> None:
    """Whatever a peer or a stranger sends to the socket, the next check is answered."""
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        errors = runner.run(send_to_port(datagrams))
    assert errors == []


async def send_to_port(datagrams: list[bytes]) -> list[dict[str, Any]]:
    """Returns what the event loop's exception handler was told."""
    loop = asyncio.get_running_loop()
    errors: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _loop, context: errors.append(context))
    port = MediaPort(
        open_media_socket("127.0.0.1", 0, 0),
        AddressBook(bound_to="127.0.0.1", announced=()),
        lambda: CERTIFICATE,
    )
    port.start(FakeWorker().as_worker())
    link = port.open_link(FakeTransport().as_transport(), None)
    check = build_check(link.ice_parameters)
    with closing(open_media_socket("127.0.0.1", 0, 0)) as peer:
        peer.connect(("127.0.0.1", port.port))
        peer.send(check)
        answer = await loop.sock_recv(peer, 2048)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for datagram in datagrams:
                peer.send(datagram)
                stranger.sendto(datagram, peer.getpeername())
        peer.send(check)
        assert await loop.sock_recv(peer, 2048) == answer
    link.close()
    port.close()
    return errors
