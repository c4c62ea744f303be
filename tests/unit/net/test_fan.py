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
