"""The errors of the network layer."""

from __future__ import annotations


class NetError(Exception):
    """Base of everything this layer raises on purpose."""


class DtlsError(NetError):
    """A DTLS handshake or connection that cannot go on."""


class SrtpError(NetError):
    """A packet that could not be protected, or that failed authentication or the replay check."""


class SrtpKeyUsedUpError(SrtpError):
    """The key has protected all the packets that it may: nothing can be sent with it any more."""


class CertificateError(NetError):
    """No certificate could be made, without which nobody gets media.

    Attributes:
        is_hopeless: Another try would end alike, for as long as the program runs.
    """

    def __init__(self, message: str, *, is_hopeless: bool) -> None:
        super().__init__(message)
        self.is_hopeless = is_hopeless
