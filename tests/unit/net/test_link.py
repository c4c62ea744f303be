"""The network half of a transport: what goes to whom, and when DTLS starts."""

from __future__ import annotations

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, cast

import pylibsrtp
import pytest

from sidecar.net import link as link_module
from sidecar.net.dtls import Certificate, DtlsEndpoint
from sidecar.net.errors import SrtpKeyUsedUpError
from sidecar.net.ice import NEVER_NS, Address, Pair
from sidecar.net.limits import MAX_PACKETS
from sidecar.net.link import MediaLink
from sidecar.net.srtp import KEY_EXPIRED, SrtpSession
from sidecar.net.stray_streams import MAX_STRAY_STREAMS
from sidecar.net.stun import parse_binding_request
from sidecar.ortc.parameters import DtlsFingerprint, DtlsParameters
from sidecar.sfu import SfuError
from sidecar.sfu.batch import Packets
from tests.unit.net.support import (
    ELSEWHERE,
    HOME,
    SECOND_NS,
    FakePort,
    FakeTransport,
    ManualLoop,
    Received,
    build_check,
    protect_rtp,
)

PeerRole = Literal["auto", "client", "server"]

OUR_CERTIFICATE = Certificate()
PEER_CERTIFICATE = Certificate()

RTP_PACKET = bytes([0x80, 96, 0, 1]) + bytes(4) + b"ssrc" + b"payload"
RTCP_PACKET = bytes.fromhex("80c90001") + b"ssrc"


class Scene:
    """A link, its port and its transport.

    Attributes:
        loop: Of the link.
        port: Of the link.
        transport: Of the link.
        link: Itself.
    """

    def __init__(self) -> None:
        self.loop = ManualLoop()
        self.port = FakePort(OUR_CERTIFICATE)
        self.transport = FakeTransport()
        self.link = MediaLink(
            self.port,
            self.transport.as_transport(),
            [],
            self.loop.as_loop(),
            cast(ThreadPoolExecutor, None),
        )
        self.transport.link = self.link
        self.pair = Pair(HOME)

    def validate(self, address: Address = HOME, *, nominate: bool = True) -> None:
        """Has a check arrive, as the port does."""
        request = parse_binding_request(build_check(self.link.ice.parameters, nominate=nominate))
        assert request is not None
        outcome = self.link.ice.check(request, address, self.port.time_ns)
        assert outcome is not None and outcome.validated
        self.port.route_changed()
        self.link.ice_validated()

    def connect(self, role: PeerRole) -> None:
        fingerprints = tuple(PEER_CERTIFICATE.fingerprints)
        self.link.connect(DtlsParameters(fingerprints=fingerprints, role=role))

    def receive(self, *datagrams: bytes) -> None:
        for datagram in datagrams:
            self.link.receive(datagram, self.pair, self.port.time_ns)
        self.loop.run_steps()

    def shake_hands(self) -> DtlsEndpoint:
        """Connects to a client; returns it."""
        self.validate()
        self.connect("client")
        peer = DtlsEndpoint(PEER_CERTIFICATE, "client", OUR_CERTIFICATE.fingerprints)
        self.finish_with(peer, peer.step([]))
        return peer

    def finish_with(self, peer: DtlsEndpoint, flight: list[bytes]) -> None:
        while flight:
            self.receive(*flight)
            sent = self.port.take_sent()
            flight = peer.step(sent) if sent else []


@pytest.fixture
def scene() -> Scene:
    return Scene()


def keyed(peer: DtlsEndpoint) -> SrtpSession:
    assert peer.srtp is not None
    return peer.srtp


def test_what_the_peer_is_told(scene: Scene) -> None:
    assert scene.link.ice_parameters == scene.link.ice.parameters
    assert scene.link.ice_parameters.ice_lite is True
    assert scene.link.dtls_parameters.role == "auto"
    assert list(scene.link.dtls_parameters.fingerprints) == OUR_CERTIFICATE.fingerprints


def test_a_client_is_served(scene: Scene) -> None:
    peer = scene.shake_hands()
    assert peer.srtp is not None
    assert scene.transport.connected_ns == scene.port.time_ns
    assert scene.port.wake_ups == 1


