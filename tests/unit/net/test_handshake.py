"""Handshakes in threads: what waits for what, and that nothing is said after the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import pytest

from sidecar.net.dtls import Certificate, DtlsEndpoint
from sidecar.net.errors import DtlsError
from sidecar.net.handshake import MAX_WAITING_DATAGRAMS, Handshake
from sidecar.net.srtp import SrtpSession
from tests.unit.net.support import ManualLoop

OUR_CERTIFICATE = Certificate()
PEER_CERTIFICATE = Certificate()
NO_EXECUTOR = cast(ThreadPoolExecutor, None)
KEYS = cast(SrtpSession, object())


class Side:
    """A handshake and everything it has called back.

    Attributes:
        loop: Its loop.
        handshake: Itself.
        sent: Datagrams.
        keys: Keyed sessions.
        reasons: Why it was over.
    """

    def __init__(self) -> None:
        self.loop = ManualLoop()
        self.sent: list[bytes] = []
        self.keys: list[SrtpSession] = []
        self.reasons: list[str] = []
        self.handshake = Handshake(
            self.loop.as_loop(),
            NO_EXECUTOR,
            send=self.sent.extend,
            on_keys=self.keys.append,
            on_closed=self.reasons.append,
        )

    def start_server(self) -> None:
        self.handshake.start(OUR_CERTIFICATE, "server", PEER_CERTIFICATE.fingerprints)

    def start_client(self) -> None:
        self.handshake.start(OUR_CERTIFICATE, "client", PEER_CERTIFICATE.fingerprints)

    def receive(self, datagrams: Sequence[bytes]) -> None:
        for datagram in datagrams:
            self.handshake.receive(datagram)

    def take_sent(self) -> list[bytes]:
        sent, self.sent[:] = list(self.sent), []
        return sent

    def finish_with(self, peer: DtlsEndpoint, flight: Sequence[bytes]) -> None:
        """Carries datagrams to and fro, the peer's flight first, until there are none."""
        while flight:
            self.receive(flight)
            self.loop.run_steps()
            sent = self.take_sent()
            flight = peer.step(sent) if sent else []


class ScriptedEndpoint:
    """An endpoint that does what the test says.

    Attributes:
        steps: The datagrams of each step; the string "timeout" for a retransmission.
        error: What the next step raises.
        srtp: See `DtlsEndpoint`.
        closed: See `DtlsEndpoint`.
        timeout_ns: See `DtlsEndpoint`.
    """

    def __init__(self) -> None:
        self.steps: list[list[bytes] | str] = []
        self.error: Exception | None = None
        self.srtp: SrtpSession | None = None
        self.closed = False
        self.timeout_ns: int | None = None

    def step(self, datagrams: list[bytes]) -> list[bytes]:
        self.steps.append(datagrams)
        if self.error is not None:
            raise self.error
        return [b"answer"]

    def handle_timeout(self) -> list[bytes]:
        self.steps.append("timeout")
        if self.error is not None:
            raise self.error
        return [b"again"]

    def drain(self) -> list[bytes]:
        return [b"alert"] if self.error is not None else []

    def close(self) -> list[bytes]:
        return [b"goodbye"]


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> ScriptedEndpoint:
    """What the next handshake's `start` will make."""
    scripted = ScriptedEndpoint()
    monkeypatch.setattr(Certificate, "endpoint", lambda *_arguments: scripted)
    return scripted


@pytest.fixture
def side() -> Side:
    return Side()


def peer_client() -> DtlsEndpoint:
    return DtlsEndpoint(PEER_CERTIFICATE, "client", OUR_CERTIFICATE.fingerprints)


def peer_server() -> DtlsEndpoint:
    return DtlsEndpoint(PEER_CERTIFICATE, "server", OUR_CERTIFICATE.fingerprints)


def test_a_server_answers_a_client(side: Side) -> None:
    peer = peer_client()
    side.start_server()
    assert side.loop.steps == []  # a server has nothing to say first
    side.finish_with(peer, peer.step([]))
    assert len(side.keys) == 1
    assert peer.srtp is not None
    assert side.reasons == []
    assert side.loop.pending_timers == []


def test_a_client_speaks_first(side: Side) -> None:
    peer = peer_server()
    side.start_client()
    side.loop.run_steps()
    side.finish_with(peer, peer.step(side.take_sent()))
    assert len(side.keys) == 1
    assert peer.srtp is not None
    assert side.loop.pending_timers == []


def test_a_client_hello_before_the_start_is_kept_for_it(side: Side) -> None:
    peer = peer_client()
    side.receive(peer.step([]))
    assert side.loop.steps == []
    side.start_server()
    side.loop.run_steps()
    side.finish_with(peer, peer.step(side.take_sent()))
    assert len(side.keys) == 1


