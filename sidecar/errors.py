"""The errors that the person running the program gets to read."""

from __future__ import annotations


class UserError(Exception):
    """Something the person running the program can put right.

    The command prints it as two lines on stderr, without a traceback.

    Attributes:
        message: what is wrong.
        hint: what to do about it.
        exit_code: what the process ends with.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class StartupError(UserError):
    """The SFU cannot start: a port is taken, an address is not this machine's, ..."""


class SettingsError(UserError):
    """A setting is unknown or its value is wrong. Exit code 2, as for every usage error."""

    exit_code = 2
