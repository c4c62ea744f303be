"""Networks that exist only for a test: computers (Linux network namespaces), switches and cables.

Nothing of them reaches the networks of this machine.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.programs import Program

CLONE_NEWNET = 0x40000000

_numbers = itertools.count()


class Computer:
    """A network namespace: what runs in it sees its interfaces only.

    Args:
        ip: The program `ip`.
    """

    def __init__(self, ip: str) -> None:
        self.name = f"sfu-{os.getpid()}-{next(_numbers)}"
        self._ip = ip
        _run(ip, "netns", "add", self.name)
        self.ip("link", "set", "lo", "up")

    def ip(self, *arguments: str) -> None:
        """Run `ip` in it."""
        _run(self._ip, "-n", self.name, *arguments)

    def program(self, command: Sequence[str]) -> Program:
        """What runs a program in it."""
        return (self._ip, "netns", "exec", self.name, *command)

    def up(self, interface: str, *addresses: str) -> None:
        """Give an interface addresses, usable at once, and switch it on."""
        for address in addresses:
            options = ("nodad",) if ":" in address else ()
            self.ip("address", "add", address, "dev", interface, *options)
        self.ip("link", "set", interface, "up")

    def default_route(self, interface: str, via: str, metric: int = 100) -> None:
        """Lead to the rest of the world."""
        family = ("-6",) if ":" in via else ()
        route = ("default", "via", via, "dev", interface, "metric", str(metric))
        self.ip(*family, "route", "replace", *route)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Have sockets that this thread opens meanwhile be in it."""
        with _namespace(f"/proc/{os.getpid()}/task/{_thread_id()}/ns/net") as home:
            with _namespace(f"/run/netns/{self.name}") as here:
                _enter(here)
            try:
                yield
            finally:
                _enter(home)

    def remove(self) -> None:
        """Take it away with all that is in it."""
        _run(self._ip, "netns", "delete", self.name)


class Switch(Computer):
    """What cables lead to: everybody who is plugged in is in one network."""

    def __init__(self, ip: str) -> None:
        super().__init__(ip)
        self._ports = itertools.count()
        self.ip("link", "add", "switch", "type", "bridge")
        self.ip("link", "set", "switch", "up")

    def plug_in(self, computer: Computer, interface: str) -> Cable:
        """Give a computer an interface with a cable to here; it is still switched off."""
        port = f"port{next(self._ports)}"
        peer = ("peer", "name", interface, "netns", computer.name)
        self.ip("link", "add", port, "type", "veth", *peer)
        self.ip("link", "set", port, "master", "switch")
        cable = Cable(self, port)
        cable.push_in()
        return cable


class Cable:
    """A cable at the switch's end."""

    def __init__(self, switch: Switch, port: str) -> None:
        self._switch = switch
        self._port = port

    def pull_out(self) -> None:
        """Nothing gets through any more, and the computer sees that."""
        self._switch.ip("link", "set", self._port, "down")

    def push_in(self) -> None:
        """All is well again."""
        self._switch.ip("link", "set", self._port, "up")


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"


def _thread_id() -> int:
    return int(Path("/proc/thread-self").readlink().name)


@contextmanager
def _namespace(path: str) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _enter(namespace: int) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library.setns(namespace, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")
