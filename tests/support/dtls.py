"""DTLS-SRTP of a test peer: certificate, handshake over datagrams, the SRTP sessions it yields.

RFC 5764 (DTLS-SRTP), RFC 8122 (fingerprints). Either role, any subset of SRTP profiles.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL
from pylibsrtp import Policy, Session

DtlsRole = Literal["client", "server"]

MTU_BYTES = 1200
RECORD_HEADER_BYTES = 13
REPLAY_WINDOW_PACKETS = 1024

_HASHES: dict[str, Callable[[], hashes.HashAlgorithm]] = {
    "sha-1": hashes.SHA1,
    "sha-224": hashes.SHA224,
    "sha-256": hashes.SHA256,
    "sha-384": hashes.SHA384,
    "sha-512": hashes.SHA512,
}


class DtlsError(Exception):
    """The handshake failed, or the peer is not who its fingerprint says."""


@dataclass(frozen=True, slots=True)
class SrtpProfile:
    """A protection profile of RFC 5764 and RFC 7714 and the size of its keys."""

    name: str
    policy: int
    key_bytes: int
    salt_bytes: int


SRTP_PROFILES = (
    SrtpProfile("SRTP_AEAD_AES_256_GCM", Policy.SRTP_PROFILE_AEAD_AES_256_GCM, 32, 12),
    SrtpProfile("SRTP_AEAD_AES_128_GCM", Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 16, 12),
    SrtpProfile("SRTP_AES128_CM_SHA1_80", Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 16, 14),
)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A self-signed ECDSA certificate with its key."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def generate(cls) -> Self:
        """Make a new key and certificate (about a millisecond)."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test peer")])
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .sign(key, hashes.SHA256())
        )
        return cls(key, certificate)

    def fingerprint(self, algorithm: str = "sha-256") -> str:
        """Colon-separated upper-case hex, as in SDP."""
        return _fingerprint(self.certificate, algorithm)


