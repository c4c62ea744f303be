"""The yardsticks: what one bare `sendto` and one SRTP protection cost on this machine, now.

A ratio to these can be compared between machines and between quiet and busy hours; microseconds
cannot.
"""

from __future__ import annotations

import os
import socket
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import pylibsrtp

from sidecar.rtp.packet import build_rtp
from tests.support.dtls import SrtpProfile

UNIT_PACKET_BYTES = 1100
ROUNDS = 60
PACKETS_PER_ROUND = 64
RTP_HEADER_BYTES = 12
AUTHENTICATION_TAG_BYTES = 16


@dataclass(frozen=True, slots=True)
class Units:
    """CPU time of the calling thread for one packet.

    Attributes:
        sendto_us: Python's `socket.sendto` over loopback, to a socket with room for it.
        protect_us: `pylibsrtp.Session.protect`.
    """

    sendto_us: float
    protect_us: float


def measure_units(profile: SrtpProfile) -> Units:
    """Measure both (in about 50 ms), with SRTP packets of `UNIT_PACKET_BYTES` on the wire."""
    return Units(_sendto_us(UNIT_PACKET_BYTES), _protect_us(UNIT_PACKET_BYTES, profile))


def mean(units: list[Units]) -> Units:
    """The mean of measurements before and after something."""
    return Units(
        statistics.fmean(unit.sendto_us for unit in units),
        statistics.fmean(unit.protect_us for unit in units),
    )


def _sendto_us(packet_bytes: int) -> float:
    packet = os.urandom(packet_bytes)
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        receiver.bind(("127.0.0.1", 0))
        address = receiver.getsockname()

        def send() -> None:
            for _ in range(PACKETS_PER_ROUND):
                sender.sendto(packet, address)

        def drain() -> None:
            for _ in range(PACKETS_PER_ROUND):
                receiver.recv(packet_bytes)

        return _median_us(send, drain)


def _protect_us(packet_bytes: int, profile: SrtpProfile) -> float:
    policy = pylibsrtp.Policy(
        key=os.urandom(profile.key_bytes + profile.salt_bytes),
        ssrc_type=pylibsrtp.Policy.SSRC_ANY_OUTBOUND,
        srtp_profile=profile.policy,
    )
    policy.allow_repeat_tx = True
    session = pylibsrtp.Session(policy)
    payload = os.urandom(max(1, packet_bytes - RTP_HEADER_BYTES - AUTHENTICATION_TAG_BYTES))
    packets = [
        build_rtp(payload_type=101, sequence_number=i, timestamp=0, ssrc=1, payload=payload)
        for i in range(PACKETS_PER_ROUND)
    ]

    def protect() -> None:
        for packet in packets:
            session.protect(packet)

    return _median_us(protect, lambda: None)


def _median_us(work: Callable[[], None], clean_up: Callable[[], None]) -> float:
    """The median over rounds, so that an interruption does not count."""
    durations_ns = []
    for _ in range(ROUNDS):
        started_ns = time.thread_time_ns()
        work()
        durations_ns.append(time.thread_time_ns() - started_ns)
        clean_up()
    return statistics.median(durations_ns) / PACKETS_PER_ROUND / 1000
