"""The media layer: mediasoup's nouns, without sockets, clocks or randomness of their own."""

from __future__ import annotations

from sidecar.sfu.consumer import Consumer
from sidecar.sfu.errors import SfuError
from sidecar.sfu.network import Link, Network, Recipients
from sidecar.sfu.producer import Producer
from sidecar.sfu.router import Router
from sidecar.sfu.stats import ConsumerStats, ProducerStats, TransportStats
from sidecar.sfu.transport import WebRtcTransport
from sidecar.sfu.worker import Worker

__all__ = [
    "Consumer",
    "ConsumerStats",
    "Link",
    "Network",
    "Producer",
    "ProducerStats",
    "Recipients",
    "Router",
    "SfuError",
    "TransportStats",
    "WebRtcTransport",
    "Worker",
]
