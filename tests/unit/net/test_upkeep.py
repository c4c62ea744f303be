"""Once a second: silence is told, sleep is noticed, and UDP that never comes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest

from sidecar.net.ice import CONSENT_TIMEOUT_NS
from sidecar.net.link import MediaLink
from sidecar.net.upkeep import (
    FIRST_CHECK_TIMEOUT_NS,
    LEAST_GAP_NS,
    STALE_AFTER_NS,
    STALE_AGAIN_NS,
    STALE_UNCHECKED_NS,
    Upkeep,
)
from sidecar.ortc.parameters import DtlsFingerprint, DtlsParameters
from sidecar.sfu import WebRtcTransport
from tests.unit.net.support import (
    HOME,
    SECOND_NS,
    FakePort,
    FakeTransport,
    ManualLoop,
    build_check,
    receive_check,
)


class Scene:
    """Links that are looked after.

    Attributes:
        port: Has the clock.
        links: With what stands for their transports.
        gaps_s: What was told of gaps.
        blocked: How often it was told that no UDP comes.
        defects: Mistakes, and the transports that brought them to light.
    """

    def __init__(self) -> None:
        self.port = FakePort(cast(Any, None))
        self.links: dict[MediaLink, FakeTransport] = {}
        self.gaps_s: list[float] = []
        self.blocked = 0
        self.defects: list[tuple[WebRtcTransport, Exception]] = []
        self.upkeep = Upkeep(
            self.gaps_s.append,
            self.on_udp_blocked,
            lambda transport, error: self.defects.append((transport, error)),
        )

    def on_udp_blocked(self) -> None:
        self.blocked += 1

    def open_link(self) -> tuple[MediaLink, FakeTransport]:
        transport = FakeTransport()
        link = MediaLink(
            self.port,
            transport.as_transport(),
            [],
            ManualLoop().as_loop(),
            cast(ThreadPoolExecutor, None),
        )
        transport.link = link
        self.links[link] = transport
        return link, transport

    def check(self, link: MediaLink) -> None:
        """Has the peer check."""
        check = build_check(link.ice_parameters, nominate=True)
        assert receive_check(link.ice, check, HOME, self.port.time_ns)

    def connect(self, link: MediaLink) -> None:
        """Has the peer's side of DTLS arrive; we would begin as soon as there is an address."""
        fingerprint = DtlsFingerprint(algorithm="sha-256", value="00")
        link.connect(DtlsParameters(fingerprints=(fingerprint,), role="server"))

    def pass_seconds(self, seconds: int) -> None:
        """Lets time pass, and looks after the links once a second."""
        for _ in range(seconds):
            self.port.time_ns += SECOND_NS
            self.upkeep.look_after(self.links, self.port.time_ns)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_a_silence_is_told_once_and_again_while_it_lasts(scene: Scene) -> None:
    link, transport = scene.open_link()
    scene.check(link)
    started_ns = scene.port.time_ns
    scene.pass_seconds(5)
    assert transport.stale_ns == []
    scene.pass_seconds(15)
    first_ns = started_ns + STALE_AFTER_NS
    assert transport.stale_ns == [first_ns + number * STALE_AGAIN_NS for number in range(3)]


def test_a_new_silence_is_told_anew(scene: Scene) -> None:
    link, transport = scene.open_link()
    scene.check(link)
    scene.pass_seconds(7)
    scene.check(link)
    scene.pass_seconds(2)
    assert len(transport.stale_ns) == 1
    scene.pass_seconds(4)
    assert len(transport.stale_ns) == 2


def test_whoever_sends_packets_is_not_silent(scene: Scene) -> None:
    """Firefox checks every 4 to 6 s, and a check may be lost."""
    link, transport = scene.open_link()
    scene.check(link)
    for _ in range(11):
        link.ice.pairs[0].heard_ns = scene.port.time_ns
        scene.pass_seconds(1)
    assert transport.stale_ns == []


