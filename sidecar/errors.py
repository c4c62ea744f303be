"""The errors that the person running the program gets to read, and the host application."""

from __future__ import annotations


class UserError(Exception):
    """Something the person running the program can put right.

    The command prints it as two lines on stderr, without a traceback, and tells a host.

    Attributes:
        code: for programs: kebab-case, stable.
        exit_code: what the process ends with, one for each code.
        message: what is wrong.
        hint: what to do about it.
    """

    code: str
    exit_code: int

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class SettingsError(UserError):
    """A setting is unknown or its value is wrong."""

    code = "bad-setting"
    exit_code = 2


class StartupError(UserError):
    """The SFU cannot start."""


class PortTakenError(StartupError):
    """Somebody else listens on the TCP port."""

    code = "port-taken"
    exit_code = 3


class MediaPortsTakenError(StartupError):
    """No UDP port is free for media."""

    code = "media-ports-taken"
    exit_code = 4


class PortForbiddenError(StartupError):
    """The system keeps the TCP port for itself or for others."""

    code = "port-forbidden"
    exit_code = 5


class CannotListenError(StartupError):
    """The host is unknown or not this machine, or the system refuses."""

    code = "cannot-listen"
    exit_code = 6


class NoNetworkInterfaceError(StartupError):
    """This machine has no network address at all, not even for itself."""

    code = "no-network-interface"
    exit_code = 7


class LogFileError(StartupError):
    """The log cannot be written where it is wanted."""

    code = "log-file"
    exit_code = 8


class CannotWorkError(StartupError):
    """A part of the program is not there, or the system does not let it work."""

    code = "cannot-work"
    exit_code = 10

    @classmethod
    def because_of(cls, cause: BaseException) -> CannotWorkError:
        """Say it of what a part of the program has raised when it was loaded or first used."""
        if isinstance(cause, MemoryError):
            return cls(
                f"the system does not give the program the memory it needs: {cause}",
                "Close other programs. If there is memory enough, the rules of this system may "
                "forbid programs to make code while they run, which encryption needs.",
            )
        return cls(
            f"a part of the program is missing or does not work: {cause}",
            "Was it moved, replaced or cleaned away while it ran? Start it again; if that does "
            "not help, install it again.",
        )
