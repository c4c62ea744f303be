"""The STUN messages of ICE connectivity checks (RFC 8489, RFC 8445 section 7).

aioice's codec reads and writes them; this module adds what an answering agent has to know beyond
that and turns every malformed message into a plain "no".
"""

from __future__ import annotations

import hashlib
import hmac
import struct
import zlib
from typing import TYPE_CHECKING, Final

from sidecar.net.lone_import import import_alone

if TYPE_CHECKING:
    from aioice import stun
else:
    # Its package brings a full ICE agent with a DNS library, which are a quarter of our start-up.
    stun = import_alone("aioice.stun")

LAST_STUN_BYTE: Final = b"\x03"
"""What begins with a higher byte is no STUN (RFC 7983 section 7)."""

_COOKIE: Final = stun.COOKIE.to_bytes(4, "big")
_FIRST_OPTIONAL_ATTRIBUTE: Final = 0x8000
_HEADER: Final = struct.Struct("!HHI12s")
_ATTRIBUTE_HEADER: Final = struct.Struct("!HH")
_BINDING_SUCCESS: Final = stun.Method.BINDING | stun.Class.RESPONSE
_BINDING_REQUEST: Final = b"\x00\x01"
_XOR_MAPPED_ADDRESS: Final = 0x0020
_USERNAME: Final = 0x0006
_MESSAGE_INTEGRITY: Final = 0x0008
_UNKNOWN_ATTRIBUTES: Final = 0x000A
_FINGERPRINT: Final = 0x8028
_FINGERPRINT_XOR: Final = 0x5354554E

_MAX_GLANCES: Final = 8
"""A check of Chromium, Firefox or aioice starts with USERNAME."""

_INTEGRITY_BYTES: Final = 24
_FINGERPRINT_BYTES: Final = 8
"""Of the attribute, its header included."""

MESSAGE_INTEGRITY_HEADER: Final = _ATTRIBUTE_HEADER.pack(_MESSAGE_INTEGRITY, 20)
FINGERPRINT_HEADER: Final = _ATTRIBUTE_HEADER.pack(_FINGERPRINT, 4)


def is_stun(datagram: bytes) -> bool:
    """Tells STUN from DTLS, SRTP and SRTCP by the first byte and the cookie (RFC 7983)."""
    return (
        datagram[:1] <= LAST_STUN_BYTE
        and len(datagram) >= stun.HEADER_LENGTH
        and datagram[4:8] == _COOKIE
    )


def addressee(datagram: bytes) -> bytes | None:
    """Whom a STUN message is for, at a glance: the part of USERNAME before the colon.

    Nothing is verified, and no more than `_MAX_GLANCES` attributes are looked at.

    Returns:
        None if it is no Binding request, or does not say.
    """
    if datagram[:2] != _BINDING_REQUEST:
        return None
    position = stun.HEADER_LENGTH
    for _ in range(_MAX_GLANCES):
        if position + _ATTRIBUTE_HEADER.size > len(datagram):
            return None
        kind, length = _ATTRIBUTE_HEADER.unpack_from(datagram, position)
        position += _ATTRIBUTE_HEADER.size
        if kind == _USERNAME:
            return datagram[position : position + length].partition(b":")[0]
        position += length + stun.padding_length(length)
    return None


class BindingRequest:
    """A received connectivity check.

    Attributes:
        datagram: As it came.
        local_username_fragment: Whom it is for: the part of USERNAME before the colon.
        unknown_attributes: Types of comprehension-required attributes that we don't know.
    """

    __slots__ = ("_message", "datagram", "local_username_fragment", "unknown_attributes")

    def __init__(
        self, datagram: bytes, message: stun.Message, unknown_attributes: tuple[int, ...]
    ) -> None:
        self.datagram = datagram
        self._message = message
        self.unknown_attributes = unknown_attributes
        self.local_username_fragment = str(message.attributes.get("USERNAME", "")).split(":")[0]

    @property
    def has_fingerprint(self) -> bool:
        """FINGERPRINT is there (its value was checked while parsing)."""
        return "FINGERPRINT" in self._message.attributes

    @property
    def from_controlled(self) -> bool:
        """The sender believes that it is the controlled agent, as we are."""
        return "ICE-CONTROLLED" in self._message.attributes

    @property
    def use_candidate(self) -> bool:
        """The sender nominates this pair."""
        return "USE-CANDIDATE" in self._message.attributes

    @property
    def priority(self) -> int:
        """PRIORITY: what the sender thinks of this pair, 0 if it does not say."""
        priority: int = self._message.attributes.get("PRIORITY", 0)
        return priority

    def is_authentic(self, password: bytes) -> bool:
        """Checks MESSAGE-INTEGRITY, which has to be there, against the local password."""
        return self._message.check_message_integrity(password)

    @property
    def transaction_id(self) -> bytes:
        """By which the sender recognises the answer."""
        return self._message.transaction_id

    def reply(self, message_class: stun.Class) -> stun.Message:
        """Starts an answer to this request."""
        return stun.Message(stun.Method.BINDING, message_class, self.transaction_id)


