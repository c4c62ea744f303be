"""Consumers who start at the same moment: what they get together, and who leaves on the way."""

from __future__ import annotations

import pytest

from sidecar.ortc import RtpCapabilities
from sidecar.sfu import Consumer, WebRtcTransport
from sidecar.sfu.starting import GATHER_NS
from tests.unit.sfu import media
from tests.unit.sfu.support import MS, FakeRecipients, Peer
from tests.unit.sfu.test_starting import FRAME_MS, RunningLesson, numbers, positions


class Newcomers(RunningLesson):
    """A running class into which some come at the same moment."""

    def __init__(self, count: int, frames: int = 50) -> None:
        super().__init__(frames)
        self.peers = [self.peer() for _ in range(count)]
        self.network.together.clear()

    def come(self, *capabilities: RtpCapabilities) -> list[Consumer]:
        """Has all of them come; their capabilities are those given, in turns."""
        given = capabilities or (media.CAPABILITIES,)
        consumers = [
            peer.transport.consume(self.producer, given[number % len(given)])
            for number, peer in enumerate(self.peers)
        ]
        for consumer in consumers:
            consumer.resume()
        self.process()
        return consumers

    @property
    def replays(self) -> list[FakeRecipients]:
        """To whom something was sent together while somebody was behind."""
        return [each for each in self.network.together if each.sent]


def gets_everything(peer: Peer, until: int) -> bool:
    packets = peer.gets()
    return positions(packets) == numbers(packets) == list(range(until))


def test_packets_are_made_once_and_sent_to_all_together() -> None:
    lesson = Newcomers(5)
    lesson.come()
    lesson.advance(FRAME_MS * MS)
    (replay,) = lesson.replays
    assert replay.links == [peer.link for peer in lesson.peers]
    assert replay.sent >= 2
    assert len({b"".join(peer.link.rtp) for peer in lesson.peers}) == 1
    lesson.runs(5)
    assert all(gets_everything(peer, 55) for peer in lesson.peers)


def test_who_gets_other_bytes_is_replayed_to_apart() -> None:
    """Without RTX they are those of the buffer, since they may be asked for again."""
    lesson = Newcomers(4)
    lesson.come(media.CAPABILITIES, media.without_rtx())
    lesson.advance(FRAME_MS * MS)
    with_rtx, without_rtx = lesson.replays
    assert with_rtx.links == [peer.link for peer in lesson.peers[::2]]
    assert without_rtx.links == [peer.link for peer in lesson.peers[1::2]]
    assert all(gets_everything(peer, 50) for peer in lesson.peers)


def test_who_has_been_there_before_is_replayed_to_apart() -> None:
    """The numbers of a stream go on where they were."""
    lesson = Newcomers(1, frames=0)
    first = lesson.start(65_499)
    lesson.consumer.pause()
    lesson.runs(10)
    lesson.consumer.resume()
    lesson.come()
    lesson.runs(1)
    assert len(lesson.replays) >= 2
    assert numbers([first, *lesson.student.gets()]) == list(range(12))
    assert gets_everything(lesson.peers[0], 11)


@pytest.mark.parametrize("how", ["pause", "close"])
def test_who_leaves_on_the_way_gets_no_more_and_the_others_all(how: str) -> None:
    lesson = Newcomers(3)
    consumers = lesson.come()
    before = len(lesson.peers[1].gets())
    assert 0 < before < 50
    getattr(consumers[1], how)()
    lesson.runs(5)
    assert lesson.peers[1].gets() == []
    assert gets_everything(lesson.peers[0], 55)
    assert gets_everything(lesson.peers[2], 55)


