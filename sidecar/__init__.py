"""The classroom SFU: one class over WebRTC, forwarded by one small program."""

import time

__version__ = "0.1.0"

STARTED_NS = time.monotonic_ns()
"""When this process came to life, as nearly as it can tell: nothing of ours is imported before."""