def test_a_client_hello_before_connect_is_not_wasted(scene: Scene) -> None:
    scene.validate()
    peer = DtlsEndpoint(PEER_CERTIFICATE, "client", OUR_CERTIFICATE.fingerprints)
    scene.receive(*peer.step([]))
    assert scene.port.sent == []
    scene.connect("client")
    scene.loop.run_steps()
    scene.finish_with(peer, peer.step(scene.port.take_sent()))
    assert scene.transport.connected_ns is not None


@pytest.mark.parametrize("role", ["server", "auto"])
def test_we_are_the_client_of_others_as_soon_as_ice_has_an_address(
    scene: Scene, role: PeerRole
) -> None:
    scene.connect(role)
    assert scene.loop.steps == []
    scene.validate()
    scene.loop.run_steps()
    peer = DtlsEndpoint(PEER_CERTIFICATE, "server", OUR_CERTIFICATE.fingerprints)
    scene.finish_with(peer, peer.step(scene.port.take_sent()))
    assert scene.transport.connected_ns is not None
    assert peer.srtp is not None


@pytest.mark.parametrize("role", ["server", "auto"])
def test_we_are_the_client_at_once_when_ice_has_an_address(scene: Scene, role: PeerRole) -> None:
    scene.validate()
    scene.connect(role)
    scene.loop.run_steps()
    assert scene.port.sent
    assert {address for _datagram, address in scene.port.sent} == {HOME}


def test_later_checks_start_nothing_again(scene: Scene) -> None:
    scene.connect("auto")
    scene.validate()
    scene.loop.run_steps()
    scene.port.take_sent()
    scene.validate(ELSEWHERE)
    scene.loop.run_steps()
    assert scene.port.sent == []


@pytest.mark.parametrize(
    "fingerprints",
    [
        pytest.param((), id="none"),
        pytest.param((DtlsFingerprint(algorithm="md5", value="00"),), id="unknown algorithm"),
    ],
)
def test_without_a_usable_fingerprint_there_is_no_connection(
    scene: Scene, fingerprints: tuple[DtlsFingerprint, ...]
) -> None:
    with pytest.raises(SfuError) as caught:
        scene.link.connect(DtlsParameters(fingerprints=fingerprints, role="client"))
    assert caught.value.code == "invalid-dtls-parameters"
    scene.shake_hands()  # the right ones are still welcome
    assert scene.transport.connected_ns is not None


def test_a_wrong_fingerprint_closes_the_transport(scene: Scene) -> None:
    scene.validate()
    fingerprints = tuple(Certificate().fingerprints)
    scene.link.connect(DtlsParameters(fingerprints=fingerprints, role="client"))
    peer = DtlsEndpoint(PEER_CERTIFICATE, "client", OUR_CERTIFICATE.fingerprints)
    scene.finish_with(peer, peer.step([]))
    assert scene.transport.connected_ns is None
    assert scene.transport.closed_for == ["dtls-failed"]
    assert peer.closed


def test_packets_are_decrypted_and_told_apart(scene: Scene) -> None:
    peer = keyed(scene.shake_hands())
    scene.receive(protect_rtp(peer, RTP_PACKET), peer.protect_rtcp(RTCP_PACKET))
    assert scene.transport.received == [
        Received("rtp", RTP_PACKET, scene.port.time_ns),
        Received("rtcp", RTCP_PACKET, scene.port.time_ns),
    ]
    assert scene.link.undecryptable == 0


def test_packets_before_the_keys_are_dropped(scene: Scene) -> None:
    scene.validate()
    scene.receive(RTP_PACKET, RTCP_PACKET)
    assert scene.transport.received == []
    assert scene.link.undecryptable == 0


def test_packets_that_fail_the_check_are_counted(scene: Scene) -> None:
    peer = keyed(scene.shake_hands())
    protected = protect_rtp(peer, RTP_PACKET)
    scene.receive(protected, protected, RTP_PACKET, RTCP_PACKET, b"\x80")
    assert len(scene.transport.received) == 1
    assert scene.link.undecryptable == 4


