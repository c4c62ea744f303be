"""The same packets to many peers at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sidecar.net.ice import local_of

if TYPE_CHECKING:
    from sidecar.net.ice import Address
    from sidecar.net.link import MediaLink, Port
    from sidecar.net.packet_sender import Group
    from sidecar.net.srtp import SrtpSession
    from sidecar.sfu.batch import Packets


class Fan:
    """Sends packets to the peers of several links; implements `sidecar.sfu.Recipients`."""

    __slots__ = ("_as_of", "_groups", "_links", "_port")

    def __init__(self, port: Port, links: Sequence[MediaLink]) -> None:
        self._port = port
        self._links = links
        self._groups: list[Group] = []
        self._as_of = -1

    def send_rtp(self, packets: Packets) -> None:
        """Protects packets and sends them in their order to every peer that can be reached."""
        port = self._port
        if self._as_of != port.routes_version:
            self._as_of = port.routes_version
            self._groups = self._regroup()
        for group in self._groups:
            port.packet_sender.send(packets, group)

    def _regroup(self) -> list[Group]:
        alike: dict[tuple[int, str], list[tuple[MediaLink, SrtpSession, Address]]] = {}
        for link in self._links:
            route = link.route
            if route is not None:
                session, address = route
                # One call sends from one of our addresses.
                key = session.tag_bytes, local_of(address)
                alike.setdefault(key, []).append((link, session, address))
        if not alike:
            return []
        sender = self._port.packet_sender
        return [sender.group(tag_bytes, members) for (tag_bytes, _), members in alike.items()]
