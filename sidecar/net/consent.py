"""Consent to send, which is renewed again and again (RFC 7675) by the same check."""

from __future__ import annotations

from hmac import compare_digest
from typing import TYPE_CHECKING, Final

from sidecar.net.stun import (
    FINGERPRINT_HEADER,
    MESSAGE_INTEGRITY_HEADER,
    fingerprint,
    message_integrity,
    success_response,
)

if TYPE_CHECKING:
    from sidecar.net.stun import BindingRequest

_START: Final = slice(8)
_TRANSACTION_ID: Final = slice(8, 20)
_ATTRIBUTES: Final = slice(20, -28)
"""Up to the value of MESSAGE-INTEGRITY, which nothing but FINGERPRINT follows."""

_INTEGRITY: Final = slice(-28, -8)
_FINGERPRINT_HEADER: Final = slice(-8, -4)
_FINGERPRINT: Final = slice(-4, None)


class Consent:
    """An authentic check that its sender repeats every few seconds.

    A full ICE agent goes on checking the pair that it uses. Those checks differ in the transaction
    id and the seals only: they are recognised by the rest, and the seals are all there is to check.
    """

    __slots__ = ("_attributes", "_password", "_size_bytes", "_source", "_start")

    def __init__(self, check: bytes, source: tuple[str, int], password: bytes) -> None:
        self._size_bytes = len(check)
        self._start = check[_START]
        self._attributes = check[_ATTRIBUTES]
        self._source = source
        self._password = password

    @classmethod
    def of(
        cls, request: BindingRequest, source: tuple[str, int], password: bytes
    ) -> Consent | None:
        """Remembers a check, unless it is sealed in an unusual place.

        Args:
            request: An authentic one, to which the answer was success.
            source: Where it came from.
            password: The local one that it was made with.
        """
        check = request.datagram
        is_usual = (
            check[_ATTRIBUTES].endswith(MESSAGE_INTEGRITY_HEADER)
            and check[_FINGERPRINT_HEADER] == FINGERPRINT_HEADER
        )
        return cls(check, source, password) if is_usual else None

    def answer(self, datagram: bytes, source: tuple[str, int]) -> bytes | None:
        """The answer to a datagram that is the same check again, and authentic; else None."""
        is_the_same = (
            source == self._source
            and len(datagram) == self._size_bytes
            and datagram[_START] == self._start
            and datagram[_ATTRIBUTES] == self._attributes
            and datagram[_FINGERPRINT_HEADER] == FINGERPRINT_HEADER
        )
        if (
            not is_the_same
            or fingerprint(datagram[:-8]) != datagram[_FINGERPRINT]
            or not compare_digest(
                message_integrity(datagram[:-32], self._password), datagram[_INTEGRITY]
            )
        ):
            return None
        return success_response(datagram[_TRANSACTION_ID], source, self._password)
