"""What clients may use: every limit of the program, in one table.

Each row of `LIMITS` is a setting like any other: it has a flag, an environment variable and a key
in the file. docs/configuration.md says of each what happens to whoever goes beyond it. There is one
way of refusing: an error with a code, and the connection is cut only for what no honest client
does.

What none but a teacher may take away from others is never counted against a proven teacher.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct


class Limits(Struct, frozen=True, kw_only=True):
    """The limits in force; `LIMITS` explains each."""

    max_clients_per_room: int = 50
    max_incoming_bitrate: int = 6_000_000
    max_audio_bitrate: int = 512_000
    max_rtcp_bitrate: int = 800_000
    max_nacked_packets_per_second: int = 3000
    max_key_frames_per_minute: int = 12
    max_key_frames_for_all_per_minute: int = 40
    max_replays_per_minute: int = 60
    max_connections: int = 450
    max_connections_per_address: int = 128
    max_unjoined_connections: int = 256
    max_rooms: int = 100
    max_producers_per_peer: int = 32
    max_consumers_per_peer: int = 400
    max_producers: int = 2000
    max_consumers: int = 20_000
    max_messages_per_second: int = 300
    max_signaling_bytes: int = 1_048_576
    max_invalid_messages: int = 20
    max_chat_messages: int = 20
    max_changes: int = 150
    max_consume_requests: int = 500
    max_pin_tries: int = 20


class Limit(NamedTuple):
    """How a limit is set.

    Attributes:
        name: The attribute of `Limits`.
        least: The smallest value that it can have.
        most: The largest one.
        help: One line for people.
        unit: Behind the number, where it has a unit.
    """

    name: str
    least: int
    most: int
    help: str
    unit: str = ""


LIMITS: tuple[Limit, ...] = (
    Limit("max_clients_per_room", 2, 1000, "peers that fit into one room, the teacher included"),
    Limit(
        "max_incoming_bitrate",
        50_000,
        1_000_000_000,
        "what one sender may use, in bit/s",
        unit=" bit/s",
    ),
    Limit(
        "max_audio_bitrate",
        6_000,
        1_000_000_000,
        "what one sound may use of it, in bit/s",
        unit=" bit/s",
    ),
    Limit(
        "max_rtcp_bitrate",
        50_000,
        1_000_000_000,
        "RTCP from one transport, in bit/s; each packet counts as 100 bytes more",
        unit=" bit/s",
    ),
    Limit(
        "max_nacked_packets_per_second",
        100,
        1_000_000,
        "packets that one receiver may ask for again in a second",
    ),
    Limit(
        "max_key_frames_per_minute",
        1,
        6000,
        "key frames that one receiver may cause in a minute, after three at once",
    ),
    Limit(
        "max_key_frames_for_all_per_minute",
        1,
        6000,
        "key frames of one video that all receivers may cause in a minute, after twelve at once",
    ),
    Limit(
        "max_replays_per_minute",
        1,
        6000,
        "starts of one video that one receiver may have in a minute, after four at once",
    ),
    Limit(
        "max_connections",
        1,
        100_000,
        "connections of all clients, where the system holds so many",
    ),
    Limit(
        "max_connections_per_address",
        1,
        100_000,
        "connections from one IPv4 address or one IPv6 network (/64) other than this computer's",
    ),
    Limit(
        "max_unjoined_connections",
        1,
        100_000,
        "connections that are not in a room (yet)",
    ),
    Limit(
        "max_rooms",
        1,
        100_000,
        "rooms, in all processes together",
    ),
    Limit(
        "max_producers_per_peer",
        1,
        100_000,
        "streams that one peer may send at the same time",
    ),
    Limit(
        "max_consumers_per_peer",
        1,
        100_000,
        "streams that one peer may receive at the same time",
    ),
    Limit(
        "max_producers",
        1,
        1_000_000,
        "streams that are sent by all peers, for each process",
    ),
    Limit(
        "max_consumers",
        1,
        1_000_000,
        "streams that are received by all peers, for each process",
    ),
    Limit(
        "max_messages_per_second",
        1,
        100_000,
        "signalling messages that one connection may send in a second",
    ),
    Limit(
        "max_signaling_bytes",
        65_536,
        1_000_000_000,
        "bytes of signalling that one connection may send in a second",
    ),
    Limit(
        "max_invalid_messages",
        1,
        100_000,
        "invalid signalling messages that one connection may send in ten seconds",
    ),
    Limit(
        "max_chat_messages",
        1,
        100_000,
        "chat messages that one connection may send in ten seconds",
    ),
    Limit(
        "max_changes",
        10,
        100_000,
        "requests that one connection may make in ten seconds of which others hear, or that set up "
        "a transport",
    ),
    Limit(
        "max_consume_requests",
        10,
        100_000,
        "`consume` requests that one connection may make in ten seconds",
    ),
    Limit("max_pin_tries", 1, 100_000, "wrong PINs that one address may give in five minutes"),
)
