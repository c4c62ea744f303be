"""From a WebSocket frame to a request."""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from sidecar.signaling.lone_surrogates import mended
from sidecar.signaling.messages import MAX_TEXT_CHARS, AnyRequest, RequestId

_T = TypeVar("_T")


class InvalidMessage(ValueError):
    """A frame that is no request.

    Attributes:
        request_type: What it claims to be, if it says so.
        request_id: Its id, if it has a proper one.
    """

    def __init__(self, request_type: str | None, request_id: RequestId | None) -> None:
        super().__init__("Invalid message format")
        self.request_type = request_type
        self.request_id = request_id


class _Envelope(Struct, frozen=True):
    type: object = None
    id: object = None


_REQUESTS: Final = msgspec.json.Decoder(AnyRequest)
_ENVELOPES: Final = msgspec.json.Decoder(_Envelope)
# RecursionError: JSON that is nested too deeply.
_UNDECODABLE: Final = (msgspec.DecodeError, UnicodeError, RecursionError)


def decode_request(frame: str | bytes) -> AnyRequest:
    """Parse one WebSocket frame; a half of a character in it is no reason to refuse it.

    Args:
        frame: Text for a text frame; bytes, which are always refused, for a binary one.

    Raises:
        InvalidMessage: Whatever is wrong with it.
    """
    if isinstance(frame, bytes):
        raise InvalidMessage(None, None)
    try:
        request: AnyRequest = _decode(_REQUESTS, frame)
    except _UNDECODABLE:
        # What can be saved lets the client tell which request it was.
        raise InvalidMessage(*peek(frame)) from None
    return request


def peek(frame: str | bytes) -> tuple[str | None, RequestId | None]:
    """What a frame claims to be, and its id: each None if it has no proper one."""
    if isinstance(frame, bytes):
        return None, None
    try:
        envelope = _decode(_ENVELOPES, frame)
    except _UNDECODABLE:
        return None, None
    return _text_or_none(envelope.type), _id_or_none(envelope.id)


def _decode(decoder: msgspec.json.Decoder[_T], frame: str) -> _T:
    try:
        return decoder.decode(frame)
    except _UNDECODABLE:
        better = mended(frame)
        if better == frame:
            raise
        return decoder.decode(better)


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) and len(value) <= MAX_TEXT_CHARS else None


def _id_or_none(value: object) -> RequestId | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    return _text_or_none(value)
