"""One file per RTP mechanism; no sockets, no clock, no randomness.

Sequence numbers in this package are *extended*: unwrapped integers that only grow (RFC 3550 A.1),
made by :class:`~sidecar.engine.sequence_unwrapper.SequenceUnwrapper`. Times are monotonic
nanoseconds passed in by the caller. A mechanism with a timer says in ``next_timeout_ns`` when its
``poll`` has something to do next, ``None`` meaning never; calling ``poll`` earlier does no harm.
"""
