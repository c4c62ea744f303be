"""Runs a `DtlsEndpoint`: its arithmetic in threads, its retransmissions on the loop's timer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Final

from sidecar.net.dtls_records import DtlsRole
from sidecar.net.errors import DtlsError
from sidecar.ortc.parameters import DtlsFingerprint

if TYPE_CHECKING:
    from sidecar.net.dtls import Certificate, DtlsEndpoint
    from sidecar.net.srtp import SrtpSession

EARLY_RESENDS_NS: Final = (100_000_000, 200_000_000, 300_000_000)
"""After which times an unanswered flight is sent once more, as it is. OpenSSL's own timer starts at
one second, and a picture that comes a second late for one lost datagram is too late; RFC 6347
section 4.2.4.1 allows shorter timers. Whoever has got a record already drops it as replayed."""

MAX_WAITING_DATAGRAMS: Final = 32
"""More than any handshake has in flight; the rest of a flood is dropped."""


class Handshake:
    """One DTLS association from its first datagram to close_notify.

    Datagrams that arrive before `start`, such as a ClientHello that overtakes the signalling, are
    kept for it. The callbacks are called on the event loop, never after `close`.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        executor: Executor,
        *,
        send: Callable[[Sequence[bytes]], None],
        on_keys: Callable[[SrtpSession], None],
        on_closed: Callable[[str], None],
    ) -> None:
        """Prepares an association that has not started.

        Args:
            loop: Where it lives.
            executor: Where its steps run.
            send: Sends datagrams to the peer.
            on_keys: Takes the keyed SRTP session, once.
            on_closed: Takes the reason why it is over: "dtls-failed" or "dtls-closed".
        """
        self._loop = loop
        self._executor = executor
        self._send = send
        self._on_keys = on_keys
        self._on_closed = on_closed
        self._endpoint: DtlsEndpoint | None = None
        self._waiting: list[bytes] = []
        self._timed_out = False
        self._flight: list[bytes] = []
        self._resends = 0
        self._timer: asyncio.TimerHandle | None = None
        self._busy = False
        self._keyed = False
        self._over = False

    def start(
        self, certificate: Certificate, role: DtlsRole, fingerprints: Sequence[DtlsFingerprint]
    ) -> None:
        """Begins the handshake in a role, with whom the fingerprints say."""
        self._endpoint = certificate.endpoint(role, fingerprints)
        if role == "client" or self._waiting:
            self._run()

    def receive(self, datagram: bytes) -> None:
        """Takes a datagram from the peer."""
        if self._over or len(self._waiting) >= MAX_WAITING_DATAGRAMS:
            return
        self._waiting.append(datagram)
        if self._endpoint is not None:
            self._run()

    def close(self) -> None:
        """Ends the association; close_notify goes out if there is somebody to tell."""
        if self._over:
            return
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
        if not self._busy:
            self._say_goodbye()

    def _run(self) -> None:
        """Takes the next step in a thread, unless one is being taken."""
        if self._busy or self._endpoint is None:
            return
        self._busy = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        datagrams, self._waiting = self._waiting, []
        timed_out, self._timed_out = self._timed_out, False
        step = self._loop.run_in_executor(
            self._executor, _step, self._endpoint, datagrams, timed_out
        )
        step.add_done_callback(self._stepped)

    def _stepped(self, step: asyncio.Future[list[bytes]]) -> None:
        endpoint = self._endpoint
        if step.cancelled() or endpoint is None:
            return
        self._busy = False
        error = step.exception()
        if self._over:
            if error is None:
                self._send(step.result())  # without our last flight close_notify can't be read
            self._say_goodbye()
            return
        if error is not None:
            self._send(endpoint.drain())
            self._finish("dtls-failed")
            if not isinstance(error, DtlsError):
                raise error  # a mistake of ours, for the loop's exception handler to report
            return
        self._send_flight(step.result())
        if endpoint.srtp is not None and not self._keyed:
            self._keyed = True
            self._on_keys(endpoint.srtp)
        if self._over:
            return  # the owner has closed it on getting the keys
        if endpoint.closed:
            self._finish("dtls-closed")
        elif self._waiting:
            self._run()
        else:
            self._await_answer(endpoint)

    def _send_flight(self, flight: list[bytes]) -> None:
        if flight:
            self._flight = flight
            self._resends = 0
            self._send(flight)

    def _await_answer(self, endpoint: DtlsEndpoint) -> None:
        """Sets the timer for the case that none comes; OpenSSL says whether one is due."""
        timeout_ns = endpoint.timeout_ns
        if timeout_ns is None:
            return
        delay_ns, expire = timeout_ns, self._on_timeout
        if self._resends < len(EARLY_RESENDS_NS) and EARLY_RESENDS_NS[self._resends] < timeout_ns:
            delay_ns, expire = EARLY_RESENDS_NS[self._resends], self._resend
        self._timer = self._loop.call_later(delay_ns / 1e9, expire)

    def _resend(self) -> None:
        self._resends += 1
        self._send(self._flight)
        if self._endpoint is not None:
            self._await_answer(self._endpoint)

    def _on_timeout(self) -> None:
        self._timer = None
        self._timed_out = True
        self._run()

    def _say_goodbye(self) -> None:
        """Sends close_notify and lets go of OpenSSL's state, which is large."""
        endpoint, self._endpoint = self._endpoint, None
        if endpoint is not None:
            self._send([*endpoint.drain(), *endpoint.close()])
        self._let_go()

    def _finish(self, reason: str) -> None:
        self._over = True
        self._endpoint = None
        self._on_closed(reason)
        self._let_go()

    def _let_go(self) -> None:
        """Forgets the owner, who knows us: so both are freed at once."""
        self._send = self._on_keys = self._on_closed = _tell_nobody


def _tell_nobody(_what: object) -> None:
    """Is called instead of an owner that has gone."""


def _step(endpoint: DtlsEndpoint, datagrams: list[bytes], timed_out: bool) -> list[bytes]:
    """One step, in a thread."""
    if timed_out and not datagrams:
        return endpoint.handle_timeout()
    return endpoint.step(datagrams)
