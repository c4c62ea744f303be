"""DTLS 1.2 for SRTP keys (RFC 6347, RFC 5763, RFC 5764).

`DtlsEndpoint` does no IO and keeps no clock: datagrams go in, datagrams come out. Its steps take
milliseconds of elliptic-curve arithmetic during the handshake, so `net.link` runs them in threads.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL, crypto

from sidecar.net.dtls_records import FINGERPRINT_ALGORITHMS, RECORD_HEADER_BYTES, DtlsRole
from sidecar.net.errors import DtlsError
from sidecar.net.srtp import PROFILES, SrtpProfile, SrtpSession
from sidecar.ortc.parameters import DtlsFingerprint

MTU_BYTES: Final = 1200
"""The largest UDP payload that a handshake sends, safe behind any VPN or tunnel."""

OFFERED_ALGORITHMS: Final = ("sha-512", "sha-384", "sha-256")
"""sha-256 comes last: mediasoup-client puts the last one into its session description."""

CERTIFICATE_LIFETIME: Final = datetime.timedelta(days=3650)
"""Peers trust the fingerprint, not the dates; a class must not end because a clock is wrong."""

DTLS1_2_VERSION: Final = 0xFEFD
"""RFC 6347 section 4.1; pyOpenSSL names only the TLS versions."""

# Our certificate is ECDSA; the RSA suites are for peers with an RSA one when we are the client.
CIPHERS: Final = (
    b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:"
    b"ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-CHACHA20-POLY1305"
)

EXPORTER_LABEL: Final = b"EXTRACTOR-dtls_srtp"
"""RFC 5764 section 4.2."""


class Certificate:
    """The self-signed certificate of this process and the TLS context around it."""

    def __init__(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _self_signed(key)
        self._der = crypto.dump_certificate(
            crypto.FILETYPE_ASN1, crypto.X509.from_cryptography(certificate)
        )
        context = SSL.Context(SSL.DTLS_METHOD)
        context.set_min_proto_version(DTLS1_2_VERSION)
        context.set_options(SSL.OP_NO_QUERY_MTU | SSL.OP_NO_TICKET | SSL.OP_NO_RENEGOTIATION)
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        # Every certificate is self-signed here; what counts is its fingerprint, checked by
        # `DtlsEndpoint` when the handshake is done.
        context.set_verify(
            SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_arguments: True
        )
        context.use_certificate(certificate)
        context.use_privatekey(key)
        context.set_cipher_list(CIPHERS)
        context.set_tlsext_use_srtp(":".join(profile.name for profile in PROFILES).encode())
        self.context = context
        self.fingerprints = [
            DtlsFingerprint(algorithm=algorithm, value=_fingerprint(self._der, algorithm))
            for algorithm in OFFERED_ALGORITHMS
        ]

    def endpoint(
        self, role: DtlsRole, peer_fingerprints: Sequence[DtlsFingerprint]
    ) -> DtlsEndpoint:
        """Starts an association in a role, with whom the fingerprints say."""
        return DtlsEndpoint(self, role, peer_fingerprints)


class DtlsEndpoint:
    """One side of one DTLS association.

    Not thread-safe: its calls may come from different threads, but only one at a time.

    Attributes:
        srtp: The keyed SRTP session once the handshake is done and the peer is who it said.
        closed: The peer has sent close_notify.
    """

    def __init__(
        self,
        certificate: Certificate,
        role: DtlsRole,
        peer_fingerprints: Sequence[DtlsFingerprint],
    ) -> None:
        self._role: DtlsRole = role
        self._peer_fingerprints = peer_fingerprints
        self.srtp: SrtpSession | None = None
        self.closed = False
        self._connection = SSL.Connection(certificate.context, None)
        self._connection.set_ciphertext_mtu(MTU_BYTES)
        if role == "client":
            self._connection.set_connect_state()
        else:
            self._connection.set_accept_state()

    @property
    def timeout_ns(self) -> int | None:
        """How long until the last flight has to be sent again, or None (RFC 6347 section 4.2.4)."""
        timeout_s = self._connection.DTLSv1_get_timeout()
        return None if timeout_s is None else round(timeout_s * 1e9)

    def step(self, datagrams: list[bytes]) -> list[bytes]:
        """Takes what arrived (nothing, for a client's first step) and goes as far as it can.

        Returns:
            Datagrams to send.

        Raises:
            DtlsError: The handshake failed, or the certificate is not the announced one.
        """
        outgoing: list[bytes] = []
        for datagram in datagrams or [b""]:
            if datagram:
                self._connection.bio_write(datagram)
            self._advance()
            outgoing += self.drain()
        return outgoing

    def handle_timeout(self) -> list[bytes]:
        """Sends the last flight again if its time has come.

        Raises:
            DtlsError: It has been sent too often.
        """
        try:
            self._connection.DTLSv1_handle_timeout()
        except SSL.Error as error:
            raise DtlsError("the handshake timed out") from error
        return self.drain()

    def close(self) -> list[bytes]:
        """Says close_notify, where there is somebody to say it to."""
        if self.srtp is None or self.closed:
            return []
        try:
            self._connection.shutdown()
        except SSL.Error:
            return []
        return self.drain()

    def drain(self) -> list[bytes]:
        """What waits to be sent: after a `DtlsError`, the alert that tells the peer."""
        try:
            return split_into_datagrams(self._connection.bio_read(65536))
        except SSL.WantReadError:
            return []

    def _advance(self) -> None:
        try:
            if self.srtp is None:
                self._connection.do_handshake()
                self._finish_handshake()
            while True:
                self._connection.recv(MTU_BYTES)  # application data has no meaning here
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            self.closed = True
        except SSL.Error as error:
            raise DtlsError(_reason(error)) from error

    def _finish_handshake(self) -> None:
        try:
            self._verify_peer()
            self.srtp = self._key_srtp(self._negotiated_profile())
        except DtlsError:
            self._connection.shutdown()  # so that the peer learns that nothing will come
            raise

    def _negotiated_profile(self) -> SrtpProfile:
        selected = self._connection.get_selected_srtp_profile().decode()
        for profile in PROFILES:
            if profile.name == selected:
                return profile
        raise DtlsError("the peer offered no SRTP profile that we know")

    def _key_srtp(self, profile: SrtpProfile) -> SrtpSession:
        material = self._connection.export_keying_material(
            EXPORTER_LABEL, profile.keying_material_bytes
        )
        return SrtpSession(profile, material, is_dtls_client=self._role == "client")

    def _verify_peer(self) -> None:
        certificate = self._connection.get_peer_certificate()
        if certificate is None:
            raise DtlsError("the peer sent no certificate")
        der = crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)
        for announced in self._peer_fingerprints:
            if announced.algorithm.lower() not in FINGERPRINT_ALGORITHMS:
                continue
            actual = _fingerprint(der, announced.algorithm)
            if hmac.compare_digest(actual.encode(), announced.value.upper().encode()):
                return
        raise DtlsError("the peer's certificate does not match the announced fingerprint")


def split_into_datagrams(records: bytes) -> list[bytes]:
    """Cuts a stream of DTLS records at record boundaries into datagrams of at most the MTU.

    OpenSSL's memory BIO runs the records of a flight together (RFC 6347 section 4.1.1: a record
    must fit in one datagram, a datagram may hold several).
    """
    datagrams: list[bytes] = []
    start = position = 0
    while position < len(records):
        length = int.from_bytes(records[position + 11 : position + 13], "big")
        end = position + RECORD_HEADER_BYTES + length
        if end - start > MTU_BYTES and position > start:
            datagrams.append(records[start:position])
            start = position
        position = end
    if start < len(records):
        datagrams.append(records[start:])
    return datagrams


def _fingerprint(der: bytes, algorithm: str) -> str:
    digest = hashlib.new(FINGERPRINT_ALGORITHMS[algorithm.lower()], der, usedforsecurity=False)
    return digest.digest().hex(":").upper()


def _self_signed(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, secrets.token_hex(8))])
    now = datetime.datetime.now(tz=datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CERTIFICATE_LIFETIME)
        .not_valid_after(now + CERTIFICATE_LIFETIME)
        .sign(key, hashes.SHA256())
    )


def _reason(error: SSL.Error) -> str:
    """OpenSSL's own words for what went wrong."""
    queue = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return "; ".join(str(entry[-1]) for entry in queue) or "the DTLS connection broke"
