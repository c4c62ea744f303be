"""What clients send: one type per request, so that decoding them is validation.

The name of a request's class, in camelCase, is the ``type`` of its message. Unknown fields are
ignored; ``docs/protocol.md`` has the limits on lengths.
"""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

from msgspec import Meta, Struct

from sidecar.classroom.peer import Direction
from sidecar.ortc.parameters import DtlsParameters, MediaKind, RtpCapabilities, RtpParameters

MAX_TEXT_CHARS: Final = 256
MAX_CHAT_CHARS: Final = 4000

Text: TypeAlias = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT_CHARS)]
ChatText: TypeAlias = Annotated[str, Meta(min_length=1, max_length=MAX_CHAT_CHARS)]
RequestId: TypeAlias = Annotated[str, Meta(max_length=MAX_TEXT_CHARS)] | int | float


def _camel_case(class_name: str) -> str:
    return class_name[0].lower() + class_name[1:]


class Data(Struct, frozen=True, rename="camel"):
    """The base of what stands in a request's ``data``."""


class NoData(Data, frozen=True):
    """The ``data`` of requests that carry none: missing, null or an object."""


class JoinData(Data, frozen=True):
    """Who wants to come in, and where.

    Attributes:
        room_id: The room.
        peer_id: Unique in it.
        name: For people.
        is_teacher: Or else a student.
        token: The teacher's, where it takes one.
        pin: Everybody else's, likewise.
        rejoin_token: The secret of a seat that the client had; it takes the place of that one.
    """

    room_id: Text
    peer_id: Text
    name: Text
    is_teacher: bool
    token: Text | None = None
    pin: Annotated[str, Meta(max_length=MAX_TEXT_CHARS)] | None = None
    rejoin_token: Text | None = None


class DirectionData(Data, frozen=True):
    """Which of the two transports is meant."""

    direction: Direction


class ConnectTransportData(Data, frozen=True):
    """The client's end of DTLS."""

    direction: Direction
    dtls_parameters: DtlsParameters


class ProduceData(Data, frozen=True):
    """A stream that the client is about to send."""

    kind: MediaKind
    rtp_parameters: RtpParameters


class ConsumeData(Data, frozen=True):
    """A stream that the client wants, and what the client can decode."""

    producer_id: Text
    rtp_capabilities: RtpCapabilities


class ProducerData(Data, frozen=True):
    """Which producer is meant."""

    producer_id: Text


class ConsumerData(Data, frozen=True):
    """Which consumer is meant."""

    consumer_id: Text


class ChatMessageData(Data, frozen=True):
    """What the client says, and when by the client's own clock (ISO 8601)."""

    content: ChatText
    timestamp: Text


class Request(Struct, frozen=True, kw_only=True, tag_field="type", tag=_camel_case):
    """The envelope. ``id`` comes back in the reply."""

    id: RequestId | None = None


class _PlainRequest(Request, frozen=True, kw_only=True):
    data: NoData | None = None


class Join(Request, frozen=True, kw_only=True):
    """Come into a room, making it if need be."""

    data: JoinData


class Leave(_PlainRequest, frozen=True, kw_only=True):
    """Leave the room; the connection stays."""


class GetRouterRtpCapabilities(_PlainRequest, frozen=True, kw_only=True):
    """Ask what the room's router supports."""


class CreateTransport(Request, frozen=True, kw_only=True):
    """Open a transport, in place of the one of that direction if there is one."""

    data: DirectionData


class ConnectTransport(Request, frozen=True, kw_only=True):
    """Hand in the client's DTLS parameters."""

    data: ConnectTransportData


class RestartIce(Request, frozen=True, kw_only=True):
    """Ask for fresh ICE credentials."""

    data: DirectionData


class Produce(Request, frozen=True, kw_only=True):
    """Start sending a stream."""

    data: ProduceData


class CloseProducer(Request, frozen=True, kw_only=True):
    """Stop sending a stream for good."""

    data: ProducerData


class PauseProducer(Request, frozen=True, kw_only=True):
    """Stop sending a stream for the time being."""

    data: ProducerData


class ResumeProducer(Request, frozen=True, kw_only=True):
    """Send a stream again."""

    data: ProducerData


class GetProducers(_PlainRequest, frozen=True, kw_only=True):
    """Ask which streams there are."""


class Consume(Request, frozen=True, kw_only=True):
    """Ask to receive a stream; it starts paused."""

    data: ConsumeData


class CloseConsumer(Request, frozen=True, kw_only=True):
    """Receive a stream no longer."""

    data: ConsumerData


class PauseConsumer(Request, frozen=True, kw_only=True):
    """Receive nothing of a stream for the time being."""

    data: ConsumerData


class ResumeConsumer(Request, frozen=True, kw_only=True):
    """Start or go on receiving a stream."""

    data: ConsumerData


class ChatMessage(Request, frozen=True, kw_only=True):
    """Say something to everybody else. Has no reply."""

    data: ChatMessageData


AnyRequest: TypeAlias = (
    Join
    | Leave
    | GetRouterRtpCapabilities
    | CreateTransport
    | ConnectTransport
    | RestartIce
    | Produce
    | CloseProducer
    | PauseProducer
    | ResumeProducer
    | GetProducers
    | Consume
    | CloseConsumer
    | PauseConsumer
    | ResumeConsumer
    | ChatMessage
)


def request_type(request: Request) -> str:
    """The ``type`` of a request's message."""
    return str(request.__struct_config__.tag)
