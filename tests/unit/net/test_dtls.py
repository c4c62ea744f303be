"""DTLS: handshakes in both roles over an unreliable network, and with whom there is none."""

from __future__ import annotations

import datetime
import random
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from OpenSSL import SSL

from sidecar.net.dtls import (
    MTU_BYTES,
    Certificate,
    DtlsEndpoint,
    split_into_datagrams,
)
from sidecar.net.dtls_records import FINGERPRINT_ALGORITHMS, is_dtls
from sidecar.net.errors import DtlsError
from sidecar.net.srtp import SrtpSession
from sidecar.ortc.parameters import DtlsFingerprint
from tests.unit.net.support import protect_rtp, shake_hands

ALERT, HANDSHAKE = 21, 22

OUR_CERTIFICATE = Certificate()
PEER_CERTIFICATE = Certificate()

RTP_PACKET = bytes([0x80, 96, 0, 1]) + bytes(4) + b"ssrc" + b"payload"


def make_client() -> DtlsEndpoint:
    return DtlsEndpoint(PEER_CERTIFICATE, "client", OUR_CERTIFICATE.fingerprints)


def make_server() -> DtlsEndpoint:
    return DtlsEndpoint(OUR_CERTIFICATE, "server", PEER_CERTIFICATE.fingerprints)


def keyed(endpoint: DtlsEndpoint) -> SrtpSession:
    assert endpoint.srtp is not None
    return endpoint.srtp


def assert_media_flows(one: DtlsEndpoint, other: DtlsEndpoint) -> None:
    for sender, receiver in ((one, other), (other, one)):
        protected = protect_rtp(keyed(sender), RTP_PACKET)
        assert keyed(receiver).unprotect_rtp(protected) == RTP_PACKET


def connected_pair() -> tuple[DtlsEndpoint, DtlsEndpoint]:
    client, server = make_client(), make_server()
    shake_hands(client, server)
    return client, server


def foreign_connection(
    configure: Callable[[SSL.Context], None], *, profiles: bytes | None = None
) -> SSL.Connection:
    """The client of somebody else's making, about to say ClientHello."""
    context = SSL.Context(SSL.DTLS_METHOD)
    key, certificate = self_signed(ec.generate_private_key(ec.SECP256R1()))
    context.use_certificate(certificate)
    context.use_privatekey(key)
    if profiles is not None:
        context.set_tlsext_use_srtp(profiles)
    configure(context)
    connection = SSL.Connection(context, None)
    connection.set_connect_state()
    return connection


def self_signed(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, *, comment_bytes: int = 0
) -> tuple[ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, x509.Certificate]:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "somebody else")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.datetime(2020, 1, 1))
        .not_valid_after(datetime.datetime(2040, 1, 1))
    )
    if comment_bytes:
        names = x509.SubjectAlternativeName([x509.DNSName("a" * comment_bytes)])
        builder = builder.add_extension(names, critical=False)
    return key, builder.sign(key, hashes.SHA256())


def with_certificate(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
    certificate: x509.Certificate,
    *,
    profiles: bytes = b"SRTP_AEAD_AES_128_GCM",
) -> tuple[Certificate, list[DtlsFingerprint]]:
    """A peer with a certificate that does not look like ours, and its fingerprints."""
    context = SSL.Context(SSL.DTLS_METHOD)
    context.set_options(SSL.OP_NO_QUERY_MTU)
    context.set_verify(SSL.VERIFY_PEER, lambda *_arguments: True)
    context.use_certificate(certificate)
    context.use_privatekey(key)
    context.set_tlsext_use_srtp(profiles)
    fingerprint = certificate.fingerprint(hashes.SHA256()).hex(":").upper()
    stand_in = cast(Certificate, SimpleNamespace(context=context))
    return stand_in, [DtlsFingerprint(algorithm="sha-256", value=fingerprint)]


def advance(connection: SSL.Connection, datagrams: list[bytes]) -> list[bytes]:
    """A foreign connection's `DtlsEndpoint.step`."""
    for datagram in datagrams:
        connection.bio_write(datagram)
    try:
        connection.do_handshake()
    except SSL.WantReadError:
        pass
    try:
        return split_into_datagrams(connection.bio_read(65536))
    except SSL.WantReadError:
        return []


