"""The values that are negotiated, as they stand in the JSON of the protocol.

The names are those of mediasoup's RTP and transport parameters (camelCase on the wire).

Two rules hold for every type, so that old and new clients are both understood and answered alike:

* A field whose default is ``None`` is optional: absent and ``null`` mean the same, and it is left
  out of what is sent while it is ``None``.
* A field with any other default is always sent, also when empty; absent and ``null`` both mean the
  default.

Unknown fields are ignored. Decoding checks the shape only; ``sidecar.ortc.validation`` checks the
meaning.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, Optional, TypeAlias, TypeVar

from msgspec import NODEFAULT, Struct, field
from msgspec.structs import fields, force_setattr

_T = TypeVar("_T")

if TYPE_CHECKING:
    # Never None once constructed: see _Parameters.__post_init__.
    OrNull = Annotated[_T, "null on the wire stands for the default"]
else:
    OrNull = Optional

MediaKind: TypeAlias = Literal["audio", "video"]
ExtensionDirection: TypeAlias = Literal["sendrecv", "sendonly", "recvonly", "inactive"]
DtlsRole: TypeAlias = Literal["auto", "client", "server"]
ParameterValue: TypeAlias = str | int | float | None
"""A value of an fmtp or extmap attribute; ``None`` for a key without a value."""


def _always(value: _T) -> _T:
    """A default that is sent even if nothing was set.

    msgspec leaves out plain defaults (``omit_defaults``), but not what a factory made.
    """
    return field(default_factory=lambda: value)


def _no_values() -> dict[str, ParameterValue]:
    return {}


@cache
def _factories(cls: type[Struct]) -> tuple[tuple[str, Callable[[], Any]], ...]:
    return tuple(
        (each.name, each.default_factory)
        for each in fields(cls)
        if each.default_factory is not NODEFAULT
    )


class _Parameters(Struct, frozen=True, omit_defaults=True, rename="camel"):
    def __post_init__(self) -> None:
        for name, make_default in _factories(type(self)):
            if getattr(self, name) is None:
                force_setattr(self, name, make_default())


class RtcpFeedback(_Parameters, frozen=True):
    """One RTCP feedback message type (RFC 4585, section 4.2), e.g. ``nack`` with ``pli``."""

    type: str
    parameter: OrNull[str] = _always("")


class RtpCodecCapability(_Parameters, frozen=True):
    """A codec that the router or a receiver supports.

    ``kind`` is for readers of the JSON; the MIME type says it too, and counts.
    """

    mime_type: str
    clock_rate: int
    kind: MediaKind | None = None
    channels: int | None = None
    preferred_payload_type: int | None = None
    parameters: OrNull[dict[str, ParameterValue]] = field(default_factory=_no_values)
    rtcp_feedback: OrNull[tuple[RtcpFeedback, ...]] = _always(())


class RtpHeaderExtension(_Parameters, frozen=True):
    """A header extension that the router or a receiver supports (RFC 8285)."""

    uri: str
    preferred_id: int
    kind: MediaKind | None = None
    preferred_encrypt: OrNull[bool] = _always(False)
    direction: OrNull[ExtensionDirection] = _always("sendrecv")


class RtpCapabilities(_Parameters, frozen=True):
    """What the router or a receiver supports."""

    codecs: OrNull[tuple[RtpCodecCapability, ...]] = _always(())
    header_extensions: OrNull[tuple[RtpHeaderExtension, ...]] = _always(())


class RtpCodecParameters(_Parameters, frozen=True):
    """A codec in use, under the payload type that its packets carry."""

    mime_type: str
    payload_type: int
    clock_rate: int
    channels: int | None = None
    parameters: OrNull[dict[str, ParameterValue]] = field(default_factory=_no_values)
    rtcp_feedback: OrNull[tuple[RtcpFeedback, ...]] = _always(())


class RtpHeaderExtensionParameters(_Parameters, frozen=True):
    """A header extension in use, under the id that its elements carry (RFC 8285)."""

    uri: str
    id: int
    encrypt: OrNull[bool] = _always(False)
    parameters: OrNull[dict[str, ParameterValue]] = field(default_factory=_no_values)


class RtxParameters(_Parameters, frozen=True):
    """The retransmission stream of an encoding (RFC 4588)."""

    ssrc: int


class RtpEncodingParameters(_Parameters, frozen=True):
    """One RTP stream and, where negotiated, its retransmission stream.

    ``max_bitrate`` is in bits per second, ``max_framerate`` in frames per second.
    """

    ssrc: int | None = None
    rid: str | None = None
    rtx: RtxParameters | None = None
    active: bool | None = None
    max_bitrate: int | float | None = None
    max_framerate: int | float | None = None
    scalability_mode: str | None = None
    dtx: bool | None = None


class RtcpParameters(_Parameters, frozen=True):
    """RTCP settings: the CNAME (RFC 3550, section 6.5.1) and reduced-size RTCP (RFC 5506)."""

    cname: str | None = None
    reduced_size: OrNull[bool] = _always(True)


class RtpParameters(_Parameters, frozen=True):
    """What a producer sends or a consumer receives."""

    codecs: tuple[RtpCodecParameters, ...]
    header_extensions: OrNull[tuple[RtpHeaderExtensionParameters, ...]] = _always(())
    encodings: OrNull[tuple[RtpEncodingParameters, ...]] = _always(())
    rtcp: OrNull[RtcpParameters] = _always(RtcpParameters())
    msid: str | None = None
    mid: str | None = None


class IceParameters(_Parameters, frozen=True):
    """The ICE credentials of one end (RFC 8445)."""

    username_fragment: str
    password: str
    ice_lite: OrNull[bool] = _always(True)


class IceCandidate(_Parameters, frozen=True):
    """A UDP host candidate. ``ip`` and ``address`` are equal: clients read one or the other."""

    foundation: str
    priority: int
    ip: str
    address: str
    port: int
    protocol: Literal["udp"] = field(default_factory=lambda: "udp")
    type: Literal["host"] = field(default_factory=lambda: "host")


class DtlsFingerprint(_Parameters, frozen=True):
    """A certificate's fingerprint (RFC 8122, section 5), e.g. ``sha-256`` and ``AB:CD:...``."""

    algorithm: str
    value: str


class DtlsParameters(_Parameters, frozen=True):
    """The DTLS role and the fingerprints of one end (RFC 8842)."""

    fingerprints: tuple[DtlsFingerprint, ...]
    role: OrNull[DtlsRole] = _always("auto")