def test_whoever_sends_packets_and_no_checks_has_a_problem(scene: Scene) -> None:
    """Without checks its consent ends in the end."""
    link, transport = scene.open_link()
    scene.check(link)
    started_ns = scene.port.time_ns
    for _ in range(13):
        link.ice.pairs[0].heard_ns = scene.port.time_ns
        scene.pass_seconds(1)
    assert transport.stale_ns == [started_ns + STALE_UNCHECKED_NS]


def test_a_mistake_with_one_link_leaves_the_others_alone(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first, _), (second, transport) = scene.open_link(), scene.open_link()
    scene.check(second)

    def mistaken(_now_ns: int) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(first, "look_after", mistaken)
    scene.pass_seconds(6)
    assert len(transport.stale_ns) == 1
    assert [type(error) for _, error in scene.defects] == [ZeroDivisionError] * 6
    assert {each for each, _ in scene.defects} == {first.transport}


def test_whoever_has_never_come_is_not_called_silent(scene: Scene) -> None:
    _link, transport = scene.open_link()
    scene.pass_seconds(60)
    assert transport.stale_ns == []
    assert transport.closed_for == []


def test_consent_ends_after_thirty_seconds(scene: Scene) -> None:
    link, transport = scene.open_link()
    scene.check(link)
    scene.pass_seconds(30)
    assert transport.closed_for == []
    scene.pass_seconds(1)
    assert transport.closed_for == ["ice-timeout"]


@pytest.mark.parametrize("gap_s", [6, 25, 3600])
def test_after_sleep_everybody_has_consent_anew(scene: Scene, gap_s: int) -> None:
    link, transport = scene.open_link()
    scene.connect(link)
    scene.check(link)
    scene.upkeep.expect(10 * SECOND_NS)
    scene.port.time_ns += gap_s * SECOND_NS
    noticed = scene.upkeep.notice_gap((10 + gap_s) * SECOND_NS, scene.links, scene.port.time_ns)
    assert noticed
    assert scene.gaps_s == [gap_s]
    assert link.ice.last_check_ns == scene.port.time_ns
    scene.upkeep.look_after(scene.links, scene.port.time_ns)
    assert transport.closed_for == []
    assert transport.stale_ns == []
    scene.pass_seconds(CONSENT_TIMEOUT_NS // SECOND_NS)
    assert transport.closed_for == []
    scene.pass_seconds(1)
    assert transport.closed_for == ["ice-timeout"]


def test_being_a_little_late_is_not_sleep(scene: Scene) -> None:
    link, _transport = scene.open_link()
    scene.check(link)
    before_ns = link.ice.last_check_ns
    assert not scene.upkeep.notice_gap(99 * SECOND_NS, scene.links, 0)  # nothing was expected yet
    scene.upkeep.expect(10 * SECOND_NS)
    assert not scene.upkeep.notice_gap(10 * SECOND_NS + LEAST_GAP_NS, scene.links, 0)
    assert scene.gaps_s == []
    assert link.ice.last_check_ns == before_ns


def test_udp_that_never_comes_is_told_once(scene: Scene) -> None:
    links = [scene.open_link()[0] for _ in range(3)]
    for link in links:
        scene.connect(link)
    scene.pass_seconds(FIRST_CHECK_TIMEOUT_NS // SECOND_NS - 1)
    assert scene.blocked == 0
    scene.pass_seconds(60)
    assert scene.blocked == 1


def test_a_client_that_checks_or_has_nothing_to_check_for_tells_nothing_of_udp(
    scene: Scene,
) -> None:
    checking, _ = scene.open_link()
    scene.connect(checking)
    scene.check(checking)
    scene.open_link()  # never connected: there is nothing to send yet
    scene.pass_seconds(20)
    assert scene.blocked == 0


def test_sleep_is_not_taken_for_a_firewall(scene: Scene) -> None:
    link, _transport = scene.open_link()
    scene.connect(link)
    scene.upkeep.expect(SECOND_NS)
    scene.port.time_ns += 60 * SECOND_NS
    scene.upkeep.notice_gap(61 * SECOND_NS, scene.links, scene.port.time_ns)
    scene.pass_seconds(5)
    assert scene.blocked == 0