def test_the_queue_before_the_start_is_bounded(side: Side, endpoint: ScriptedEndpoint) -> None:
    datagrams = [bytes([22, index]) for index in range(MAX_WAITING_DATAGRAMS + 10)]
    side.receive(datagrams)
    side.start_server()
    side.loop.run_steps()
    assert endpoint.steps == [datagrams[:MAX_WAITING_DATAGRAMS]]


def test_the_queue_behind_a_step_is_bounded(side: Side, endpoint: ScriptedEndpoint) -> None:
    side.start_client()
    datagrams = [bytes([22, index]) for index in range(MAX_WAITING_DATAGRAMS + 10)]
    side.receive(datagrams)
    side.loop.run_steps()
    assert endpoint.steps == [[], datagrams[:MAX_WAITING_DATAGRAMS]]


def test_there_is_one_step_at_a_time(side: Side, endpoint: ScriptedEndpoint) -> None:
    side.start_server()
    side.receive([b"one"])
    side.receive([b"two", b"three"])
    assert len(side.loop.steps) == 1
    side.loop.run_step()
    assert len(side.loop.steps) == 1
    side.loop.run_step()
    assert side.loop.steps == []
    assert endpoint.steps == [[b"one"], [b"two", b"three"]]


def test_keys_are_told_once(side: Side, endpoint: ScriptedEndpoint) -> None:
    side.start_server()
    endpoint.srtp = KEYS
    for _ in range(2):
        side.receive([b"more"])
        side.loop.run_steps()
    assert side.keys == [KEYS]


def test_the_last_flight_is_sent_again_after_the_timeout(
    side: Side, endpoint: ScriptedEndpoint
) -> None:
    endpoint.timeout_ns = 90_000_000
    side.start_client()
    side.loop.run_steps()
    (timer,) = side.loop.pending_timers
    assert timer.delay_s == 0.09
    side.take_sent()

    timer.fire()
    assert side.loop.steps
    side.loop.run_steps()
    assert endpoint.steps == [[], "timeout"]
    assert side.take_sent() == [b"again"]
    assert len(side.loop.timers) == 2  # and so on


def test_an_unanswered_flight_is_sent_once_more_before_openssl_would(
    side: Side, endpoint: ScriptedEndpoint
) -> None:
    endpoint.timeout_ns = 1_000_000_000
    side.start_client()
    side.loop.run_steps()
    assert side.take_sent() == [b"answer"]
    for delay_s, timeout_ns in ((0.1, 900_000_000), (0.2, 700_000_000), (0.3, 400_000_000)):
        assert side.loop.timers[-1].delay_s == delay_s
        endpoint.timeout_ns = timeout_ns
        side.loop.timers[-1].fire()
        assert side.take_sent() == [b"answer"]
        assert endpoint.steps == [[]]  # OpenSSL has not been asked
    assert side.loop.timers[-1].delay_s == 0.4
    side.loop.timers[-1].fire()
    side.loop.run_steps()
    assert endpoint.steps == [[], "timeout"]
    assert side.take_sent() == [b"again"]


def test_the_next_flight_has_early_resends_of_its_own(
    side: Side, endpoint: ScriptedEndpoint
) -> None:
    endpoint.timeout_ns = 1_000_000_000
    side.start_client()
    side.loop.run_steps()
    side.loop.timers[-1].fire()
    side.receive([b"their answer"])
    side.loop.run_steps()
    assert side.loop.timers[-1].delay_s == 0.1


def test_a_resent_flight_completes_the_handshake(side: Side) -> None:
    peer = peer_client()
    side.start_server()
    side.receive(peer.step([]))
    side.loop.run_steps()
    side.take_sent()  # lost
    side.loop.timers[-1].fire()
    side.finish_with(peer, peer.step(side.take_sent()))
    assert len(side.keys) == 1
    assert peer.srtp is not None


def test_a_flight_that_comes_twice_does_no_harm(side: Side) -> None:
    peer = peer_client()
    side.start_server()
    side.receive(peer.step([]))
    side.loop.run_steps()
    first = side.take_sent()
    side.loop.timers[-1].fire()
    assert side.take_sent() == first
    side.finish_with(peer, peer.step([*first, *first]))
    assert len(side.keys) == 1
    assert peer.srtp is not None


def test_an_answer_stops_the_timer(side: Side, endpoint: ScriptedEndpoint) -> None:
    endpoint.timeout_ns = 1_000_000_000
    side.start_client()
    side.loop.run_steps()
    endpoint.timeout_ns = None
    side.receive([b"answer"])
    assert side.loop.pending_timers == []
    side.loop.run_steps()
    assert side.loop.pending_timers == []
    assert endpoint.steps == [[], [b"answer"]]


def test_a_handshake_that_times_out_for_good_has_failed(
    side: Side, endpoint: ScriptedEndpoint
) -> None:
    endpoint.timeout_ns = 1
    side.start_client()
    side.loop.run_steps()
    endpoint.error = DtlsError("the handshake timed out")
    side.loop.timers[0].fire()
    side.loop.run_steps()
    assert side.reasons == ["dtls-failed"]


