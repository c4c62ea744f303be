"""How large datagrams may be, and how many of them are handled together."""

from __future__ import annotations

from typing import Final

MAX_PACKETS: Final = 64
"""At a time: as many as Linux sends with one call."""

MAX_DATAGRAM_BYTES: Final = 1500
"""To be sent, after protection."""

MAX_RTP_BYTES: Final = 1356
"""The longest RTP packet that can be protected: libsrtp wants room behind it in 1500 bytes."""

MAX_RECEIVED_BYTES: Final = 2048
"""Of a datagram; what is behind that is cut off."""

RECEIVED_AT_ONCE: Final = 32
"""Datagrams that are taken before the first of them is looked at."""