def test_both_sides_get_the_same_keys() -> None:
    client, server = connected_pair()
    assert_media_flows(client, server)
    assert client.timeout_ns is None
    assert server.timeout_ns is None
    assert not client.closed
    assert not server.closed


def test_nothing_is_keyed_before_the_end() -> None:
    client, server = make_client(), make_server()
    flight = client.step([])
    assert client.srtp is None
    flight = server.step(flight)
    assert server.srtp is None
    flight = client.step(flight)
    assert client.srtp is None
    flight = server.step(flight)
    assert server.srtp is not None
    assert client.step(flight) == []
    assert client.srtp is not None


def test_the_best_profile_is_chosen() -> None:
    """AEAD_AES_256_GCM adds 16 bytes where AES_CM_128_HMAC_SHA1_80 adds 10."""
    client, server = connected_pair()
    assert len(protect_rtp(keyed(client), RTP_PACKET)) == len(RTP_PACKET) + 16
    assert len(protect_rtp(keyed(server), RTP_PACKET)) == len(RTP_PACKET) + 16


@pytest.mark.parametrize(
    ("offered", "overhead_bytes"),
    [
        (b"SRTP_AES128_CM_SHA1_80", 10),
        (b"SRTP_AEAD_AES_128_GCM", 16),
        (b"SRTP_AES128_CM_SHA1_32:SRTP_AES128_CM_SHA1_80", 10),
        (b"SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_256_GCM", 16),
    ],
)
def test_a_peer_with_fewer_profiles_is_served(offered: bytes, overhead_bytes: int) -> None:
    key, certificate = self_signed(ec.generate_private_key(ec.SECP256R1()))
    peer, fingerprints = with_certificate(key, certificate, profiles=offered)
    server = DtlsEndpoint(OUR_CERTIFICATE, "server", fingerprints)
    client = DtlsEndpoint(peer, "client", OUR_CERTIFICATE.fingerprints)
    shake_hands(client, server)
    assert_media_flows(client, server)
    protected = protect_rtp(keyed(server), RTP_PACKET[:-1] + b"?")
    assert len(protected) == len(RTP_PACKET) + overhead_bytes


@pytest.mark.parametrize(
    "profiles",
    [
        pytest.param(None, id="no use_srtp extension"),
        pytest.param(b"SRTP_AES128_CM_SHA1_32", id="none in common"),
    ],
)
def test_without_a_common_srtp_profile_there_is_no_connection(profiles: bytes | None) -> None:
    client = foreign_connection(lambda context: None, profiles=profiles)
    certificate = client.get_certificate(as_cryptography=True)
    assert certificate is not None
    fingerprint = certificate.fingerprint(hashes.SHA256()).hex(":")
    server = DtlsEndpoint(
        OUR_CERTIFICATE, "server", [DtlsFingerprint(algorithm="sha-256", value=fingerprint)]
    )
    flight = server.step(advance(client, []))
    with pytest.raises(DtlsError, match="SRTP profile"):
        server.step(advance(client, flight))
    assert server.srtp is None
    assert_says_goodbye(client, server.drain())


def assert_says_goodbye(client: SSL.Connection, datagrams: list[bytes]) -> None:
    """The client, whose handshake has succeeded, learns that the other side is leaving."""
    for datagram in datagrams:
        client.bio_write(datagram)
    client.do_handshake()
    with pytest.raises(SSL.ZeroReturnError):
        client.recv(1)


def test_a_wrong_fingerprint_is_no_connection_and_the_peer_is_told() -> None:
    impostor = Certificate()
    server = DtlsEndpoint(OUR_CERTIFICATE, "server", impostor.fingerprints)
    client = make_client()
    flight = client.step(server.step(client.step([])))
    with pytest.raises(DtlsError, match="fingerprint"):
        server.step(flight)
    assert server.srtp is None
    client.step(server.drain())
    assert client.closed