def test_who_leaves_and_comes_back_between_two_instalments_gets_nothing_twice() -> None:
    lesson = Newcomers(2)
    consumers = lesson.come()
    before = lesson.peers[1].gets()
    consumers[1].pause()
    consumers[1].resume()
    lesson.runs(5)
    # He has had the key frame's beginning: a decoder might take it for an old one.
    assert lesson.peers[1].gets() == []
    assert lesson.requests() >= 1
    lesson.position = 999
    lesson.teacher.sends(media.rtp(66_000, media.KEY_START, timestamp=1 << 24, marker=True))
    assert numbers([*before, *lesson.peers[1].gets()]) == list(range(len(before) + 1))


def test_who_breaks_while_being_sent_to_takes_nobody_along() -> None:
    lesson = Newcomers(3)
    consumers = lesson.come()
    lesson.peers[1].link.breaks = True
    lesson.runs(5)
    assert [consumer.closed for consumer in consumers] == [False, True, False]
    assert gets_everything(lesson.peers[0], 55)
    assert gets_everything(lesson.peers[2], 55)


def test_who_breaks_in_the_last_instalment_is_not_taken_for_up_to_date() -> None:
    lesson = Newcomers(3, frames=5)
    lesson.peers[1].link.breaks = True
    consumers = lesson.come()
    assert [consumer.closed for consumer in consumers] == [False, True, False]
    assert [consumer.stream.synchronised for consumer in consumers] == [True, False, True]


def test_mistake_is_reported_of_all_whom_it_concerns_and_the_class_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lesson = Newcomers(2)
    reported: list[WebRtcTransport] = []

    def break_down(*_arguments: object) -> None:
        raise ZeroDivisionError("a mistake")

    def report(transport: WebRtcTransport, _error: Exception) -> None:
        reported.append(transport)
        transport.close()

    monkeypatch.setattr(lesson.network, "report_defect", report)
    monkeypatch.setattr("sidecar.sfu.outgoing.OutgoingStream.replayed", break_down)
    lesson.come()
    lesson.runs(2)
    assert reported == [peer.transport for peer in lesson.peers]
    assert len(lesson.student.gets()) == 2


class TestGathering:
    def test_who_comes_while_nobody_is_behind_starts_at_once(self) -> None:
        lesson = Newcomers(1)
        lesson.comes()
        lesson.advance(30 * MS)
        lesson.newcomer.gets()
        lesson.come()
        assert positions(lesson.peers[0].gets())[0] == 0

    def test_who_comes_while_others_are_behind_waits_for_those_who_follow(self) -> None:
        lesson = Newcomers(4)
        lesson.comes()
        for peer in lesson.peers:
            lesson.advance(MS)
            peer.consumes(lesson.producer)
        assert all(peer.gets() == [] for peer in lesson.peers)
        lesson.runs(2)
        assert len(lesson.replays) == 2
        assert all(gets_everything(peer, 52) for peer in lesson.peers)

    def test_not_longer_than_the_others_need(self) -> None:
        lesson = Newcomers(1, frames=5)
        consumer = lesson.comes()
        lesson.peers[0].consumes(lesson.producer)
        while not consumer.stream.synchronised:
            lesson.advance(MS)
        assert positions(lesson.peers[0].gets())[0] == 0

    def test_and_not_too_long(self) -> None:
        lesson = Newcomers(1, frames=60)
        burst = range(60, 60 + 600)  # the others have a long way
        lesson.teacher.sends(*(lesson.packet(each) for each in burst))
        lesson.position = burst[-1]
        lesson.producer.stream.forget_key_frame()
        lesson.teacher.sends(media.rtp(66_500, media.KEY_START, timestamp=1 << 24, marker=True))
        lesson.teacher.sends(
            *(media.rtp(66_501 + each, bytes(1200), timestamp=1 << 24) for each in range(700))
        )
        consumer = lesson.comes()
        lesson.peers[0].consumes(lesson.producer)
        lesson.advance(GATHER_NS - MS)
        assert lesson.peers[0].gets() == []
        assert consumer.is_replaying
        lesson.advance(5 * MS)
        assert lesson.peers[0].gets() != []
        assert consumer.is_replaying
