"""What of DTLS is needed before there is any, and without OpenSSL."""

from __future__ import annotations

from typing import Final, Literal

FINGERPRINT_ALGORITHMS: Final = {
    "sha-1": "sha1",
    "sha-224": "sha224",
    "sha-256": "sha256",
    "sha-384": "sha384",
    "sha-512": "sha512",
}
"""Names of RFC 8122 that a peer may use, and hashlib's."""

RECORD_HEADER_BYTES: Final = 13
"""RFC 6347 section 4.1."""

_FIRST_RECORD_TYPE: Final = 20
_LAST_RECORD_TYPE: Final = 63

DtlsRole = Literal["client", "server"]


def is_dtls(datagram: bytes) -> bool:
    """Tells DTLS from STUN, SRTP and SRTCP by the first byte (RFC 7983)."""
    return (
        len(datagram) >= RECORD_HEADER_BYTES
        and _FIRST_RECORD_TYPE <= datagram[0] <= _LAST_RECORD_TYPE
    )
