"""From what a producer sends to what consumers can be offered, in the router's numbers.

Producers choose payload types and header extension ids as they like. Within the router they are all
the same, so that packets of every producer look alike to all consumers.
"""

from __future__ import annotations

from msgspec import Struct

from sidecar.ortc.codecs import (
    answered_parameters,
    codecs_match,
    find_rtx,
    integer_parameter,
    is_rtx,
    media_kind,
)
from sidecar.ortc.errors import OrtcError
from sidecar.ortc.extensions import FORWARDED_URIS, MID_URI
from sidecar.ortc.parameters import (
    MediaKind,
    RtcpParameters,
    RtpCapabilities,
    RtpCodecCapability,
    RtpCodecParameters,
    RtpEncodingParameters,
    RtpHeaderExtensionParameters,
    RtpParameters,
)
from sidecar.ortc.validation import validate_rtp_parameters


class RtpMapping(Struct, frozen=True):
    """A producer's numbers and the router's.

    Attributes:
        codecs: payload types, those of RTX included.
        header_extensions: ids; extensions that the router doesn't know are left out.
    """

    codecs: dict[int, int]
    header_extensions: dict[int, int]


def producer_rtp_mapping(
    rtp_parameters: RtpParameters, router_capabilities: RtpCapabilities
) -> RtpMapping:
    """Maps the payload types and header extension ids of a producer to the router's.

    Raises:
        OrtcError: if the parameters are invalid, have a codec that the router doesn't support, or
            give no means to recognise the stream by (an SSRC, or a MID in the packets).
    """
    validate_rtp_parameters(rtp_parameters)
    kind = _single_kind(rtp_parameters)
    codecs: dict[int, int] = {}
    for codec in rtp_parameters.codecs:
        match = (
            _router_rtx(codec, rtp_parameters, router_capabilities)
            if is_rtx(codec)
            else _router_codec(codec, router_capabilities)
        )
        codecs[codec.payload_type] = _payload_type(match)
    header_extensions = _map_header_extensions(kind, rtp_parameters, router_capabilities)
    _check_recognisable(rtp_parameters, header_extensions)
    return RtpMapping(codecs=codecs, header_extensions=header_extensions)


def consumable_rtp_parameters(
    kind: MediaKind,
    rtp_parameters: RtpParameters,
    router_capabilities: RtpCapabilities,
    mapping: RtpMapping,
    *,
    fallback_cname: str,
) -> RtpParameters:
    """What of a producer can be offered to consumers, before a receiver's capabilities are known.

    Args:
        kind: what the producer announced itself as.
        rtp_parameters: the producer's.
        router_capabilities: the router's.
        mapping: ``producer_rtp_mapping`` of the two.
        fallback_cname: the CNAME if the producer has none.

    Raises:
        OrtcError: if the codecs are not of that kind.
    """
    if _single_kind(rtp_parameters) != kind:
        raise OrtcError(f"the codecs are not of the kind {kind}")
    encoding = rtp_parameters.encodings[0]
    return RtpParameters(
        codecs=_consumable_codecs(rtp_parameters, router_capabilities, mapping),
        header_extensions=tuple(
            RtpHeaderExtensionParameters(uri=extension.uri, id=extension.preferred_id)
            for extension in router_capabilities.header_extensions
            if extension.kind == kind and extension.uri in FORWARDED_URIS
        ),
        encodings=(
            RtpEncodingParameters(
                max_bitrate=encoding.max_bitrate, scalability_mode=encoding.scalability_mode
            ),
        ),
        rtcp=RtcpParameters(cname=rtp_parameters.rtcp.cname or fallback_cname),
        msid=rtp_parameters.msid,
    )


def _single_kind(rtp_parameters: RtpParameters) -> str:
    kinds = {media_kind(codec) for codec in rtp_parameters.codecs}
    if all(is_rtx(codec) for codec in rtp_parameters.codecs):
        raise OrtcError("there is no media codec")
    if len(kinds) > 1:
        raise OrtcError("audio and video codecs can't be in one producer")
    return kinds.pop()


