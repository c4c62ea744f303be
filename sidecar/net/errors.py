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