def test_the_first_byte_says_what_a_datagram_is(scene: Scene) -> None:
    """RFC 7983: 20 to 63 is DTLS, 128 to 191 SRTP and SRTCP; the rest is dropped."""
    scene.shake_hands()
    steps, packets = [], []
    for first_byte in range(256):
        before = scene.link.undecryptable
        scene.link.receive(bytes([first_byte]) + bytes(30), scene.pair, 0)
        if scene.loop.steps:
            steps.append(first_byte)
            scene.loop.run_steps()
        if scene.link.undecryptable > before:
            packets.append(first_byte)
    assert steps == list(range(20, 64))
    assert packets == list(range(128, 192))
    assert scene.transport.closed_for == []


def test_a_short_datagram_is_dropped(scene: Scene) -> None:
    scene.shake_hands()
    for first_byte in range(256):
        scene.link.receive(bytes([first_byte]), scene.pair, 0)
    assert scene.loop.steps == []
    assert scene.transport.received == []


def test_packets_are_protected_and_go_to_the_nominated_address(scene: Scene) -> None:
    peer = keyed(scene.shake_hands())
    scene.link.send_rtp([Packets([RTP_PACKET])])
    scene.link.send_rtcp([RTCP_PACKET])
    (rtp, rtp_address), (rtcp, rtcp_address) = scene.port.sent
    assert peer.unprotect_rtp(rtp) == RTP_PACKET
    assert peer.unprotect_rtcp(rtcp) == RTCP_PACKET
    assert rtp_address == rtcp_address == HOME

    scene.port.take_sent()
    scene.validate(ELSEWHERE)
    scene.link.send_rtp([Packets([RTP_PACKET])])
    ((_datagram, address),) = scene.port.sent
    assert address == ELSEWHERE


def test_nothing_is_sent_before_the_keys(scene: Scene) -> None:
    scene.validate()
    scene.link.send_rtp([Packets([RTP_PACKET])])
    scene.link.send_rtcp([RTCP_PACKET])
    assert scene.port.sent == []


def test_nothing_is_sent_before_the_first_check(scene: Scene) -> None:
    """Neither media nor DTLS, as long as nobody has shown that he wants it."""
    scene.connect("client")
    peer = DtlsEndpoint(PEER_CERTIFICATE, "client", OUR_CERTIFICATE.fingerprints)
    scene.receive(*peer.step([]))
    scene.link.send_rtp([Packets([RTP_PACKET])])
    scene.link.send_rtcp([RTCP_PACKET])
    assert scene.port.sent == []


def test_a_packet_that_is_too_long_is_dropped_alone(scene: Scene) -> None:
    """A sender with long packets does no harm to those who receive them."""
    peer = keyed(scene.shake_hands())
    too_long = RTP_PACKET + bytes(1400)
    scene.link.send_rtp([Packets([too_long, RTP_PACKET])])
    scene.link.send_rtcp([RTCP_PACKET + bytes(1400), RTCP_PACKET])
    rtp, rtcp = scene.port.take_sent()
    assert peer.unprotect_rtp(rtp) == RTP_PACKET
    assert peer.unprotect_rtcp(rtcp) == RTCP_PACKET
    assert scene.link.unsendable == 2
    assert scene.transport.closed_for == []


def test_more_packets_than_the_memory_holds_go_out_in_order(scene: Scene) -> None:
    peer = keyed(scene.shake_hands())
    numbers = range(1, 2 * MAX_PACKETS + 3)
    packets = [RTP_PACKET[:3] + bytes([number]) + RTP_PACKET[4:] for number in numbers]
    scene.link.send_rtp([Packets(packets)])
    assert [peer.unprotect_rtp(each) for each in scene.port.take_sent()] == packets


