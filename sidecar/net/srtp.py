"""SRTP and SRTCP over libsrtp, keyed by DTLS (RFC 3711, RFC 5764, RFC 7714)."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import pylibsrtp
from pylibsrtp import ffi, lib  # type: ignore[attr-defined]  # the binding, for use in place

from sidecar.net.errors import SrtpError, SrtpKeyUsedUpError
from sidecar.net.limits import MAX_DATAGRAM_BYTES

REPLAY_WINDOW_PACKETS: Final = 1024
"""How far behind the newest packet one may still arrive (RFC 3711 section 3.3.2: 64 or more)."""

SENDER_WINDOW_PACKETS: Final = 128
"""How far behind the newest packet one may still be sent. libsrtp shifts this window for every
packet that it protects, which at 1024 costs as much as the encryption."""

OK: Final = 0
KEY_EXPIRED: Final = 15
"""``srtp_err_status_t`` of libsrtp, also the index of pylibsrtp's texts."""

_srtp_protect = lib.srtp_protect
_srtp_unprotect = lib.srtp_unprotect


@dataclass(frozen=True, slots=True)
class SrtpProfile:
    """An SRTP protection profile (RFC 5764 section 4.1.2, RFC 7714 section 14.2).

    Attributes:
        name: OpenSSL's name of it.
        key_bytes: Length of one master key.
        salt_bytes: Length of one master salt.
        libsrtp_id: libsrtp's number of it.
        tag_bytes: What it adds to an RTP packet.
    """

    name: str
    key_bytes: int
    salt_bytes: int
    libsrtp_id: int
    tag_bytes: int

    @property
    def keying_material_bytes(self) -> int:
        """How much DTLS has to export for both directions."""
        return 2 * (self.key_bytes + self.salt_bytes)


PROFILES: Final = (
    SrtpProfile(
        "SRTP_AEAD_AES_256_GCM", 32, 12, pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_256_GCM, 16
    ),
    SrtpProfile(
        "SRTP_AEAD_AES_128_GCM", 16, 12, pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 16
    ),
    SrtpProfile(
        "SRTP_AES128_CM_SHA1_80", 16, 14, pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 10
    ),
)
"""The profiles offered, best first: AES-GCM is several times cheaper than AES-CM with HMAC-SHA1."""


def protect_in_place(
    contexts: Iterable[Any], packets: Iterable[Any], lengths: Iterable[Any]
) -> list[int]:
    """Encrypts and authenticates RTP packets where they lie, as many as the shortest argument has.

    pylibsrtp's own `Session.protect` copies each packet twice and allocates three times.

    Args:
        contexts: The `SrtpSession.outbound_context` of each.
        packets: C pointers to them, with room for the tag behind.
        lengths: C pointers to their sizes, which become those with the tag.

    Returns:
        libsrtp's status of each: `OK`, `KEY_EXPIRED` if the context takes no packet any more, or
        another one if it does not take this one.
    """
    return list(map(_srtp_protect, contexts, packets, lengths))


class SrtpSession:
    """The two cipher contexts of one transport: what it receives and what it sends.

    libsrtp keeps a stream for each SSRC that it has seen, and looks through all of them for each
    packet. So the SSRCs that are used no more have to be removed.

    Attributes:
        tag_bytes: What protection adds to an RTP packet.
        outbound_context: What `protect_in_place` protects RTP packets with.
        ended: SSRCs, as 4 bytes, that must never again go into that context: libsrtp would count
            from 0 again, and so use a nonce twice (RFC 7714 section 8.4).

    Raises:
        SrtpError: From the methods, when libsrtp does not take the packet.
        SrtpKeyUsedUpError: From `protect_rtcp`, when no other packet has a chance either.
    """

    __slots__ = (
        "_inbound",
        "_inbound_context",
        "_inbox",
        "_inbox_bytes",
        "_inbox_length",
        "_outbound",
        "ended",
        "outbound_context",
        "tag_bytes",
    )

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
        policy = pylibsrtp.Policy
        self._inbound = self._session(
            profile, remote, policy.SSRC_ANY_INBOUND, REPLAY_WINDOW_PACKETS
        )
        self._outbound = self._session(
            profile, local, policy.SSRC_ANY_OUTBOUND, SENDER_WINDOW_PACKETS
        )
        self._inbound_context = self._inbound._srtp[0]
        self.outbound_context = self._outbound._srtp[0]
        self.ended: set[bytes] = set()
        self._inbox = ffi.new("char[]", MAX_DATAGRAM_BYTES)
        self._inbox_bytes = ffi.buffer(self._inbox)
        self._inbox_length = ffi.new("int *")
        self.tag_bytes = profile.tag_bytes

    @staticmethod
    def _session(
        profile: SrtpProfile, key: bytes, direction: int, window_packets: int
    ) -> pylibsrtp.Session:
        policy = pylibsrtp.Policy(key, direction, 0, profile.libsrtp_id)
        policy.window_size = window_packets
        policy.allow_repeat_tx = True  # plain retransmission sends a sequence number again
        return pylibsrtp.Session(policy)

    def unprotect_rtp(self, packet: bytes) -> bytes:
        """Checks and decrypts an SRTP packet."""
        size_bytes = len(packet)
        if size_bytes > MAX_DATAGRAM_BYTES:
            raise SrtpError("packet is too long")
        length = self._inbox_length
        length[0] = size_bytes
        self._inbox_bytes[:size_bytes] = packet
        status = _srtp_unprotect(self._inbound_context, self._inbox, length)
        if status != OK:
            raise SrtpError(pylibsrtp.ERRORS[status])
        unprotected: bytes = self._inbox_bytes[: length[0]]
        return unprotected

    def protect_rtcp(self, packet: bytes) -> bytes:
        """Encrypts and authenticates a compound or reduced-size RTCP packet."""
        if packet[4:8] in self.ended:
            raise SrtpError("the sender's SSRC has ended")
        try:
            return self._outbound.protect_rtcp(packet)
        except (pylibsrtp.Error, ValueError) as error:
            used_up = str(error) == pylibsrtp.ERRORS[KEY_EXPIRED]
            raise (SrtpKeyUsedUpError if used_up else SrtpError)(str(error)) from error

    def unprotect_rtcp(self, packet: bytes) -> bytes:
        """Checks and decrypts an SRTCP packet."""
        try:
            return self._inbound.unprotect_rtcp(packet)
        except (pylibsrtp.Error, ValueError) as error:
            raise SrtpError(str(error)) from error

    def remove_inbound(self, ssrc: int) -> None:
        """Drops what is known of a stream that is received.

        If it goes on all the same, it is taken for a new one: packets could be replayed, and after
        65536 of them it could not be decrypted.
        """
        _remove(self._inbound, ssrc)

    def end_outbound(self, ssrc: int) -> None:
        """Drops what is known of a stream that is sent; its SSRC can never be used again."""
        self.ended.add(ssrc.to_bytes(4, "big"))
        _remove(self._outbound, ssrc)


def _remove(session: pylibsrtp.Session, ssrc: int) -> None:
    with suppress(pylibsrtp.Error):  # there was no packet of it
        session.remove_stream(ssrc)