def _router_codec(
    codec: RtpCodecParameters, router_capabilities: RtpCapabilities
) -> RtpCodecCapability:
    for capability in router_capabilities.codecs:
        if codecs_match(codec, capability):
            return capability
    raise OrtcError(
        f"unsupported codec {codec.mime_type} (payload type {codec.payload_type},"
        f" clock rate {codec.clock_rate})"
    )


def _router_rtx(
    rtx: RtpCodecParameters, rtp_parameters: RtpParameters, router_capabilities: RtpCapabilities
) -> RtpCodecCapability:
    apt = integer_parameter(rtx.parameters, "apt")
    for codec in rtp_parameters.codecs:
        if codec.payload_type == apt and not is_rtx(codec):
            repaired = _router_codec(codec, router_capabilities)
            break
    else:
        raise OrtcError(f"there is no media codec for the RTX payload type {rtx.payload_type}")
    match = find_rtx(router_capabilities.codecs, repaired.preferred_payload_type)
    if match is None or match.clock_rate != rtx.clock_rate:
        raise OrtcError(f"unsupported codec {rtx.mime_type} for {repaired.mime_type}")
    return match


def _payload_type(capability: RtpCodecCapability) -> int:
    if capability.preferred_payload_type is None:
        raise OrtcError(f"the router has no payload type for {capability.mime_type}")
    return capability.preferred_payload_type


def _map_header_extensions(
    kind: str, rtp_parameters: RtpParameters, router_capabilities: RtpCapabilities
) -> dict[int, int]:
    router_ids = {
        extension.uri: extension.preferred_id
        for extension in router_capabilities.header_extensions
        if extension.kind == kind
    }
    mapped: dict[int, int] = {}
    for extension in rtp_parameters.header_extensions:
        # An encrypted element (RFC 6904) can't be read here, so it is as good as unknown. The same
        # extension twice would put two elements of one id into forwarded packets.
        router_id = None if extension.encrypt else router_ids.pop(extension.uri, None)
        if router_id is not None:
            mapped[extension.id] = router_id
    return mapped


def _check_recognisable(rtp_parameters: RtpParameters, header_extensions: dict[int, int]) -> None:
    if rtp_parameters.encodings[0].ssrc is not None:
        return
    has_mid_extension = any(
        extension.uri == MID_URI and extension.id in header_extensions
        for extension in rtp_parameters.header_extensions
    )
    if not rtp_parameters.mid or not has_mid_extension:
        raise OrtcError("an encoding without ssrc needs a mid and the header extension sdes:mid")


def _consumable_codecs(
    rtp_parameters: RtpParameters, router_capabilities: RtpCapabilities, mapping: RtpMapping
) -> tuple[RtpCodecParameters, ...]:
    # Keyed by payload type: two codecs of a producer, e.g. H.264 with different levels, may be one
    # to the router.
    consumable: dict[int, RtpCodecParameters] = {}
    for codec in rtp_parameters.codecs:
        if is_rtx(codec):
            continue
        capability = _router_codec(codec, router_capabilities)
        payload_type = mapping.codecs[codec.payload_type]
        if payload_type in consumable:
            continue
        consumable[payload_type] = RtpCodecParameters(
            mime_type=capability.mime_type,
            payload_type=payload_type,
            clock_rate=capability.clock_rate,
            channels=capability.channels,
            parameters=answered_parameters(codec, capability),
            rtcp_feedback=capability.rtcp_feedback,
        )
        # Whether consumers get RTX doesn't depend on the producer: the router retransmits to them
        # by itself.
        rtx = find_rtx(router_capabilities.codecs, payload_type)
        if rtx is not None:
            rtx_payload_type = _payload_type(rtx)
            consumable[rtx_payload_type] = RtpCodecParameters(
                mime_type=rtx.mime_type,
                payload_type=rtx_payload_type,
                clock_rate=rtx.clock_rate,
                parameters=dict(rtx.parameters),
            )
    return tuple(consumable.values())
