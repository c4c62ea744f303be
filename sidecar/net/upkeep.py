"""What the port does once a second: it looks after its links, and notices that it slept."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sidecar.net.link import MediaLink
    from sidecar.sfu import WebRtcTransport

logger = logging.getLogger(__name__)

LEAST_GAP_NS: Final = 5_000_000_000
"""Who was not called for so much longer than it wished was asleep: the computer, or the process."""

STALE_AFTER_NS: Final = 6_000_000_000
"""A peer that has been silent for so long may have lost its network."""

STALE_UNCHECKED_NS: Final = 12_000_000_000
"""So may one that sends packets, but no checks. Firefox sends one every 4 to 6 s, which may be
lost."""

STALE_AGAIN_NS: Final = 5_000_000_000
"""A silence that goes on is told again after so long."""

FIRST_CHECK_TIMEOUT_NS: Final = 10_000_000_000
"""A client that has connected its transport sends ICE checks at once, and not just one. If none has
come after so long, something on the way keeps UDP off."""


class Upkeep:
    """Looks after links.

    It keeps no clock and sets no timer: whoever has those calls.
    """

    def __init__(
        self,
        on_woken: Callable[[float], None],
        on_udp_blocked: Callable[[], None],
        report: Callable[[WebRtcTransport, Exception], None],
    ) -> None:
        """Takes whom to tell of what is noticed.

        Args:
            on_woken: Called with a time in seconds for which the process stood still.
            on_udp_blocked: Called once: a client has connected, and no UDP comes from it.
            report: Takes a mistake of ours that one link has brought to light.
        """
        self._report = report
        self._on_woken = on_woken
        self._on_udp_blocked = on_udp_blocked
        self._due_ns: int | None = None
        self._is_blocked_told = False

    def expect(self, due_ns: int) -> None:
        """Hears when it will be called.

        Args:
            due_ns: By a clock that runs on while the computer sleeps.
        """
        self._due_ns = due_ns

    def notice_gap(self, elapsed_ns: int, links: Iterable[MediaLink], now_ns: int) -> bool:
        """Compares the time with when it was to be called; tells whoever listens of a gap.

        Args:
            elapsed_ns: The time by the clock of `expect`.
            links: All get their consent anew, from now on: what their peers have sent meanwhile
                may wait in the socket, or have been lost with the network.
            now_ns: The time by the clock of the links.
        """
        gap_ns = 0 if self._due_ns is None else elapsed_ns - self._due_ns
        if gap_ns <= LEAST_GAP_NS:
            return False
        gap_s = round(gap_ns / 1e9, 1)
        logger.warning("stood still for %s s, as when the computer sleeps", gap_s)
        for link in links:
            link.grant_time(now_ns)
        self._on_woken(gap_s)
        return True

    def look_after(self, links: Iterable[MediaLink], now_ns: int) -> None:
        """Does for each link what is due once a second."""
        for link in list(links):
            try:
                self._look_after(link, now_ns)
            except Exception as error:  # the others have to be looked after all the same
                self._report(link.transport, error)

    def _look_after(self, link: MediaLink, now_ns: int) -> None:
        if link.ice.has_expired(now_ns):
            logger.info("transport %s: no ICE check for 30 s", link.transport.id)
            link.fail("ice-timeout")
        else:
            link.look_after(now_ns)
            self._look_for_silence(link, now_ns)

    def _look_for_silence(self, link: MediaLink, now_ns: int) -> None:
        heard_ns = link.ice.last_heard_ns
        if heard_ns is None:
            since_ns = link.awaits_check_since_ns
            if since_ns is not None and now_ns - since_ns >= FIRST_CHECK_TIMEOUT_NS:
                self._tell_blocked(link)
        elif now_ns - heard_ns < STALE_AFTER_NS and not link.ice.is_unchecked(
            now_ns, STALE_UNCHECKED_NS
        ):
            link.told_stale_ns = None
        elif link.told_stale_ns is None or now_ns - link.told_stale_ns >= STALE_AGAIN_NS:
            link.told_stale_ns = now_ns
            link.transport.link_stale(now_ns)

    def _tell_blocked(self, link: MediaLink) -> None:
        link.awaits_check_since_ns = None
        logger.info("transport %s: connected, but no ICE check has come", link.transport.id)
        if not self._is_blocked_told:
            self._is_blocked_told = True
            self._on_udp_blocked()