def parse_binding_request(datagram: bytes) -> BindingRequest | None:
    """Parses a datagram as a Binding request.

    Returns:
        None for anything else: malformed messages, wrong fingerprints, other methods, and
        responses and indications, to which no answer is due.
    """
    try:
        message = stun.parse_message(datagram)
    except (ValueError, struct.error):
        return None
    if message.message_method is not stun.Method.BINDING:
        return None
    if message.message_class is not stun.Class.REQUEST:
        return None
    return BindingRequest(datagram, message, _unknown_required_attributes(datagram))


def success_response(transaction_id: bytes, source: tuple[str, int], password: bytes) -> bytes:
    """The answer to an authentic check: where it was seen to come from.

    Written by hand: aioice would write it three times over, to work out what seals it, and every
    student asks for one every two or three seconds.
    """
    address = stun.pack_xor_address(source, transaction_id)
    start = _HEADER.pack(_BINDING_SUCCESS, 0, stun.COOKIE, transaction_id)
    return _sealed(
        start + _ATTRIBUTE_HEADER.pack(_XOR_MAPPED_ADDRESS, len(address)) + address, password
    )


def role_conflict(request: BindingRequest, password: bytes) -> bytes:
    """487: both sides believe to be controlled (RFC 8445 section 7.3.1.1)."""
    message = request.reply(stun.Class.ERROR)
    message.attributes["ERROR-CODE"] = (487, "Role Conflict")
    message.add_message_integrity(password)
    return bytes(message)


def unknown_attributes(request: BindingRequest, password: bytes) -> bytes:
    """420: an attribute had to be understood and is not (RFC 8489 section 6.3.1)."""
    types = b"".join(kind.to_bytes(2, "big") for kind in request.unknown_attributes)
    message = request.reply(stun.Class.ERROR)
    message.attributes["ERROR-CODE"] = (420, "Unknown Attribute")
    # aioice has no UNKNOWN-ATTRIBUTES, so it is placed behind what aioice wrote.
    body = bytes(message) + _ATTRIBUTE_HEADER.pack(_UNKNOWN_ATTRIBUTES, len(types)) + types
    return _sealed(body + bytes(stun.padding_length(len(types))), password)


def _sealed(message: bytes, password: bytes) -> bytes:
    """Adds MESSAGE-INTEGRITY and FINGERPRINT, and says the length in the header."""
    message += MESSAGE_INTEGRITY_HEADER + message_integrity(message, password)
    message = _with_room_for(message, _FINGERPRINT_BYTES)
    return message + FINGERPRINT_HEADER + fingerprint(message)


def message_integrity(message: bytes, password: bytes) -> bytes:
    """The value of MESSAGE-INTEGRITY for what comes before it (RFC 8489 section 14.5)."""
    covered = _with_room_for(message, _INTEGRITY_BYTES)
    return hmac.digest(password, covered, hashlib.sha1)


def fingerprint(message: bytes) -> bytes:
    """The value of FINGERPRINT for what comes before it (RFC 8489 section 14.7).

    Args:
        message: The length in its header is that with FINGERPRINT.
    """
    return (zlib.crc32(message) ^ _FINGERPRINT_XOR).to_bytes(4, "big")


def _with_room_for(message: bytes, size_bytes: int) -> bytes:
    """Has the header say the length of a message with another attribute behind it."""
    length = len(message) - stun.HEADER_LENGTH + size_bytes
    return message[:2] + length.to_bytes(2, "big") + message[4:]


def _unknown_required_attributes(datagram: bytes) -> tuple[int, ...]:
    """What follows MESSAGE-INTEGRITY is not covered by it and does not count (RFC 8489, 14.5)."""
    unknown = []
    position = stun.HEADER_LENGTH
    while position + _ATTRIBUTE_HEADER.size <= len(datagram):
        kind, length = _ATTRIBUTE_HEADER.unpack_from(datagram, position)
        if kind == _MESSAGE_INTEGRITY:
            break
        if kind < _FIRST_OPTIONAL_ATTRIBUTE and kind not in stun.ATTRIBUTES_BY_TYPE:
            unknown.append(kind)
        position += _ATTRIBUTE_HEADER.size + length + stun.padding_length(length)
    return tuple(unknown)
