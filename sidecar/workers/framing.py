"""Messages as bytes in a pipe: four bytes of length, then MessagePack."""

from __future__ import annotations

from typing import Any, Final, Generic, TypeVar

import msgspec

from sidecar.workers.messages import Message

_LENGTH_BYTES: Final = 4
_ENCODER: Final = msgspec.msgpack.Encoder()

Received = TypeVar("Received")


def encode(message: Message) -> bytes:
    """The bytes of a message."""
    body = _ENCODER.encode(message)
    return len(body).to_bytes(_LENGTH_BYTES) + body


class Unframer(Generic[Received]):
    """Puts together the messages of a stream that comes in pieces.

    Args:
        types: The union of what may come.
    """

    def __init__(self, types: Any) -> None:
        self._decoder: msgspec.msgpack.Decoder[Received] = msgspec.msgpack.Decoder(types)
        self._buffer = bytearray()

    def feed(self, chunk: bytes) -> list[Received]:
        """Take what came and return the messages that are complete now.

        Raises:
            msgspec.DecodeError: The other side is not who we think.
        """
        buffer = self._buffer
        buffer += chunk
        messages = []
        start = 0
        while len(buffer) - start >= _LENGTH_BYTES:
            body = start + _LENGTH_BYTES
            end = body + int.from_bytes(buffer[start:body])
            if len(buffer) < end:
                break
            messages.append(self._decoder.decode(bytes(buffer[body:end])))
            start = end
        del buffer[:start]
        return messages
