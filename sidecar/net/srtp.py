"""SRTP and SRTCP over libsrtp, keyed by DTLS (RFC 3711, RFC 5764, RFC 7714)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pylibsrtp

from sidecar.net.errors import SrtpError, SrtpKeyUsedUpError

REPLAY_WINDOW_PACKETS: Final = 1024
"""How far behind the newest packet one may still arrive (RFC 3711 section 3.3.2: 64 or more)."""

_KEY_USED_UP: Final = "can't use key any more"
"""pylibsrtp tells its errors apart by their text only."""


@dataclass(frozen=True, slots=True)
class SrtpProfile:
    """An SRTP protection profile (RFC 5764 section 4.1.2, RFC 7714 section 14.2).

    Attributes:
        name: OpenSSL's name of it.
        key_bytes: Length of one master key.
        salt_bytes: Length of one master salt.
        libsrtp_id: libsrtp's number of it.
    """

    name: str
    key_bytes: int
    salt_bytes: int
    libsrtp_id: int

    @property
    def keying_material_bytes(self) -> int:
        """How much DTLS has to export for both directions."""
        return 2 * (self.key_bytes + self.salt_bytes)


PROFILES: Final = (
    SrtpProfile("SRTP_AEAD_AES_256_GCM", 32, 12, pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_256_GCM),
    SrtpProfile("SRTP_AEAD_AES_128_GCM", 16, 12, pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM),
    SrtpProfile("SRTP_AES128_CM_SHA1_80", 16, 14, pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80),
)
"""The profiles offered, best first: AES-GCM is several times cheaper than AES-CM with HMAC-SHA1."""


class SrtpSession:
    """The two cipher contexts of one transport: what it receives and what it sends.

    Raises:
        SrtpError: From every method, for a packet that libsrtp does not take.
        SrtpKeyUsedUpError: From the protecting ones, when no other packet has a chance either.
    """

    __slots__ = ("_inbound", "_outbound")

    def __init__(self, profile: SrtpProfile, keying_material: bytes, *, is_dtls_client: bool):
        """Splits what DTLS exported: client key, server key, client salt, server salt.

        Args:
            profile: The negotiated profile.
            keying_material: The output of the exporter (RFC 5764 section 4.2).
            is_dtls_client: Our role in the handshake, which decides whose keys are whose.
        """
        key, salt = profile.key_bytes, profile.salt_bytes
        client = keying_material[:key] + keying_material[2 * key : 2 * key + salt]
        server = keying_material[key : 2 * key] + keying_material[2 * key + salt :]
        local, remote = (client, server) if is_dtls_client else (server, client)
        self._inbound = self._session(profile, remote, pylibsrtp.Policy.SSRC_ANY_INBOUND)
        self._outbound = self._session(profile, local, pylibsrtp.Policy.SSRC_ANY_OUTBOUND)

    @staticmethod
    def _session(profile: SrtpProfile, key: bytes, direction: int) -> pylibsrtp.Session:
        policy = pylibsrtp.Policy(key, direction, 0, profile.libsrtp_id)
        policy.window_size = REPLAY_WINDOW_PACKETS
        policy.allow_repeat_tx = True  # plain retransmission sends a sequence number again
        return pylibsrtp.Session(policy)

    def protect_rtp(self, packet: bytes) -> bytes:
        """Encrypts and authenticates an RTP packet."""
        try:
            return self._outbound.protect(packet)
        except (pylibsrtp.Error, ValueError) as error:
            raise _protection_error(error) from error

    def unprotect_rtp(self, packet: bytes) -> bytes:
        """Checks and decrypts an SRTP packet."""
        try:
            return self._inbound.unprotect(packet)
        except (pylibsrtp.Error, ValueError) as error:
            raise SrtpError(str(error)) from error

    def protect_rtcp(self, packet: bytes) -> bytes:
        """Encrypts and authenticates a compound or reduced-size RTCP packet."""
        try:
            return self._outbound.protect_rtcp(packet)
        except (pylibsrtp.Error, ValueError) as error:
            raise _protection_error(error) from error

    def unprotect_rtcp(self, packet: bytes) -> bytes:
        """Checks and decrypts an SRTCP packet."""
        try:
            return self._inbound.unprotect_rtcp(packet)
        except (pylibsrtp.Error, ValueError) as error:
            raise SrtpError(str(error)) from error


def _protection_error(error: Exception) -> SrtpError:
    used_up = str(error) == _KEY_USED_UP
    return SrtpKeyUsedUpError(str(error)) if used_up else SrtpError(str(error))
