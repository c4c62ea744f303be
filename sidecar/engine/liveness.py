"""Whether the sender of a stream still sends it: by its packets, its Sender Reports and its BYE.

An existing frontend ends a stream without a word, so silence has to tell. What browsers send while
a picture stands still, a track is muted or there is none is in docs/rtcp.md, where it is measured.
"""

from __future__ import annotations

from typing import Final, NamedTuple

SILENCE_NS: Final = 5_000_000_000
"""Longer than any pause of a picture that stands still: of these the longest measured is 2 s."""

STRAGGLER_NS: Final = 200_000_000
"""What comes so soon after a BYE was sent before it, and has been overtaken."""

MAX_STEP_NS: Final = 2_000_000_000
"""A longer time between two looks is one in which nobody looked: this computer slept."""

_S: Final = 1_000_000_000


class Patience(NamedTuple):
    """How long what is not heard of is still believed in.

    Attributes:
        packets_ns: Without packets,
        reports_ns: and without Sender Reports, its sender has dropped it.
        total_ns: Without either, nobody will want it any more.
    """

    packets_ns: int
    reports_ns: int
    total_ns: int


VIDEO_PATIENCE: Final = Patience(3 * _S, 3 * _S, 300 * _S)
"""Browsers report on video every 0.5 to 1.5 s."""

AUDIO_PATIENCE: Final = Patience(3 * _S, 10 * _S, 7200 * _S)
"""Browsers report on audio every 2.5 to 7.5 s. Who has not spoken for a lesson may still: a
microphone that is let go with ``zeroRtpOnPause`` sends neither packets nor reports."""


class Liveness:
    """Signs of life of one stream. Time is that of their arrival; RTP time may stand still.

    Attributes:
        heard_ns: When its newest packet came; its start if none has. Written by who receives it.
    """

    __slots__ = (
        "_ended_ns",
        "_patience",
        "_reported_ns",
        "_unheard_ns",
        "_watched_ns",
        "heard_ns",
    )

    def __init__(self, patience: Patience, now_ns: int) -> None:
        """Begins as alive.

        Args:
            patience: What is usual for its kind.
            now_ns: the time.
        """
        self.heard_ns = now_ns
        self._patience = patience
        self._reported_ns = now_ns
        self._ended_ns: int | None = None
        self._watched_ns = now_ns
        self._unheard_ns = 0

    def on_sender_report(self, now_ns: int) -> None:
        """Note a Sender Report: there is a sender, even if it has nothing to send."""
        self._reported_ns = now_ns

    def on_bye(self, now_ns: int) -> None:
        """Note a BYE: silent from now on, until packets come again."""
        self._ended_ns = now_ns

    @property
    def has_ended(self) -> bool:
        """Whether the last that was heard was a BYE."""
        ended_ns = self._ended_ns
        return ended_ns is not None and self.heard_ns <= ended_ns + STRAGGLER_NS

    def is_silent(self, now_ns: int) -> bool:
        """Whether nothing comes that could be shown: what came before is a thing of the past."""
        return now_ns - self.heard_ns >= SILENCE_NS or self.has_ended

    def is_dropped(self, now_ns: int) -> bool:
        """Whether its sender seems to have dropped it, rather than to have nothing to send."""
        patience = self._patience
        return self.has_ended or (
            now_ns - self.heard_ns >= patience.packets_ns
            and now_ns - self._reported_ns >= patience.reports_ns
        )

    def was_outlived_by(self, other: Liveness) -> bool:
        """Whether the other one has been heard when this one should have been, too.

        Else it may be the network that is silent.
        """
        return other.heard_ns - self.heard_ns >= self._patience.packets_ns

    def watch(self, now_ns: int, *, excused: bool) -> bool:
        """Look after it; to be called every second or so.

        Args:
            now_ns: the time.
            excused: Its silence is asked for, and does not count.

        Returns:
            Whether it has been silent for so long, while somebody looked, that it can be given up.
        """
        since_ns, self._watched_ns = self._watched_ns, now_ns
        if excused or max(self.heard_ns, self._reported_ns) > since_ns:
            self._unheard_ns = 0
        else:
            self._unheard_ns += min(now_ns - since_ns, MAX_STEP_NS)
        return self._unheard_ns >= self._patience.total_ns