def test_a_failure_is_told_to_the_peer_and_to_the_owner(
    side: Side, endpoint: ScriptedEndpoint
) -> None:
    endpoint.error = DtlsError("no")
    side.start_server()
    side.receive([b"hello"])
    side.loop.run_steps()
    assert side.take_sent() == [b"alert"]
    assert side.reasons == ["dtls-failed"]

    side.receive([b"more"])
    side.handshake.close()
    assert side.loop.steps == []
    assert side.sent == []
    assert side.reasons == ["dtls-failed"]


def test_a_wrong_fingerprint_fails(side: Side) -> None:
    peer = peer_client()
    side.handshake.start(OUR_CERTIFICATE, "server", Certificate().fingerprints)
    side.finish_with(peer, peer.step([]))
    assert side.keys == []
    assert side.reasons == ["dtls-failed"]
    assert peer.closed


def test_an_unexpected_error_ends_it_and_is_reported(
    side: Side, endpoint: ScriptedEndpoint
) -> None:
    """`ManualLoop` lets it through to the caller; asyncio hands it to its exception handler."""
    endpoint.error = RuntimeError("a mistake of ours")
    side.start_server()
    side.receive([b"hello"])
    with pytest.raises(RuntimeError, match="a mistake of ours"):
        side.loop.run_steps()
    assert side.reasons == ["dtls-failed"]
    side.receive([b"more"])
    assert side.loop.steps == []


def test_the_peers_goodbye_ends_it(side: Side) -> None:
    peer = peer_client()
    side.start_server()
    side.finish_with(peer, peer.step([]))
    side.receive(peer.close())
    side.loop.run_steps()
    assert side.reasons == ["dtls-closed"]
    side.handshake.close()
    assert side.sent == []
    assert side.reasons == ["dtls-closed"]


def test_close_says_goodbye_and_calls_nothing_back(side: Side) -> None:
    peer = peer_client()
    side.start_server()
    side.finish_with(peer, peer.step([]))
    side.handshake.close()
    peer.step(side.take_sent())
    assert peer.closed
    assert side.reasons == []
    side.handshake.close()
    assert side.sent == []


def test_close_before_the_start_says_nothing(side: Side) -> None:
    side.receive([b"early"])
    side.handshake.close()
    assert side.sent == []
    assert side.loop.steps == []


def test_close_stops_the_timer(side: Side, endpoint: ScriptedEndpoint) -> None:
    endpoint.timeout_ns = 1_000_000_000
    side.start_client()
    side.loop.run_steps()
    side.handshake.close()
    assert side.loop.pending_timers == []


def test_close_during_the_last_step_finishes_it_and_says_goodbye_then(side: Side) -> None:
    peer = peer_client()
    side.start_server()
    side.receive(peer.step([]))
    side.loop.run_steps()
    side.receive(peer.step(side.take_sent()))
    side.handshake.close()
    assert side.sent == []
    side.loop.run_steps()
    assert side.keys == []
    peer.step(side.take_sent())
    assert peer.srtp is not None
    assert peer.closed
    assert side.reasons == []


@pytest.mark.parametrize("error", [DtlsError("no"), RuntimeError("a mistake of ours")])
def test_nothing_is_called_back_when_a_step_fails_after_close(
    side: Side, endpoint: ScriptedEndpoint, error: Exception
) -> None:
    side.start_client()
    endpoint.error = error
    endpoint.srtp = KEYS
    side.handshake.close()
    side.loop.run_steps()
    assert side.keys == []
    assert side.reasons == []


def test_a_step_that_is_cancelled_at_shutdown_is_forgotten(
    side: Side, endpoint: ScriptedEndpoint
) -> None:
    side.start_client()
    side.loop.steps.pop().cancel()
    assert endpoint.steps == []
    assert side.sent == []
    assert side.reasons == []


def test_the_owner_may_close_from_within_a_callback(endpoint: ScriptedEndpoint) -> None:
    """As a transport does that is told that its link is over."""
    loop = ManualLoop()
    sent: list[bytes] = []
    closed: list[str] = []
    ends: list[Callable[[], None]] = []

    def on_closed(reason: str) -> None:
        closed.append(reason)
        ends[0]()

    handshake = Handshake(
        loop.as_loop(),
        NO_EXECUTOR,
        send=sent.extend,
        on_keys=lambda _keys: ends[0](),
        on_closed=on_closed,
    )
    ends.append(handshake.close)
    handshake.start(OUR_CERTIFICATE, "client", PEER_CERTIFICATE.fingerprints)
    endpoint.srtp = KEYS
    endpoint.timeout_ns = 1_000_000_000
    loop.run_steps()
    assert sent == [b"answer", b"goodbye"]
    assert closed == []
    assert loop.pending_timers == []
