"""The same packets to many links: who is reached, and when that is worked out anew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import pytest

from sidecar.net.dtls import Certificate
from sidecar.net.fan import Fan
from sidecar.net.ice import Address
from sidecar.net.link import MediaLink
from sidecar.net.packet_memory import CELLS
from sidecar.net.srtp import PROFILES, SrtpProfile, SrtpSession
from sidecar.sfu.batch import Packets
from tests.unit.net.support import FakePort, FakeReceiver

RTP_PACKET = bytes([0x80, 96, 0, 1]) + bytes(4) + b"ssrc" + b"payload"
CERTIFICATE = Certificate()


class FakeLink(FakeReceiver):
    """A link whose route a test says."""

    def __init__(self, number: int, profile: SrtpProfile = PROFILES[0]) -> None:
        super().__init__()
        material = bytes(profile.keying_material_bytes)
        self.own = SrtpSession(profile, material, is_dtls_client=True)
        self.address: Address = ("192.0.2.1", number)
        session = SrtpSession(profile, material, is_dtls_client=False)
        self.route: tuple[SrtpSession, Address] | None = (session, self.address)


@pytest.fixture
def port() -> FakePort:
    return FakePort(CERTIFICATE)


def fan(port: FakePort, links: Sequence[FakeLink]) -> Fan:
    return Fan(port, cast(Sequence[MediaLink], links))


def test_more_are_reached_than_the_memory_has_room_for(port: FakePort) -> None:
    links = [FakeLink(number) for number in range(2 * CELLS + 3)]
    fan(port, links).send_rtp(Packets([RTP_PACKET]))
    assert [address for _datagram, address in port.sent] == [link.address for link in links]
    for link, (datagram, _address) in zip(links, port.sent, strict=True):
        assert link.own.unprotect_rtp(datagram) == RTP_PACKET


def test_profiles_may_differ(port: FakePort) -> None:
    links = [FakeLink(number, PROFILES[number % len(PROFILES)]) for number in range(9)]
    fan(port, links).send_rtp(Packets([RTP_PACKET]))
    by_address = {address: datagram for datagram, address in port.sent}
    for link in links:
        assert link.own.unprotect_rtp(by_address[link.address]) == RTP_PACKET


def test_who_cannot_be_reached_is_left_out_until_the_port_tells(port: FakePort) -> None:
    links = [FakeLink(1), FakeLink(2)]
    route, links[0].route = links[0].route, None
    both = fan(port, links)
    both.send_rtp(Packets([RTP_PACKET]))
    assert [address for _datagram, address in port.sent] == [links[1].address]
    port.take_sent()

    links[0].route = route
    port.route_changed()
    both.send_rtp(Packets([RTP_PACKET[:3] + b"\2" + RTP_PACKET[4:]]))
    assert len(port.take_sent()) == 2


def test_nobody_costs_nothing(port: FakePort) -> None:
    fan(port, []).send_rtp(Packets([RTP_PACKET]))
    assert port.sent == []


def test_an_ended_ssrc_reaches_those_for_whom_it_goes_on(port: FakePort) -> None:
    """The receivers of a stream share its SSRC: one has ended it, the others have not."""
    links = [FakeLink(number) for number in range(5)]
    everybody = fan(port, links)
    everybody.send_rtp(Packets([RTP_PACKET]))
    gone = links[2]
    assert gone.route is not None
    gone.route[0].end_outbound(int.from_bytes(b"ssrc", "big"))
    port.route_changed()
    port.sent.clear()
    everybody.send_rtp(Packets([RTP_PACKET.replace(bytes([0, 1]), bytes([0, 2]), 1)]))
    assert [address for _, address in port.sent] == [
        link.address for link in links if link is not gone
    ]
    assert [link.unsendable for link in links] == [0, 0, 1, 0, 0]
    other = RTP_PACKET.replace(b"ssrc", b"SSRC")
    port.sent.clear()
    everybody.send_rtp(Packets([other]))
    assert len(port.sent) == 5


def test_an_ssrc_that_everybody_has_ended_reaches_nobody(port: FakePort) -> None:
    links = [FakeLink(number) for number in range(3)]
    for link in links:
        assert link.route is not None
        link.route[0].end_outbound(int.from_bytes(b"ssrc", "big"))
    fan(port, links).send_rtp(Packets([RTP_PACKET]))
    assert port.sent == []
    assert [link.unsendable for link in links] == [1, 1, 1]
