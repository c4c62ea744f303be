"""A network namespace with a cable to this one, that can be pulled out and put back."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_NAME: Final = "classroom-sfu-test"
_NEAR: Final = "sfu-near"
_FAR: Final = "sfu-far"


class Namespace:
    """Where a program has one network interface, at the other end of a cable from here.

    Args:
        ip: The program `ip`.

    Attributes:
        far_address: The interface's address there.
    """

    def __init__(self, ip: str) -> None:
        self.far_address = "10.213.77.1"
        self._ip = ip

    @property
    def command(self) -> list[str]:
        """What to put before a command so that it runs there."""
        return [self._ip, "netns", "exec", _NAME]

    def pull(self) -> None:
        """Pull the cable out: both ends have no carrier."""
        self._run("-n", _NAME, "link", "set", _FAR, "down")

    def plug(self) -> None:
        """Put it back."""
        self._run("-n", _NAME, "link", "set", _FAR, "up")

    def make(self) -> None:
        """Make it, with what a run that was killed may have left removed."""
        subprocess.run([self._ip, "netns", "delete", _NAME], capture_output=True, check=False)
        self._run("netns", "add", _NAME)
        self._run("link", "add", _NEAR, "type", "veth", "peer", "name", _FAR, "netns", _NAME)
        self._run("address", "add", "10.213.77.2/24", "dev", _NEAR)
        self._run("link", "set", _NEAR, "up")
        self._run("-n", _NAME, "address", "add", f"{self.far_address}/24", "dev", _FAR)
        self._run("-n", _NAME, "link", "set", "lo", "up")
        self.plug()

    def delete(self) -> None:
        """Delete it, and the cable with it. Nothing may run there any more."""
        self._run("netns", "delete", _NAME)

    def _run(self, *arguments: str) -> None:
        subprocess.run([self._ip, *arguments], check=True, capture_output=True)


@contextmanager
def namespace(ip: str) -> Iterator[Namespace]:
    """A namespace for as long as the context lasts."""
    made = Namespace(ip)
    made.make()
    try:
        yield made
    finally:
        made.delete()