def test_a_key_that_is_used_up_closes_the_transport_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> bytes:
        raise SrtpKeyUsedUpError("can't use key any more")

    scene.shake_hands()
    used_up = "sidecar.net.packet_sender.protect_in_place"
    monkeypatch.setattr(used_up, lambda *_arguments: [KEY_EXPIRED, KEY_EXPIRED])
    monkeypatch.setattr(SrtpSession, "protect_rtcp", refuse)
    close = scene.link.close

    def close_with_a_last_word() -> None:
        scene.link.send_rtcp([RTCP_PACKET])  # as a transport does when it closes
        close()

    monkeypatch.setattr(scene.link, "close", close_with_a_last_word)
    scene.link.send_rtp([Packets([RTP_PACKET, RTP_PACKET])])
    assert scene.transport.closed_for == ["srtp-failed"]


def test_the_peers_goodbye_closes_the_transport(scene: Scene) -> None:
    peer = scene.shake_hands()
    scene.receive(*peer.close())
    assert scene.transport.closed_for == ["dtls-closed"]
    assert scene.port.retired == [scene.link]


def test_close_says_goodbye_and_is_recognised_no_more(scene: Scene) -> None:
    peer = scene.shake_hands()
    scene.link.close()
    peer.step(scene.port.take_sent())
    assert peer.closed
    assert scene.port.retired == [scene.link]
    scene.link.close()
    scene.link.send_rtp([Packets([RTP_PACKET])])
    scene.link.send_rtcp([RTCP_PACKET])
    scene.receive(protect_rtp(keyed(peer), RTP_PACKET))
    assert scene.port.sent == []
    assert scene.port.retired == [scene.link]
    assert scene.transport.received == []
    assert scene.transport.closed_for == []


def test_close_before_connect_says_nothing(scene: Scene) -> None:
    scene.link.close()
    assert scene.port.sent == []
    assert scene.port.retired == [scene.link]


def test_an_ice_restart_makes_new_credentials_and_keeps_the_old_for_a_while(scene: Scene) -> None:
    first = scene.link.ice_parameters
    scene.validate()
    second = scene.link.restart_ice()
    assert second == scene.link.ice_parameters
    assert second.username_fragment != first.username_fragment
    assert scene.port.known == [first.username_fragment, second.username_fragment]

    third = scene.link.restart_ice()
    assert scene.port.known == [second.username_fragment, third.username_fragment]


def test_an_offer_is_the_same_until_it_is_taken_up(scene: Scene) -> None:
    first = scene.link.ice_parameters
    scene.validate()
    offer = scene.link.offer_ice_restart()
    assert offer.username_fragment != first.username_fragment
    for _ in range(5):
        assert scene.link.offer_ice_restart() == offer
    assert scene.port.known == [first.username_fragment, offer.username_fragment]
    assert set(scene.link.ice.username_fragments) == set(scene.port.known)


def test_an_offer_after_a_request_is_what_was_answered(scene: Scene) -> None:
    scene.validate()
    assert scene.link.restart_ice() == scene.link.offer_ice_restart()


def test_media_flows_on_during_an_ice_restart(scene: Scene) -> None:
    peer = keyed(scene.shake_hands())
    scene.link.restart_ice()
    scene.link.send_rtp([Packets([RTP_PACKET])])
    ((datagram, address),) = scene.port.sent
    assert peer.unprotect_rtp(datagram) == RTP_PACKET
    assert address == HOME


def test_giving_a_peer_up_closes_the_transport(scene: Scene) -> None:
    scene.link.fail("ice-timeout")
    assert scene.transport.closed_for == ["ice-timeout"]
    assert scene.port.retired == [scene.link]


def test_more_than_an_honest_peer_sends_is_not_even_decrypted(scene: Scene) -> None:
    peer = keyed(scene.shake_hands())
    scene.port.time_ns += SECOND_NS
    packets = [protect_rtp(peer, build_packet(number, bytes(1000))) for number in range(4 * 1200)]
    scene.receive(*packets)
    taken = len(scene.transport.received)
    # Three seconds' worth of one and a half times 6 Mbit/s, and the like.
    assert 2000 < taken < 3200
    assert scene.link.over_budget == len(packets) - taken
    scene.link.look_after(scene.port.time_ns)
    scene.receive(*packets[taken:])
    assert 700 < len(scene.transport.received) - taken < 1100


