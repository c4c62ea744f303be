"""Which web pages may open a connection, by the ``Origin`` that their browser tells (RFC 6454).

Any page in a browser can connect to any WebSocket server that the browser reaches, also to one on
the same computer, whose word counts for more than a stranger's. So a page's connection is taken
only if the page comes from the app, from this computer, or from where the person running the
program says. What is no browser tells no origin, and is not concerned.
"""

from __future__ import annotations

import ipaddress
import logging
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

_logger: Final = logging.getLogger(__name__)

ANY_ORIGIN: Final = "*"
OPAQUE_ORIGIN: Final = "null"
"""What a browser says of pages without an origin of their own, such as files and sandboxed frames:
anybody can make one."""

MAX_REPORTED: Final = 64
"""How many different origins are named in the log: a client that makes them up fills no disk."""

_MAX_SHOWN_CHARS: Final = 100
_MAX_HOST_CHARS: Final = 253
_DEFAULT_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_ORIGIN: Final = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://"
    r"(?:\[(?P<ipv6>[0-9a-f:.]+)\]|(?P<name>[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?))"
    r"(?::(?P<port>0|[1-9][0-9]{0,4}))?",
    re.ASCII | re.IGNORECASE,
)
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)


class Origin(NamedTuple):
    """Where a page comes from.

    Attributes:
        scheme: In lower case.
        host: A name in lower case, or an IP address in its shortest form, without brackets.
        port: None if it is the scheme's usual one.
    """

    scheme: str
    host: str
    port: int | None


APP_ORIGINS: Final = frozenset(
    (
        Origin("tauri", "localhost", None),
        Origin("http", "tauri.localhost", None),
        Origin("https", "tauri.localhost", None),
    )
)
"""Of pages that are part of a Tauri app: on macOS and Linux, and on Windows."""


def parse_origin(text: str) -> Origin | None:
    """Take an origin apart, as browsers write it (RFC 6454, section 6.2).

    Returns:
        None if it is anything else: with a path or a user, an address in one of the many ways that
        no browser writes it in, an unfinished name.
    """
    match = _ORIGIN.fullmatch(text)
    if match is None:
        return None
    scheme = match["scheme"].lower()
    host = _ipv6(match["ipv6"]) if match["name"] is None else _name_or_ipv4(match["name"].lower())
    port = None if match["port"] is None else int(match["port"])
    if host is None or (port is not None and port > 65535):
        return None
    return Origin(scheme, host, None if port == _DEFAULT_PORTS.get(scheme) else port)


def parse_host(text: str) -> str | None:
    """The host of a ``Host`` header (RFC 9110, section 7.2), as in ``Origin``.

    Returns:
        None if it is malformed.
    """
    origin = parse_origin(f"http://{text}")
    return origin.host if origin is not None else None


def is_loopback(host: str) -> bool:
    """Whether a host, as in ``Origin``, is this computer by definition (RFC 6761, section 6.3)."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class OwnHosts:
    """The names and addresses by which others reach this computer.

    Args:
        names: In any case.
        is_own_address: Whether an IP address is one of this computer's, or announced as such.
    """

    def __init__(self, names: Iterable[str], is_own_address: Callable[[str], bool]) -> None:
        self._names = frozenset(name.lower() for name in names)
        self._is_own_address = is_own_address

    def __contains__(self, host: str) -> bool:
        """Whether a host, as in ``Origin``, is this computer."""
        if is_loopback(host) or host in self._names:
            return True
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return False
        return self._is_own_address(host)


def names_of(host_name: str) -> tuple[str, ...]:
    """By which names a computer of that name is called: also in multicast DNS (RFC 6762).

    No name server is asked: who answers for one could make any name ours.
    """
    return (host_name, host_name.partition(".")[0] + ".local") if host_name else ()


@dataclass(frozen=True, slots=True)
class OriginRule:
    """Decides which pages may connect.

    Attributes:
        allowed: Origins that the person running the program allows, ``null`` and ``*`` included.
        own_hosts: This computer.
    """

    allowed: Sequence[str]
    own_hosts: OwnHosts

    def allows(self, origins: Sequence[str], hosts: Sequence[str]) -> bool:
        """Whether a request may become a connection.

        A page of this computer's own is only believed to be one if the browser has also asked for
        this computer: somebody else's name that leads here (DNS rebinding) is no proof of anything.

        Args:
            origins: The values of its ``Origin`` headers.
            hosts: The values of its ``Host`` headers.
        """
        if not origins:
            return True
        if len(origins) > 1:
            return False
        if ANY_ORIGIN in self.allowed or origins[0] in self.allowed:
            return True
        origin = parse_origin(origins[0])
        if origin is None:
            return False
        if origin in APP_ORIGINS or origin in map(parse_origin, self.allowed):
            return True
        return origin.scheme in ("http", "https") and self._is_ours(origin.host, hosts)

    def _is_ours(self, host: str, asked_for: Sequence[str]) -> bool:
        if len(asked_for) != 1 or host not in self.own_hosts:
            return False
        asked = parse_host(asked_for[0])
        return asked is not None and asked in self.own_hosts


class OriginCheck:
    """Applies a rule, and says in the log which origins it refuses, each of them once."""

    def __init__(self, rule: OriginRule) -> None:
        self._rule = rule
        self._reported: set[str] = set()

    def allows(self, origins: Sequence[str], hosts: Sequence[str]) -> bool:
        """See ``OriginRule.allows``."""
        if self._rule.allows(origins, hosts):
            return True
        self._report(", ".join(origins), ", ".join(hosts))
        return False

    def _report(self, origin: str, host: str) -> None:
        shown = _shown(origin)
        if shown in self._reported or len(self._reported) >= MAX_REPORTED:
            return
        self._reported.add(shown)
        _logger.warning(
            "a page from %s may not connect to %s; to allow it, use --allow-origin",
            shown,
            _shown(host),
        )
        if len(self._reported) == MAX_REPORTED:
            _logger.warning("further origins that are refused are not named")


def _shown(text: str) -> str:
    return ascii(text[:_MAX_SHOWN_CHARS])


def _ipv6(text: str) -> str | None:
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return None
    return str(address.ipv4_mapped or address)


def _name_or_ipv4(text: str) -> str | None:
    labels = text.split(".")
    if len(text) > _MAX_HOST_CHARS or not all(labels):
        return None
    # What ends in a number is an address to a browser, which writes it in the one usual way.
    if not _NUMBER.fullmatch(labels[-1]):
        return text
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError:
        return None
