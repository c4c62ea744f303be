"""What a receiver knows of one RTP stream: loss, jitter, duplicates (RFC 3550 6.4.1, A.3, A.8)."""

from __future__ import annotations

from typing import Final

from sidecar.engine.ntp import middle_32_bits, ntp_interval_32
from sidecar.rtp.rtcp import ReportBlock, SenderReport

MAX_JUMP_PACKETS: Final = 3000
"""A larger jump, either way, is not loss or reordering; RFC 3550 A.1 calls it MAX_DROPOUT."""

MAX_REORDER_PACKETS: Final = 100
"""How far apart packets may be to count as neighbours; RFC 3550 A.1 calls it MAX_MISORDER."""

_MISSING_MASK: Final = (1 << MAX_JUMP_PACKETS) - 1
"""What is missing for longer is no longer admitted."""

_MAX_TRANSIT_CHANGE_S: Final = 5
_PACKETS_LOST_MIN: Final = -0x800000
_PACKETS_LOST_MAX: Final = 0x7FFFFF


class ReceiveStatistics:
    """Counts one stream's packets and makes its reception report blocks.

    Differences to the sample code of RFC 3550, all of them on purpose:

    * There is no probation: the first packet counts and is forwarded (streams are signalled).
    * Duplicates are refused and not counted, so that they cannot hide loss.
    * Jitter is sampled once per RTP timestamp from packets in order. The packets of one video
      frame are paced by the sender, and a retransmission comes a round trip late; neither says
      anything about the network's jitter.

    Attributes:
        packets: packets received, duplicates excluded, recovered ones included.
        bytes: their sizes, as given to :meth:`on_packet`.
        fraction_lost: 0.0 to 1.0, of the interval that the last report block covered.
    """

    __slots__ = (
        "_base",
        "_candidate",
        "_candidate_packets",
        "_clock_rate",
        "_expected_before_restart",
        "_expected_prior",
        "_highest",
        "_jitter",
        "_jitter_ns",
        "_jitter_timestamp",
        "_last_sr",
        "_last_sr_ns",
        "_missing",
        "_missing_below",
        "_quiet_since_packets",
        "_received_prior",
        "_restarted",
        "bytes",
        "fraction_lost",
        "packets",
    )

    def __init__(self, clock_rate: int) -> None:
        self.packets = 0
        self.bytes = 0
        self.fraction_lost = 0.0
        self._clock_rate = clock_rate
        self._base = -1
        self._highest = -1
        # Bit n stands for the packet _missing_below - 1 - n: a gap costs the same however long.
        self._missing = 0
        self._missing_below = 0
        self._expected_before_restart = 0
        self._expected_prior = 0
        self._received_prior = 0
        self._candidate = -1
        self._candidate_packets = -1
        self._restarted = False
        self._quiet_since_packets = -1
        self._jitter = 0.0
        self._jitter_timestamp = -1
        self._jitter_ns = 0
        self._last_sr = 0
        self._last_sr_ns = 0

    def on_packet(
        self,
        ext_seq: int,
        rtp_timestamp: int,
        size_bytes: int,
        now_ns: int,
        recovered: bool = False,
    ) -> bool:
        """Count a packet; ``recovered`` says that it came as a retransmission (RTX).

        Returns:
            False for a packet that must not be forwarded: a duplicate, one that is too late, or
            one that may be the first of a restarted stream, see :meth:`take_restart`.
        """
        if ext_seq == self._highest + 1:
            self._highest = ext_seq
        elif not self._admit_irregular(ext_seq, recovered):
            return False
        self.packets += 1
        self.bytes += size_bytes
        if rtp_timestamp != self._jitter_timestamp and ext_seq == self._highest and not recovered:
            self._sample_jitter(rtp_timestamp, now_ns)
        return True

    def take_restart(self) -> bool:
        """Tell, once, whether the packet just refused was the second of a restarted stream.

        Two packets in a row that are neighbours of each other but more than
        ``MAX_JUMP_PACKETS`` away from the stream mean that the sender started a new sequence.
        The caller then takes a new extended number from ``SequenceUnwrapper.restart`` and gives
        the packet to :meth:`on_packet` again: it is the first of the new sequence. Totals go on.
        """
        restarted = self._restarted
        self._restarted = False
        return restarted

    def expect_restart(self) -> None:
        """Note a long silence: whatever comes next from behind the stream is not merely late."""
        self._quiet_since_packets = self.packets

    def begin_sequence(self) -> None:
        """Take the next packet for the first of a new sequence. Totals go on."""
        self._expected_before_restart = self._expected
        self._highest = -1
        self._missing = 0
        self._jitter_timestamp = -1
        self._candidate_packets = -1

    def on_sender_report(self, report: SenderReport, now_ns: int) -> None:
        """Remember when the sender's last report came, for LSR and DLSR (RFC 3550 6.4.1)."""
        self._last_sr = middle_32_bits(report.ntp_timestamp)
        self._last_sr_ns = now_ns

    def report_block(self, ssrc: int, now_ns: int) -> ReportBlock:
        """Make the report block of the interval since the last call, and begin a new one."""
        expected = self._expected
        expected_interval = expected - self._expected_prior
        lost_interval = expected_interval - (self.packets - self._received_prior)
        self._expected_prior = expected
        self._received_prior = self.packets
        fraction = 0
        if expected_interval > 0 and lost_interval > 0:
            fraction = min((lost_interval << 8) // expected_interval, 255)
        self.fraction_lost = fraction / 256
        return ReportBlock(
            ssrc=ssrc,
            fraction_lost=fraction,
            packets_lost=min(max(self.packets_lost, _PACKETS_LOST_MIN), _PACKETS_LOST_MAX),
            # Extended numbers begin in cycle 1 here, in cycle 0 on the wire.
            highest_sequence=max(self._highest - 0x10000, 0) & 0xFFFFFFFF,
            jitter=int(self._jitter),
            last_sr=self._last_sr,
            delay_since_last_sr=ntp_interval_32(now_ns - self._last_sr_ns) if self._last_sr else 0,
        )

    @property
    def packets_lost(self) -> int:
        """Packets expected but not received, since the beginning."""
        return self._expected - self.packets

    @property
    def jitter_ms(self) -> float:
        """Interarrival jitter (RFC 3550 A.8) in milliseconds."""
        return self._jitter * 1000 / self._clock_rate

    @property
    def _expected(self) -> int:
        if self._highest < 0:
            return self._expected_before_restart
        return self._expected_before_restart + self._highest - self._base + 1

    def _admit_irregular(self, ext_seq: int, recovered: bool) -> bool:
        """Decide on any packet but the next in order."""
        if self._highest < 0:
            self._base = self._highest = ext_seq
            return True
        ahead = ext_seq - self._highest
        lowest = 0 if self._quiet_since_packets == self.packets else -MAX_JUMP_PACKETS
        if not lowest <= ahead <= MAX_JUMP_PACKETS:
            if not recovered:
                self._consider_restart(ext_seq)
            return False
        if ahead > 0:
            moved = ext_seq - self._missing_below
            known = self._missing << moved if moved < MAX_JUMP_PACKETS else 0
            self._missing = (known | (1 << ahead - 1) - 1) & _MISSING_MASK
            self._missing_below = ext_seq
            self._highest = ext_seq
            return True
        behind = self._missing_below - 1 - ext_seq
        if behind >= 0 and self._missing >> behind & 1:
            self._missing ^= 1 << behind
            return True
        if self._base - MAX_REORDER_PACKETS <= ext_seq < self._base:
            self._admit_before_first(ext_seq)
            return True
        return False

    def _admit_before_first(self, ext_seq: int) -> None:
        """Take a packet as the first one; those up to the one that was the first are missing."""
        self._missing_below = max(self._base, self._missing_below)
        skipped = (1 << self._base - ext_seq - 1) - 1
        self._missing |= skipped << self._missing_below - self._base & _MISSING_MASK
        self._base = ext_seq

    def _consider_restart(self, ext_seq: int) -> None:
        # Unchanged `packets` means that nothing regular came in between: "twice in a row".
        in_a_row = self._candidate_packets == self.packets
        distance = abs(ext_seq - self._candidate)
        if in_a_row and 0 < distance <= MAX_REORDER_PACKETS:
            self.begin_sequence()
            self._restarted = True
            return
        self._candidate = ext_seq
        self._candidate_packets = self.packets

    def _sample_jitter(self, rtp_timestamp: int, now_ns: int) -> None:
        """RFC 3550 A.8, with the change of transit time computed from differences."""
        if self._jitter_timestamp >= 0:
            media_ticks = (rtp_timestamp - self._jitter_timestamp) & 0xFFFFFFFF
            if media_ticks >= 0x80000000:
                media_ticks -= 0x100000000
            arrival_ticks = (now_ns - self._jitter_ns) * self._clock_rate / 1_000_000_000
            change = abs(arrival_ticks - media_ticks)
            # A sender that was paused or that jumped in media time is not network jitter.
            if change < _MAX_TRANSIT_CHANGE_S * self._clock_rate:
                self._jitter += (change - self._jitter) / 16
        self._jitter_timestamp = rtp_timestamp
        self._jitter_ns = now_ns
