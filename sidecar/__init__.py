"""The classroom SFU: one class over WebRTC, forwarded by one small program."""

__version__ = "0.1.0"
