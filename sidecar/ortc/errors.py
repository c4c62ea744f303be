"""The error of the negotiation layer."""

from __future__ import annotations


class OrtcError(ValueError):
    """Parameters or capabilities of a peer that are invalid or can't be served.

    The message says what is wrong in words fit for the peer that sent them.
    """