def test_an_honest_sender_has_room_to_spare(scene: Scene) -> None:
    """A teacher at 6 Mbit/s, whose network holds a second back and then lets it go at once."""
    peer = keyed(scene.shake_hands())
    packets = [protect_rtp(peer, build_packet(number, bytes(1100))) for number in range(680 * 5)]
    scene.receive(*packets[: 2 * 680])
    for second in range(2, 5):
        scene.link.look_after(scene.port.time_ns)
        scene.receive(*packets[second * 680 : (second + 1) * 680])
    assert len(scene.transport.received) == len(packets)
    assert scene.link.over_budget == 0


def test_what_cannot_be_decrypted_counts_dearer(scene: Scene) -> None:
    scene.shake_hands()
    junk = bytes([128]) + bytes(99)
    for _ in range(10_000):
        scene.receive(junk)
    assert scene.link.undecryptable < 2000
    assert scene.link.over_budget == 10_000 - scene.link.undecryptable


def test_handshake_messages_count_dearest(scene: Scene) -> None:
    """Each is a step of OpenSSL in a thread."""
    scene.shake_hands()
    for _ in range(10_000):
        scene.receive(bytes([22]) + bytes(99))
    assert scene.link.over_budget > 9_000


def test_a_packet_that_is_authentic_is_a_sign_of_life_and_no_other(scene: Scene) -> None:
    peer = keyed(scene.shake_hands())
    scene.port.time_ns = 50 * SECOND_NS
    scene.receive(bytes([128]) + bytes(99), bytes([22]) + bytes(99))
    assert scene.pair.heard_ns == NEVER_NS
    scene.receive(protect_rtp(peer, RTP_PACKET))
    assert scene.pair.heard_ns == 50 * SECOND_NS
    scene.port.time_ns += SECOND_NS
    scene.receive(peer.protect_rtcp(RTCP_PACKET))
    assert scene.pair.heard_ns == 51 * SECOND_NS


def build_packet(number: int, payload: bytes) -> bytes:
    """An RTP packet with a sequence number of its own."""
    return bytes([0x80, 96]) + number.to_bytes(2, "big") + bytes(4) + b"ssrc" + payload


def is_kept(session: SrtpSession, ssrc: int, *, inbound: bool) -> bool:
    """Whether libsrtp has a stream of this SSRC. It has none afterwards."""
    try:
        (session._inbound if inbound else session._outbound).remove_stream(ssrc)
    except pylibsrtp.Error:
        return False
    return True


def build_with_ssrc(ssrc: int, number: int = 1) -> bytes:
    return build_packet(number, b"payload").replace(b"ssrc", ssrc.to_bytes(4, "big"))


def build_report(ssrc: int) -> bytes:
    """An empty Receiver Report."""
    return bytes([0x80, 201, 0, 1]) + ssrc.to_bytes(4, "big")


def test_twenty_thousand_ssrcs_of_one_peer_leave_a_few_streams(scene: Scene) -> None:
    peer = keyed(scene.shake_hands())
    scene.transport.ssrcs = {1}
    ours = cast(SrtpSession, scene.link._srtp)
    packets = [protect_rtp(peer, build_with_ssrc(1))]
    for ssrc in range(2, 20_002):
        # The peer's own streams are not to slow this test down.
        packets.append(protect_rtp(peer, build_with_ssrc(ssrc)))
        peer.end_outbound(ssrc)
    for number, packet in enumerate(packets):
        scene.receive(packet)
        if number % 1000 == 0:
            scene.link.look_after(scene.port.time_ns)
        if number:
            scene.link.forget_incoming(number + 1)  # as the transport tells
    kept = [ssrc for ssrc in range(1, 20_002) if is_kept(ours, ssrc, inbound=True)]
    assert kept == [1, *range(20_002 - MAX_STRAY_STREAMS, 20_002)]
    assert len(scene.transport.received) == 20_001


