"""A stream that a peer sends, and who knows of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from sidecar.classroom.peer import Peer
from sidecar.sfu import Producer


@dataclass(eq=False, slots=True)
class Publication:
    """A producer in its room.

    Attributes:
        producer: The stream.
        owner: Who sends it.
        audience: Everybody who was told of it, found it when asking, or consumes it.
    """

    producer: Producer
    owner: Peer
    audience: set[Peer] = field(default_factory=set)
