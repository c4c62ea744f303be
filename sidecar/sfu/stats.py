"""What is known of a transport, a producer and a consumer, as plain values."""

from __future__ import annotations

from dataclasses import dataclass

from sidecar.ortc.parameters import MediaKind


@dataclass(frozen=True, slots=True)
class ProducerStats:
    """A stream that we receive.

    Attributes:
        producer_id: Whose.
        kind: Audio or video.
        bitrate_bps: Over the last second, retransmissions included.
        packets: Received, without duplicates.
        bytes: Their size, RTP headers included.
        packets_lost: Never arrived, not even when asked for again.
        fraction_lost: 0 to 1, over the latest report interval.
        jitter_ms: Interarrival jitter (RFC 3550 section 6.4.1).
        nacked_packets: Asked for again; one packet counts once for every request.
        key_frame_requests: PLIs or FIRs sent to the sender.
        key_frames: Received.
        paused: By its owner.
    """

    producer_id: str
    kind: MediaKind
    bitrate_bps: int
    packets: int
    bytes: int
    packets_lost: int
    fraction_lost: float
    jitter_ms: float
    nacked_packets: int
    key_frame_requests: int
    key_frames: int
    paused: bool


@dataclass(frozen=True, slots=True)
class ConsumerStats:
    """A stream that we send.

    Attributes:
        consumer_id: Whose.
        producer_id: What it is fed from.
        kind: Audio or video.
        bitrate_bps: Over the last second, without retransmissions.
        packets: Sent, without retransmissions.
        bytes: Their size, RTP headers included.
        packets_lost: As the receiver reports; None before its first report.
        fraction_lost: 0 to 1, over the receiver's latest report interval.
        jitter_ms: As the receiver reports.
        round_trip_ms: From Sender and Receiver Reports; None before the first pair.
        nacked_packets: The receiver asked for again.
        retransmitted_packets: Were sent again.
        key_frame_requests: PLIs and FIRs from the receiver.
        key_frames: Sent.
        paused: By the receiver.
    """

    consumer_id: str
    producer_id: str
    kind: MediaKind
    bitrate_bps: int
    packets: int
    bytes: int
    packets_lost: int | None
    fraction_lost: float
    jitter_ms: float
    round_trip_ms: float | None
    nacked_packets: int
    retransmitted_packets: int
    key_frame_requests: int
    key_frames: int
    paused: bool


@dataclass(frozen=True, slots=True)
class TransportStats:
    """One transport and all that runs over it.

    Attributes:
        transport_id: Whose.
        connected: ICE and DTLS are done.
        bytes_received: RTP and RTCP, decrypted.
        bytes_sent: RTP and RTCP, before encryption.
        packets_discarded: Received but malformed, of unknown SSRC or beyond what the peer may send.
        available_outgoing_bps: The receiver's latest REMB; None before the first.
        producers: What it sends to us.
        consumers: What it gets from us.
    """

    transport_id: str
    connected: bool
    bytes_received: int
    bytes_sent: int
    packets_discarded: int
    available_outgoing_bps: int | None
    producers: tuple[ProducerStats, ...]
    consumers: tuple[ConsumerStats, ...]