class DtlsEndpoint:
    """One end of a DTLS association, fed with datagrams, without a socket of its own.

    Args:
        role: Who says ClientHello.
        certificate: Ours.
        fingerprints: The peer's, as in `dtlsParameters`; each one must match.
        profiles: What we offer or accept, best first.
        send: Called with each outgoing datagram.
    """

    def __init__(
        self,
        role: DtlsRole,
        certificate: Certificate,
        fingerprints: Sequence[dict[str, Any]],
        profiles: Sequence[SrtpProfile],
        send: Callable[[bytes], None],
    ) -> None:
        self.role = role
        self.profile: SrtpProfile | None = None
        self._outbound: Session | None = None
        self._inbound: Session | None = None
        self.closed_by_peer = False
        self._fingerprints = fingerprints
        self._profiles = profiles
        self._send = send
        self._ssl = _connection(role, certificate, profiles)

    @property
    def connected(self) -> bool:
        """Whether the handshake is over and the SRTP sessions are there."""
        return self._inbound is not None

    def outbound_session(self) -> Session:
        """The SRTP session that protects what we send.

        Raises:
            DtlsError: Before the end of the handshake.
        """
        if self._outbound is None:
            raise DtlsError("the DTLS handshake is not over")
        return self._outbound

    def inbound_session(self) -> Session:
        """The SRTP session that opens what we receive.

        Raises:
            DtlsError: Before the end of the handshake.
        """
        if self._inbound is None:
            raise DtlsError("the DTLS handshake is not over")
        return self._inbound

    def start(self) -> None:
        """Begin: a client sends its ClientHello."""
        self._advance()

    def receive(self, datagram: bytes) -> None:
        """Take in one DTLS datagram.

        Raises:
            DtlsError: The handshake failed, see `_advance`.
        """
        self._ssl.bio_write(datagram)
        if not self.connected:
            self._advance()
            return
        try:
            self._ssl.recv(MTU_BYTES)
        except SSL.WantReadError:
            pass
        except SSL.Error:
            # close_notify or a fatal alert.
            self.closed_by_peer = True
        self._flush()

    def retransmit_after_s(self) -> float | None:
        """Seconds until `retransmit` is due; None when nothing is in flight."""
        return self._ssl.DTLSv1_get_timeout()

    def retransmit(self) -> None:
        """Send the last flight again (RFC 6347 section 4.2.4)."""
        self._ssl.DTLSv1_handle_timeout()
        self._flush()

    def close(self) -> None:
        """Say close_notify."""
        if self.connected and not self.closed_by_peer:
            self._ssl.shutdown()
            self._flush()

    def _advance(self) -> None:
        """Do what of the handshake can be done now.

        Raises:
            DtlsError: A fatal alert, a wrong fingerprint, or no common SRTP profile.
        """
        try:
            self._ssl.do_handshake()
        except SSL.WantReadError:
            self._flush()
            return
        except SSL.Error as error:
            self._flush()
            raise DtlsError(str(error)) from error
        self._flush()
        self._check_fingerprints()
        self._derive_keys()

    def _flush(self) -> None:
        """Send what OpenSSL has written: whole records, as many as fit in a datagram."""
        try:
            pending = self._ssl.bio_read(1 << 16)
        except SSL.WantReadError:
            return
        datagram = b""
        while pending:
            record_bytes = RECORD_HEADER_BYTES + int.from_bytes(pending[11:13], "big")
            if datagram and len(datagram) + record_bytes > MTU_BYTES:
                self._send(datagram)
                datagram = b""
            datagram += pending[:record_bytes]
            pending = pending[record_bytes:]
        self._send(datagram)

    def _check_fingerprints(self) -> None:
        peer = self._ssl.get_peer_certificate(as_cryptography=True)
        if peer is None or not self._fingerprints:
            raise DtlsError("the peer showed no certificate")
        for fingerprint in self._fingerprints:
            if _fingerprint(peer, fingerprint["algorithm"]) != fingerprint["value"].upper():
                raise DtlsError(f"the {fingerprint['algorithm']} fingerprint does not match")

    def _derive_keys(self) -> None:
        """RFC 5764 section 4.2: client key, server key, client salt, server salt."""
        name = self._ssl.get_selected_srtp_profile().decode()
        profile = next((p for p in self._profiles if p.name == name), None)
        if profile is None:
            raise DtlsError(f"no common SRTP profile, the peer chose {name!r}")
        size = profile.key_bytes + profile.salt_bytes
        material = self._ssl.export_keying_material(b"EXTRACTOR-dtls_srtp", 2 * size)
        keys = material[: 2 * profile.key_bytes]
        salts = material[2 * profile.key_bytes :]
        client = keys[: profile.key_bytes] + salts[: profile.salt_bytes]
        server = keys[profile.key_bytes :] + salts[profile.salt_bytes :]
        ours, theirs = (client, server) if self.role == "client" else (server, client)
        self.profile = profile
        self._outbound = _session(profile, ours, Policy.SSRC_ANY_OUTBOUND)
        self._inbound = _session(profile, theirs, Policy.SSRC_ANY_INBOUND)


def _connection(
    role: DtlsRole, certificate: Certificate, profiles: Sequence[SrtpProfile]
) -> SSL.Connection:
    context = SSL.Context(SSL.DTLS_METHOD)
    context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_QUERY_MTU)
    # Certificates are self-signed: the fingerprint out of the signalling decides, not a chain.
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *args: True)
    context.use_certificate(certificate.certificate)
    context.use_privatekey(certificate.key)
    context.set_tlsext_use_srtp(":".join(profile.name for profile in profiles).encode())
    connection = SSL.Connection(context)
    connection.set_ciphertext_mtu(MTU_BYTES)
    if role == "client":
        connection.set_connect_state()
    else:
        connection.set_accept_state()
    return connection


def _session(profile: SrtpProfile, key: bytes, ssrc_type: int) -> Session:
    policy = Policy(key=key, ssrc_type=ssrc_type, srtp_profile=profile.policy)
    policy.window_size = REPLAY_WINDOW_PACKETS
    policy.allow_repeat_tx = True
    return Session(policy)


def _fingerprint(certificate: x509.Certificate, algorithm: str) -> str:
    return certificate.fingerprint(_HASHES[algorithm.lower()]()).hex(":").upper()
