"""The one error of the benchmark."""

from __future__ import annotations


class BenchError(Exception):
    """A measurement cannot be made; the message says why and what to do about it."""
