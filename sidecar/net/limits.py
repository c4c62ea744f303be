"""How large and how many the packets may be that are protected together."""

from __future__ import annotations

from typing import Final

MAX_PACKETS: Final = 64
"""At a time: as many as Linux sends with one call."""

MAX_DATAGRAM_BYTES: Final = 1500
"""After protection."""

MAX_RTP_BYTES: Final = 1356
"""The longest RTP packet that can be protected: libsrtp wants room behind it in 1500 bytes."""
