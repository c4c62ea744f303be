"""Audio and video of one sender stay in sync through sender reports that are made anew."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from sidecar.engine.ntp import middle_32_bits, ntp_difference, ntp_interval, ntp_interval_32
from sidecar.engine.round_trip import RttEstimator
from sidecar.engine.sender_report_mapper import SenderReportMapper
from sidecar.rtp.rtcp import ReportBlock
from tests.sim.link import MS, Link, S

NTP_START = 0xFFFF_FFF0 << 32  # 16 s before the era ends
CLOCK_RATES = {1: 90_000, 2: 48_000}
FIRST_TIMESTAMP = {1: 0xFFFF_0000, 2: 12_345}


def media_time_ntp(ssrc: int, report: tuple[int, int]) -> int:
    """Return the NTP time at which the stream's first sample was taken, as a receiver does."""
    ntp_timestamp, rtp_timestamp = report
    ticks = (rtp_timestamp - FIRST_TIMESTAMP[ssrc]) & 0xFFFF_FFFF
    return ntp_timestamp - (ticks << 32) // CLOCK_RATES[ssrc]


@pytest.mark.parametrize("seed", range(5))
def test_reports_never_disagree_by_a_millisecond(seed: int) -> None:
    mapper = SenderReportMapper()
    link: Link[tuple[int, int, int]] = Link(seed, loss=0.1, jitter_ns=200 * MS)
    checked = 0
    for now_ms in range(0, 60_000, 50):
        now_ns = now_ms * MS
        if now_ms % 1000 == 0:
            for ssrc, clock_rate in CLOCK_RATES.items():
                ntp = (NTP_START + ntp_interval(now_ns)) & (1 << 64) - 1
                ticks = FIRST_TIMESTAMP[ssrc] + now_ms * clock_rate // 1000
                link.send((ssrc, ntp, ticks & 0xFFFF_FFFF), now_ns)
        for ssrc, ntp, rtp_timestamp in link.receive(now_ns):
            mapper.on_sender_report(ssrc, ntp, rtp_timestamp, now_ns, CLOCK_RATES[ssrc])
        video, audio = mapper.report_at(1, now_ns), mapper.report_at(2, now_ns)
        if video is not None and audio is not None:
            skew = ntp_difference(media_time_ntp(1, video), media_time_ntp(2, audio))
            assert abs(skew) < ntp_interval(1 * MS)
            checked += 1
    assert checked > 1000


def test_round_trip_time_is_right_though_reports_carry_the_senders_clock() -> None:
    mapper = SenderReportMapper()
    estimator = RttEstimator()
    link: Link[int] = Link(1, jitter_ns=200 * MS)
    for second in range(60):
        link.send(NTP_START + (second << 32), second * S)
        now_ns = second * S + 500 * MS
        for ntp in link.receive(now_ns):
            mapper.on_sender_report(1, ntp & (1 << 64) - 1, 0, now_ns, 90_000)
        sent_ntp = mapper.ntp_at(now_ns)
        now_ntp = mapper.ntp_at(now_ns + 340 * MS)
        assert sent_ntp is not None
        assert now_ntp is not None
        block = ReportBlock(
            ssrc=1,
            fraction_lost=0,
            packets_lost=0,
            highest_sequence=0,
            jitter=0,
            last_sr=middle_32_bits(sent_ntp),
            delay_since_last_sr=ntp_interval_32(300 * MS),
        )
        estimator.on_report_block(block, middle_32_bits(now_ntp))
    assert estimator.rtt_ns is not None
    assert abs(estimator.rtt_ns - 40 * MS) < MS


