"""Negotiation: capabilities and parameters in, parameters out. Pure functions over plain values.

A producer's parameters become *consumable* parameters, in the router's payload types and header
extension ids; these, cut down to what a receiver supports, become a consumer's parameters. The
steps and their results are those of mediasoup v3, for whose clients they are made.
"""

from __future__ import annotations

from sidecar.ortc.capabilities import router_rtp_capabilities
from sidecar.ortc.consumer import can_consume, consumer_rtp_parameters
from sidecar.ortc.errors import OrtcError
from sidecar.ortc.parameters import (
    DtlsFingerprint,
    DtlsParameters,
    DtlsRole,
    IceCandidate,
    IceParameters,
    MediaKind,
    RtcpFeedback,
    RtcpParameters,
    RtpCapabilities,
    RtpCodecCapability,
    RtpCodecParameters,
    RtpEncodingParameters,
    RtpHeaderExtension,
    RtpHeaderExtensionParameters,
    RtpParameters,
    RtxParameters,
)
from sidecar.ortc.producer import RtpMapping, consumable_rtp_parameters, producer_rtp_mapping

__all__ = [
    "DtlsFingerprint",
    "DtlsParameters",
    "DtlsRole",
    "IceCandidate",
    "IceParameters",
    "MediaKind",
    "OrtcError",
    "RtcpFeedback",
    "RtcpParameters",
    "RtpCapabilities",
    "RtpCodecCapability",
    "RtpCodecParameters",
    "RtpEncodingParameters",
    "RtpHeaderExtension",
    "RtpHeaderExtensionParameters",
    "RtpMapping",
    "RtpParameters",
    "RtxParameters",
    "can_consume",
    "consumable_rtp_parameters",
    "consumer_rtp_parameters",
    "producer_rtp_mapping",
    "router_rtp_capabilities",
]