def test_reports_under_ever_other_ssrcs_leave_a_few_streams(scene: Scene) -> None:
    peer = keyed(scene.shake_hands())
    ours = cast(SrtpSession, scene.link._srtp)
    scene.transport.ssrcs = {1}
    scene.receive(peer.protect_rtcp(build_report(1)))
    for ssrc in range(2, 2002):
        scene.receive(peer.protect_rtcp(build_report(ssrc)))
        scene.link.look_after(scene.port.time_ns)
    kept = [ssrc for ssrc in range(1, 2002) if is_kept(ours, ssrc, inbound=True)]
    assert kept == [1, *range(2002 - MAX_STRAY_STREAMS, 2002)]


def test_a_stream_that_is_announced_late_is_decrypted_from_its_first_packet_on(
    scene: Scene,
) -> None:
    """Its counter goes round meanwhile: whoever has not seen that cannot decrypt it."""
    peer = keyed(scene.shake_hands())
    for number in (65_000, 65_535, 400):
        scene.receive(protect_rtp(peer, build_with_ssrc(7, number)))
        scene.link.forget_incoming(7)
    scene.transport.ssrcs = {7}
    for ssrc in range(100, 200):
        scene.receive(protect_rtp(peer, build_with_ssrc(ssrc)))
        scene.link.forget_incoming(ssrc)
    before = len(scene.transport.received)
    scene.receive(protect_rtp(peer, build_with_ssrc(7, 401)))
    assert len(scene.transport.received) == before + 1


def test_what_is_kept_to_send_a_stream_goes_when_it_has_ended(scene: Scene) -> None:
    keyed(scene.shake_hands())
    ours = cast(SrtpSession, scene.link._srtp)
    for ssrc in (7, 8):
        scene.link.send_rtp([Packets([build_with_ssrc(ssrc)])])
    scene.link.end_outgoing(7)
    scene.link.send_rtp([Packets([build_with_ssrc(7, 2)])])  # what waited leaves
    assert len(scene.port.take_sent()) == 2 + 1
    scene.link.look_after(scene.port.time_ns)
    assert not is_kept(ours, 7, inbound=False)
    assert is_kept(ours, 8, inbound=False)


def test_nothing_is_ever_protected_again_under_an_ssrc_that_has_ended(scene: Scene) -> None:
    """libsrtp would count from 0 again, and use the same nonce for something else."""
    keyed(scene.shake_hands())
    scene.link.send_rtp([Packets([build_with_ssrc(7)])])
    scene.link.send_rtcp([build_report(7)])
    scene.link.end_outgoing(7)
    scene.link.look_after(scene.port.time_ns)
    scene.port.take_sent()
    scene.link.send_rtp([Packets([build_with_ssrc(7)]), Packets([build_with_ssrc(9)])])
    scene.link.send_rtp([Packets([build_with_ssrc(9, 2), build_with_ssrc(7, 3)])])
    scene.link.send_rtcp([build_report(7)])
    assert len(scene.port.take_sent()) == 1
    assert scene.link.unsendable == 1 + 2 + 1


def test_whoever_ends_streams_without_end_is_given_up(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "MAX_ENDED_STREAMS", 10)
    scene.shake_hands()
    for ssrc in range(10):
        scene.link.end_outgoing(ssrc)
    scene.link.look_after(scene.port.time_ns)
    assert scene.transport.closed_for == []
    scene.link.end_outgoing(10)
    scene.link.look_after(scene.port.time_ns)
    assert scene.transport.closed_for == ["srtp-failed"]


def test_streams_may_end_before_there_are_keys(scene: Scene) -> None:
    scene.link.end_outgoing(7)
    scene.link.forget_incoming(7)
    scene.link.look_after(scene.port.time_ns)
    scene.shake_hands()
    assert scene.transport.closed_for == []


@pytest.mark.parametrize("role", ["client", "server"])
def test_what_is_closed_is_freed_at_once(role: PeerRole) -> None:
    gc.collect()
    gc.disable()
    try:
        scene = Scene()
        scene.validate()
        scene.connect(role)
        scene.loop.run_steps()
        scene.link.close()
        link, transport = weakref.ref(scene.link), weakref.ref(scene.transport)
        del scene.transport.link  # as a real one does; nor do these remember anything
        scene.port.retired.clear()
        scene.loop.timers.clear()
        del scene
        assert (link(), transport()) == (None, None)
    finally:
        gc.enable()