class Sender:
    """A browser's stream, whose RTP clock stands still while it has no source; its reports don't.

    Args:
        ssrc: Of the stream.
        report_ns: From one report to the next.
        packet_ns: From one packet to the next.
        late_ns: Between taking a sample and sending it.
    """

    def __init__(self, ssrc: int, report_ns: int, packet_ns: int, late_ns: int) -> None:
        self.ssrc = ssrc
        self._report_ns = report_ns
        self._packet_ns = packet_ns
        self._late_ns = late_ns
        self._stood_since_ns: int | None = None
        self._stood_ns = 0

    def truth(self, now_ns: int) -> int:
        """The RTP timestamp of a sample that is taken now."""
        ticks = (now_ns - self._stood_ns) * CLOCK_RATES[self.ssrc] // S
        return (FIRST_TIMESTAMP[self.ssrc] + ticks) & 0xFFFF_FFFF

    def send(self, now_ns: int, ntp_ns: int, link: Link[Sent], *, stands: bool) -> None:
        """Send what is due, and report as if the clock had gone on since the newest packet."""
        if stands:
            if self._stood_since_ns is None:
                self._stood_since_ns = now_ns
        elif self._stood_since_ns is not None:
            self._stood_ns += now_ns - self._stood_since_ns
            self._stood_since_ns = None
        if not stands and now_ns % self._packet_ns == 0:
            link.send(Sent(self.ssrc, None, self.truth(now_ns - self._late_ns)), now_ns)
        if now_ns % self._report_ns == 0:
            ntp = (NTP_START + ntp_interval(ntp_ns)) & (1 << 64) - 1
            link.send(Sent(self.ssrc, ntp, self.truth(now_ns)), now_ns)


class Sent(NamedTuple):
    """A report, or a packet, which has no NTP time."""

    ssrc: int
    ntp_timestamp: int | None
    rtp_timestamp: int


VIDEO, AUDIO = 1, 2
STANDS_FROM_S, STANDS_TO_S = 20, 28
LATER_S = STANDS_TO_S + 9
"""Each stream has reported since it went on."""


def wrong_by_ms(sender: Sender, mapper: SenderReportMapper, now_ns: int, ntp_ns: int) -> float:
    """How far a report of ours would be from the truth; it is about the NTP time it names."""
    report = mapper.report_at(sender.ssrc, now_ns)
    assert report is not None
    ntp_timestamp, rtp_timestamp = report
    named_ns = ntp_difference(ntp_timestamp, NTP_START) * S >> 32
    true_timestamp = sender.truth(now_ns + named_ns - ntp_ns)
    ticks = ((rtp_timestamp - true_timestamp + (1 << 31)) & 0xFFFF_FFFF) - (1 << 31)
    return ticks * 1000 / CLOCK_RATES[sender.ssrc]


@pytest.mark.parametrize("clock_jump_s", [0, 3600, -3600])
@pytest.mark.parametrize("standing", [{VIDEO}, {AUDIO}, {VIDEO, AUDIO}, set[int]()])
@pytest.mark.parametrize("seed", range(3))
def test_clock_that_stood_still_is_seen_at_once(
    seed: int, standing: set[int], clock_jump_s: int
) -> None:
    mapper = SenderReportMapper()
    link: Link[Sent] = Link(seed, delay_ns=10 * MS, jitter_ns=30 * MS)
    senders = [Sender(VIDEO, S, 40 * MS, 100 * MS), Sender(AUDIO, 5 * S, 20 * MS, 30 * MS)]
    worst_ms = {"before": 0.0, "just after": 0.0, "later": 0.0}
    for now_ns in range(0, 60 * S, 20 * MS):
        stands = STANDS_FROM_S * S <= now_ns < STANDS_TO_S * S
        ntp_ns = now_ns + (clock_jump_s * S if now_ns >= STANDS_TO_S * S else 0)
        for sender in senders:
            sender.send(now_ns, ntp_ns, link, stands=stands and sender.ssrc in standing)
        for sent in link.receive(now_ns):
            if sent.ntp_timestamp is None:
                mapper.on_packet(sent.ssrc, sent.rtp_timestamp, now_ns)
            else:
                mapper.on_sender_report(
                    sent.ssrc,
                    sent.ntp_timestamp,
                    sent.rtp_timestamp,
                    now_ns,
                    CLOCK_RATES[sent.ssrc],
                )
        if now_ns < 10 * S or stands or now_ns % S != 500 * MS:
            continue
        when = "later" if now_ns > LATER_S * S else "just after" if now_ns > STANDS_TO_S * S else ""
        for sender in senders:
            wrong_ms = abs(wrong_by_ms(sender, mapper, now_ns, ntp_ns))
            worst_ms[when or "before"] = max(worst_ms[when or "before"], wrong_ms)
    assert worst_ms["before"] < 1
    assert worst_ms["just after"] < 150
    assert worst_ms["later"] < 1