def test_a_client_checks_the_fingerprint_too() -> None:
    client = DtlsEndpoint(PEER_CERTIFICATE, "client", Certificate().fingerprints)
    server = make_server()
    flight = server.step(client.step(server.step(client.step([]))))
    with pytest.raises(DtlsError, match="fingerprint"):
        client.step(flight)
    assert client.srtp is None
    server.step(client.drain())
    assert server.closed


@pytest.mark.parametrize("algorithm", FINGERPRINT_ALGORITHMS)
def test_every_algorithm_of_fingerprints_is_checked(algorithm: str) -> None:
    shown = shown_certificate(PEER_CERTIFICATE)
    digest = getattr(hashes, FINGERPRINT_ALGORITHMS[algorithm].upper())()
    value = shown.fingerprint(digest).hex(":")
    for spelling, text in ((algorithm, value), (algorithm.upper(), value.upper())):
        server = DtlsEndpoint(
            OUR_CERTIFICATE, "server", [DtlsFingerprint(algorithm=spelling, value=text)]
        )
        client = make_client()
        shake_hands(client, server)
        assert_media_flows(client, server)


def shown_certificate(certificate: Certificate) -> x509.Certificate:
    shown = SSL.Connection(certificate.context, None).get_certificate(as_cryptography=True)
    assert shown is not None
    return shown


def test_one_matching_fingerprint_is_enough_and_unknown_algorithms_are_passed_over() -> None:
    good = PEER_CERTIFICATE.fingerprints[-1]
    announced = [DtlsFingerprint(algorithm="md2", value="00:11"), good]
    server = DtlsEndpoint(OUR_CERTIFICATE, "server", announced)
    client = make_client()
    shake_hands(client, server)
    assert_media_flows(client, server)


def test_only_unknown_algorithms_match_nothing() -> None:
    announced = [DtlsFingerprint(algorithm="md2", value="00:11")]
    server, client = DtlsEndpoint(OUR_CERTIFICATE, "server", announced), make_client()
    flight = client.step(server.step(client.step([])))
    with pytest.raises(DtlsError, match="fingerprint"):
        server.step(flight)


def test_our_fingerprints_are_those_of_our_certificate() -> None:
    """sha-256 is last, since it is the last one that mediasoup-client uses."""
    shown = shown_certificate(OUR_CERTIFICATE)
    assert [each.algorithm for each in OUR_CERTIFICATE.fingerprints] == [
        "sha-512",
        "sha-384",
        "sha-256",
    ]
    for each, digest in zip(
        OUR_CERTIFICATE.fingerprints,
        (hashes.SHA512(), hashes.SHA384(), hashes.SHA256()),
        strict=True,
    ):
        assert each.value == shown.fingerprint(digest).hex(":").upper()


def test_every_process_has_its_own_certificate() -> None:
    assert OUR_CERTIFICATE.fingerprints != PEER_CERTIFICATE.fingerprints


def test_a_client_hello_split_over_datagrams_is_put_together() -> None:
    client, server = make_client(), make_server()
    (hello,) = client.step([])
    fragments = fragmented(hello, fragment_bytes=40)
    assert len(fragments) > 3
    for fragment in fragments[:-1]:
        assert server.step([fragment]) == []
    flight = server.step(client.step(server.step(fragments[-1:])))
    client.step(flight)
    assert_media_flows(client, server)


def fragmented(record: bytes, *, fragment_bytes: int) -> list[bytes]:
    """Cuts a record with one handshake message into records of parts (RFC 6347 section 4.2.3)."""
    version, kind_length_sequence, body = record[1:3], record[13:19], record[25:]
    fragments: list[bytes] = []
    for start in range(0, len(body), fragment_bytes):
        part = body[start : start + fragment_bytes]
        message = kind_length_sequence + start.to_bytes(3, "big") + len(part).to_bytes(3, "big")
        # Epoch 0; records 1 to 31 are left to the sender's next flight.
        number = (32 + len(fragments)).to_bytes(8, "big")
        length = (len(message) + len(part)).to_bytes(2, "big")
        fragments.append(bytes([HANDSHAKE]) + version + number + length + message + part)
    return fragments


def records_of(datagram: bytes) -> list[bytes]:
    """The DTLS records in a datagram."""
    records = []
    while datagram:
        length = 13 + int.from_bytes(datagram[11:13], "big")
        records.append(datagram[:length])
        datagram = datagram[length:]
    return records


