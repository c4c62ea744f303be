"""The error of the soak test."""

from __future__ import annotations


class SoakError(Exception):
    """Something did not hold; the message says what."""
