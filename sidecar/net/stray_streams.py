"""SSRCs that a peer has sent under, and that are nobody's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

MAX_STRAY_STREAMS: Final = 32
"""More than an honest peer has: a stream is one before it is announced, and after it has ended."""


class StrayStreams:
    """Keeps what libsrtp knows of a few of them, and has the rest removed.

    A few are kept since a stream may be announced after its first packet, or be taken up again, and
    could not be decrypted for long by whoever had not seen all of it.
    """

    def __init__(self, remove: Callable[[int], None], is_known: Callable[[int], bool]) -> None:
        """Knows of none.

        Args:
            remove: Removes an SSRC.
            is_known: Whether an SSRC is somebody's by now.
        """
        self._remove = remove
        self._is_known = is_known
        self._ssrcs: dict[int, None] = {}  # in the order of their latest packet
        self._latest = -1

    def __len__(self) -> int:
        return len(self._ssrcs)

    def add(self, ssrc: int) -> None:
        """Takes the SSRC of a packet; the one that has been silent longest may have to go."""
        if ssrc == self._latest:
            return
        self._latest = ssrc
        self._ssrcs.pop(ssrc, None)
        self._ssrcs[ssrc] = None
        if len(self._ssrcs) > MAX_STRAY_STREAMS:
            oldest = next(iter(self._ssrcs))
            del self._ssrcs[oldest]
            if not self._is_known(oldest):
                self._remove(oldest)
