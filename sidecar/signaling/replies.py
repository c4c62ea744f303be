"""What the server sends: the replies, the errors, and the envelope around them and the events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
from msgspec import UNSET, Struct, UnsetType

from sidecar.classroom.errors import ClassroomError
from sidecar.classroom.events import Event
from sidecar.classroom.peer import Direction
from sidecar.ortc.errors import OrtcError
from sidecar.ortc.parameters import (
    DtlsParameters,
    IceCandidate,
    IceParameters,
    MediaKind,
    RtpCapabilities,
    RtpParameters,
)
from sidecar.sfu import SfuError
from sidecar.signaling.decoding import InvalidMessage
from sidecar.signaling.messages import RequestId

EXTENSIONS: Final = (
    "requestId",
    "errorCode",
    "pin",
    "leave",
    "closeProducer",
    "pauseProducer",
    "resumeProducer",
    "pauseConsumer",
    "closeConsumer",
    "restartIce",
    "iceRestart",
    "transportClosed",
    "teacherToken",
    "rejoin",
)
"""What goes beyond the protocol of the earlier servers, as announced in ``joined``."""


class Reply(NamedTuple):
    """A message in answer to a request: its ``type`` and its ``data``."""

    type: str
    data: object


class ReplyData(Struct, frozen=True, rename="camel"):
    """The base of what stands in a reply's ``data``."""


class Empty(ReplyData, frozen=True):
    """Nothing to say."""


class Joined(ReplyData, frozen=True):
    """The client is in."""

    room_id: str
    peer_id: str
    is_teacher: bool
    rtp_capabilities: RtpCapabilities
    rejoin_token: str
    extensions: tuple[str, ...] = EXTENSIONS


class TransportCreated(ReplyData, frozen=True):
    """Our end of a new transport."""

    direction: Direction
    id: str
    ice_parameters: IceParameters
    ice_candidates: Sequence[IceCandidate]
    dtls_parameters: DtlsParameters


class TransportConnected(ReplyData, frozen=True):
    """The DTLS parameters are accepted."""

    direction: Direction


class IceRestarted(ReplyData, frozen=True):
    """Our new ICE credentials."""

    direction: Direction
    ice_parameters: IceParameters


class Produced(ReplyData, frozen=True):
    """The id of a new producer."""

    producer_id: str
    kind: MediaKind


class ProducerInfo(ReplyData, frozen=True):
    """One of the streams that there are."""

    producer_id: str
    kind: MediaKind
    peer_id: str


class Consumed(ReplyData, frozen=True):
    """A new consumer."""

    consumer_id: str
    producer_id: str
    kind: MediaKind
    rtp_parameters: RtpParameters


class ProducerRef(ReplyData, frozen=True):
    """The producer that something was done to."""

    producer_id: str


class ConsumerRef(ReplyData, frozen=True):
    """The consumer that something was done to."""

    consumer_id: str


class Error(ReplyData, frozen=True, omit_defaults=True):
    """Why a request failed.

    Attributes:
        message: For people.
        code: For programs: kebab-case, stable.
        request: The type of the request, where known.
        retry_after_seconds: When the same may succeed, where that is a matter of time.
    """

    message: str
    code: str
    request: str | None = None
    retry_after_seconds: int | None = None


class _Message(Struct, frozen=True, omit_defaults=True):
    type: str
    data: object
    id: RequestId | UnsetType = UNSET


_ENCODER: Final = msgspec.json.Encoder()


def encode_reply(reply: Reply, request_id: RequestId | None) -> bytes:
    """The JSON of a reply, with the request's ``id`` if it had one."""
    if request_id is None:
        return _ENCODER.encode(_Message(reply.type, reply.data))
    return _ENCODER.encode(_Message(reply.type, reply.data, request_id))


def encode_event(event: Event) -> bytes:
    """The JSON of an event."""
    return _ENCODER.encode(_Message(event.type, event))


def error_reply(error: Exception, request_type: str | None) -> Reply:
    """Say what went wrong. Of an exception that is a defect of ours nothing is given away."""
    match error:
        case ClassroomError(fault=fault, message=message, retry_after_s=wait_s):
            data = Error(message, fault.code, request_type, wait_s)
        case SfuError(message=message, code=code):
            data = Error(message, code, request_type)
        case OrtcError():
            data = Error(str(error), "invalid-rtp-parameters", request_type)
        case InvalidMessage():
            data = Error(str(error), "invalid-message", request_type)
        case _:
            data = Error("Internal error", "internal", request_type)
    return Reply("error", data)
