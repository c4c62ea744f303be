"""The error of the media layer."""

from __future__ import annotations


class SfuError(Exception):
    """A request that the media layer refuses.

    Attributes:
        message: For people.
        code: For programs: kebab-case, stable.
    """

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
