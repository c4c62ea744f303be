"""From 16-bit sequence numbers to extended ones that only grow (RFC 3550 A.1)."""

from __future__ import annotations

_CYCLE = 0x10000
_HALF_CYCLE = 0x8000


class SequenceUnwrapper:
    """Extends the 16-bit sequence numbers of one RTP stream.

    The first number ``v`` becomes ``65536 + v``, so that packets slightly older than the first
    stay positive. After that a number is taken as newer when it is less than half a cycle
    (32768) ahead of the highest seen, else as older.
    """

    __slots__ = ("_first_cycle", "_highest")

    def __init__(self) -> None:
        self._highest = -1
        self._first_cycle = _CYCLE

    def unwrap(self, sequence_number: int) -> int:
        """Return the extended number; its low 16 bits are ``sequence_number``."""
        highest = self._highest
        if highest < 0:
            self._highest = self._first_cycle + sequence_number
            return self._highest
        ahead = (sequence_number - highest) & 0xFFFF
        if ahead < _HALF_CYCLE:
            self._highest = highest + ahead
            return self._highest
        return highest + ahead - _CYCLE

    def restart(self, sequence_number: int) -> int:
        """Go on after the sender started a new sequence at ``sequence_number``.

        The number returned is more than one cycle above everything given out before, so that
        neither it nor the packets slightly older than it can be mistaken for earlier ones.
        """
        self.expect_new_sequence()
        return self.unwrap(sequence_number)

    def expect_new_sequence(self) -> None:
        """Take the next number for the first of a new sequence, as :meth:`restart` does."""
        if self._highest >= 0:
            self._first_cycle = (self._highest // _CYCLE + 2) * _CYCLE
            self._highest = -1