def exchange(mangle: Callable[[list[bytes]], list[bytes]]) -> tuple[DtlsEndpoint, DtlsEndpoint]:
    """A handshake over a network that does something to the records of each flight."""
    client, server = make_client(), make_server()
    flight, receiver, sender = client.step([]), server, client
    while flight:
        records = [record for datagram in flight for record in records_of(datagram)]
        flight = receiver.step(mangle(records))
        receiver, sender = sender, receiver
    return client, server


def test_duplicated_datagrams_do_no_harm() -> None:
    assert_media_flows(*exchange(lambda records: [each for each in records for _ in range(2)]))


@pytest.mark.parametrize("seed", range(5))
def test_a_reordered_flight_is_sorted(seed: int) -> None:
    client, server = make_client(), make_server()
    records = [record for each in server.step(client.step([])) for record in records_of(each)]
    assert len(records) > 3
    random.Random(seed).shuffle(records)
    client.step(server.step(client.step(records)))
    assert_media_flows(client, server)


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(bytes([HANDSHAKE]) + bytes(12), id="empty record"),
        pytest.param(bytes([HANDSHAKE, 0xFE, 0xFD]) + bytes(40), id="record shorter than it says"),
        pytest.param(bytes([63]) * 100, id="unknown record type"),
        pytest.param(bytes([ALERT, 0xFE, 0xFD]) + bytes([0, 9]) * 20, id="wrong epoch"),
    ],
)
def test_garbage_before_a_handshake_is_passed_over(garbage: bytes) -> None:
    server, client = make_server(), make_client()
    server.step([garbage])
    shake_hands(client, server)
    assert_media_flows(client, server)


def test_garbage_and_application_data_after_a_handshake_are_passed_over() -> None:
    client, server = connected_pair()
    assert server.step([bytes([HANDSHAKE, 0xFE, 0xFD]) + bytes(60)]) == []
    connection = cast(Any, client)._connection
    connection.send(b"has no meaning here")
    assert server.step(client.drain()) == []
    assert not server.closed
    assert_media_flows(client, server)


def test_a_lost_flight_is_sent_again() -> None:
    """Whichever flight is lost, also the last one, for which the server sets no timer.

    And also one of which ChangeCipherSpec came first: OpenSSL does not keep that one.

    OpenSSL's timer takes a second of the wall clock and cannot be set, so that is what this test
    takes, once for all.
    """
    pairs = [lose_a_flight(flights_carried) for flights_carried in range(4)]
    pairs.append(exchange(lambda records: records[::-1]))
    for client, server in pairs:
        assert client.srtp is None
        assert client.timeout_ns is not None
        assert client.handle_timeout() == server.handle_timeout() == []  # it is not time yet
    for client, server in pairs:
        wait_until_due(client)
        wait_until_due(server)
        to_server, to_client = client.handle_timeout(), server.handle_timeout()
        assert to_server
        while to_server or to_client:
            to_server, to_client = (
                client.step(to_client) if to_client else [],
                server.step(to_server) if to_server else [],
            )
        assert_media_flows(client, server)


def lose_a_flight(flights_carried: int) -> tuple[DtlsEndpoint, DtlsEndpoint]:
    client, server = make_client(), make_server()
    flight, receiver, sender = client.step([]), server, client
    for _ in range(flights_carried):
        flight, receiver, sender = receiver.step(flight), sender, receiver
    assert flight
    return client, server


def wait_until_due(endpoint: DtlsEndpoint) -> None:
    while timeout_ns := endpoint.timeout_ns:
        time.sleep(timeout_ns / 1e9)


