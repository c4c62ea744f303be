"""ICE of a test peer: a full agent that talks to an ICE-lite one (RFC 8445, RFC 7675).

There is one remote candidate and whoever checks it first may nominate it, so no check list is
needed: what is left is STUN transactions.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Callable
from typing import Any

from aioice import stun

Address = tuple[str, int]

PEER_REFLEXIVE_PRIORITY = (110 << 24) + (65535 << 8) + 255
FIRST_RETRANSMISSION_S = 0.05
CHECK_TIMEOUT_S = 8.0
CONSENT_INTERVAL_S = 2.5


class IceError(Exception):
    """A check was refused or never answered.

    Attributes:
        code: The STUN error code, 0 when nothing came back.
    """

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class IceAgent:
    """Checks, nominates and keeps consent fresh towards one ICE-lite peer.

    Args:
        send: Called with a datagram and its destination.

    Attributes:
        controlling: Set to False only to provoke a role conflict.
    """

    def __init__(self, send: Callable[[bytes, Address], None]) -> None:
        self.controlling = True
        self.username_fragment = secrets.token_hex(4)
        self.remote_username_fragment = ""
        self.remote_password = ""
        self._send = send
        self._tie_breaker = secrets.randbits(64)
        self._transactions: dict[bytes, asyncio.Future[stun.Message]] = {}
        self._jitter = random.Random(self._tie_breaker)
        self._consent: asyncio.Task[None] | None = None

    def set_remote(self, ice_parameters: dict[str, Any]) -> None:
        """Take over the peer's `iceParameters`, first ones or those of a restart."""
        self.username_fragment = secrets.token_hex(4)
        self.remote_username_fragment = ice_parameters["usernameFragment"]
        self.remote_password = ice_parameters["password"]

    def binding_request(self, *, nominate: bool = True) -> stun.Message:
        """Build an authenticated connectivity check (RFC 8445 section 7.2.2)."""
        role = "ICE-CONTROLLING" if self.controlling else "ICE-CONTROLLED"
        attributes: dict[str, Any] = {
            "USERNAME": f"{self.remote_username_fragment}:{self.username_fragment}",
            "PRIORITY": PEER_REFLEXIVE_PRIORITY,
            role: self._tie_breaker,
        }
        if nominate and self.controlling:
            attributes["USE-CANDIDATE"] = None
        request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, attributes=attributes)
        request.add_message_integrity(self.remote_password.encode())
        return request

    async def check(self, address: Address, *, nominate: bool = True) -> stun.Message:
        """Check a pair, retransmitting until the answer comes, and return the answer.

        Raises:
            IceError: The peer refused, or was silent for `CHECK_TIMEOUT_S`.
        """
        request = self.binding_request(nominate=nominate)
        answer: asyncio.Future[stun.Message] = asyncio.get_running_loop().create_future()
        self._transactions[request.transaction_id] = answer
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                return await self._transact(bytes(request), address, answer)
        except TimeoutError:
            raise IceError(f"no answer to a connectivity check of {address}") from None
        finally:
            del self._transactions[request.transaction_id]

    def receive(self, datagram: bytes) -> None:
        """Take in a STUN message; what is no valid answer to a check of ours is dropped."""
        try:
            message = stun.parse_message(datagram)
        except ValueError:
            return
        answer = self._transactions.get(message.transaction_id)
        if answer is None or answer.done():
            return
        if message.message_class is stun.Class.ERROR:
            code, reason = message.attributes["ERROR-CODE"]
            answer.set_exception(IceError(reason, code))
        elif message.check_message_integrity(self.remote_password.encode()):
            answer.set_result(message)

    def keep_consent(self, address: Address) -> None:
        """Check the pair every few seconds from now on (RFC 7675 section 5.1)."""
        self.stop_consent()
        self._consent = asyncio.create_task(self._consent_loop(address))

    def stop_consent(self) -> None:
        """Fall silent."""
        if self._consent is not None:
            self._consent.cancel()
            self._consent = None

    async def _transact(
        self, request: bytes, address: Address, answer: asyncio.Future[stun.Message]
    ) -> stun.Message:
        interval_s = FIRST_RETRANSMISSION_S
        while not answer.done():
            self._send(request, address)
            await asyncio.wait([answer], timeout=interval_s)
            interval_s *= 2
        return answer.result()

    async def _consent_loop(self, address: Address) -> None:
        while True:
            await asyncio.sleep(CONSENT_INTERVAL_S * self._jitter.uniform(0.8, 1.2))
            self._send(bytes(self.binding_request()), address)