def test_no_datagram_is_longer_than_the_mtu() -> None:
    """Not even with a certificate that does not fit into one."""
    key, certificate = self_signed(ec.generate_private_key(ec.SECP256R1()), comment_bytes=4000)
    bulky, fingerprints = with_certificate(key, certificate)
    for client, server in (
        (
            DtlsEndpoint(bulky, "client", OUR_CERTIFICATE.fingerprints),
            DtlsEndpoint(OUR_CERTIFICATE, "server", fingerprints),
        ),
        (
            DtlsEndpoint(PEER_CERTIFICATE, "client", fingerprints),
            DtlsEndpoint(bulky, "server", PEER_CERTIFICATE.fingerprints),
        ),
    ):
        datagrams = shake_hands(client, server)
        assert_media_flows(client, server)
        assert sum(map(len, datagrams)) > 5000
        assert max(map(len, datagrams)) <= MTU_BYTES


def test_a_server_with_an_rsa_certificate_is_served() -> None:
    key, certificate = self_signed(rsa.generate_private_key(65537, 2048))
    peer, fingerprints = with_certificate(key, certificate)
    client = DtlsEndpoint(OUR_CERTIFICATE, "client", fingerprints)
    server = DtlsEndpoint(peer, "server", OUR_CERTIFICATE.fingerprints)
    shake_hands(client, server)
    assert_media_flows(client, server)


def test_dtls_1_0_is_refused() -> None:
    def only_dtls_1_0(context: SSL.Context) -> None:
        context.set_min_proto_version(0xFEFF)
        context.set_max_proto_version(0xFEFF)
        context.set_cipher_list(b"ALL:@SECLEVEL=0")

    hello = advance(foreign_connection(only_dtls_1_0), [])
    assert hello
    server = make_server()
    with pytest.raises(DtlsError, match="protocol"):
        server.step(hello)
    (alert,) = server.drain()
    assert alert[0] == ALERT


def test_a_client_without_a_certificate_is_refused() -> None:
    context = SSL.Context(SSL.DTLS_METHOD)
    context.set_tlsext_use_srtp(b"SRTP_AEAD_AES_128_GCM")
    anonymous = SSL.Connection(context, None)
    anonymous.set_connect_state()
    server = make_server()
    flight = server.step(advance(anonymous, []))
    with pytest.raises(DtlsError, match="certificate"):
        server.step(advance(anonymous, flight))
    (alert,) = server.drain()
    assert alert[0] == ALERT


@pytest.mark.parametrize("leaving", ["client", "server"])
def test_who_leaves_says_so(leaving: str) -> None:
    client, server = connected_pair()
    one, other = (client, server) if leaving == "client" else (server, client)
    goodbye = one.close()
    assert goodbye
    other.step(goodbye)
    assert other.closed
    assert other.close() == []


def test_goodbye_is_said_once_and_only_after_a_handshake() -> None:
    client, server = make_client(), make_server()
    assert client.close() == []
    server.step(client.step([]))
    assert server.close() == []


def test_a_fatal_alert_ends_the_handshake() -> None:
    server, client = make_server(), make_client()
    server.step(client.step([]))
    alert = bytes([ALERT, 0xFE, 0xFD]) + bytes(7) + bytes([9, 0, 2, 2, 40])
    with pytest.raises(DtlsError, match="handshake failure"):
        server.step([alert])


def test_dtls_is_told_by_its_first_byte() -> None:
    for first_byte in range(256):
        assert is_dtls(bytes([first_byte]) + bytes(12)) == (20 <= first_byte <= 63)
    assert not is_dtls(bytes([HANDSHAKE]) + bytes(11))
    assert not is_dtls(b"")


def record(length: int) -> bytes:
    return bytes([HANDSHAKE, 0xFE, 0xFD]) + bytes(8) + length.to_bytes(2, "big") + bytes(length)


def test_records_share_datagrams_while_they_fit() -> None:
    small = record(100)
    assert split_into_datagrams(b"") == []
    assert split_into_datagrams(small) == [small]
    assert split_into_datagrams(small * 3) == [small * 3]


def test_datagrams_are_cut_between_records() -> None:
    large, small = record(MTU_BYTES - 13), record(1)
    assert len(large) == MTU_BYTES
    assert split_into_datagrams(large + small) == [large, small]
    assert split_into_datagrams(small + large) == [small, large]
    assert split_into_datagrams(large + large) == [large, large]


def test_a_record_is_never_cut() -> None:
    giant = record(MTU_BYTES)
    assert split_into_datagrams(giant + record(1)) == [giant, record(1)]
