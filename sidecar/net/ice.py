"""ICE-lite: answering connectivity checks on behalf of one transport.

A lite agent (RFC 8445 section 2.5) sends no checks of its own. It authenticates those of the
full agent on the other side, answers them, remembers which remote addresses have passed one, and
sends to the pair that the other side nominates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from sidecar.net.consent import Consent
from sidecar.net.stun import (
    BindingRequest,
    role_conflict,
    success_response,
    unknown_attributes,
)
from sidecar.ortc.parameters import IceParameters

Address = tuple[str, int]
"""An IP address and a UDP port."""

USERNAME_FRAGMENT_LENGTH: Final = 16
PASSWORD_LENGTH: Final = 32
"""RFC 8445 section 5.3 asks for at least 4 and 22 characters."""

CONSENT_TIMEOUT_NS: Final = 30_000_000_000
"""Consent to send expires after 30 s without a check (RFC 7675 section 5.1)."""

MAX_VALID_ADDRESSES: Final = 8
"""Remote addresses remembered per transport; the one checked longest ago is forgotten first."""

_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz0123456789"


def generate_ice_parameters(choose: Callable[[str], str]) -> IceParameters:
    """Makes fresh credentials.

    Args:
        choose: Picks one character of a string at random (``secrets.choice``).
    """
    return IceParameters(
        username_fragment="".join(choose(_ALPHABET) for _ in range(USERNAME_FRAGMENT_LENGTH)),
        password="".join(choose(_ALPHABET) for _ in range(PASSWORD_LENGTH)),
        ice_lite=True,
    )


@dataclass(slots=True)
class CheckOutcome:
    """What one authentic connectivity check led to."""

    response: bytes
    """The datagram to send back to where the check came from."""
    validated: bool = False
    """The check succeeded: its source may be sent to from now on."""
    forgotten: list[Address] = field(default_factory=list)
    """Addresses that are valid no longer."""
    retired_username: str | None = None
    """The username fragment of before an ICE restart, when it has just become void."""


class IceLite:
    """The ICE state of one transport.

    Attributes:
        parameters: The current local credentials.
        selected: Where to send, or None before the first authentic check.
        last_check_ns: When the last authentic check arrived (monotonic), None before the first.
    """

    __slots__ = ("_consent", "_previous", "_valid", "last_check_ns", "parameters", "selected")

    def __init__(self, parameters: IceParameters) -> None:
        self.parameters = parameters
        self.selected: Address | None = None
        self.last_check_ns: int | None = None
        self._consent: Consent | None = None
        self._previous: IceParameters | None = None
        self._valid: dict[Address, None] = {}  # in the order of their latest check

    @property
    def valid_addresses(self) -> tuple[Address, ...]:
        """The addresses that have passed a check."""
        return tuple(self._valid)

    @property
    def username_fragments(self) -> tuple[str, ...]:
        """The local username fragments that checks may carry at present."""
        if self._previous is None:
            return (self.parameters.username_fragment,)
        return (self.parameters.username_fragment, self._previous.username_fragment)

    def has_expired(self, now_ns: int) -> bool:
        """Whether consent to send has ended (RFC 7675).

        Never before the first check: a client opens its transports when it joins, and connects
        them when there is something to send or to receive.
        """
        return self.last_check_ns is not None and now_ns - self.last_check_ns > CONSENT_TIMEOUT_NS

    def restart(self, parameters: IceParameters) -> str | None:
        """Takes new credentials (RFC 8445 section 9).

        The old ones stay good until the first check with the new ones, so that media flows on.

        Returns:
            A username fragment that is void at once: that of an earlier, unfinished restart.
        """
        retired = self._previous
        self._consent = None
        self._previous = self.parameters
        self.parameters = parameters
        return retired.username_fragment if retired is not None else None

    def check(self, request: BindingRequest, source: Address, now_ns: int) -> CheckOutcome | None:
        """Authenticates a Binding request and moves the state on (RFC 8445 section 7.3).

        Returns:
            None when the check is not authentic. It gets no answer at all: this port sends
            nothing to strangers (see docs/deviations.md).
        """
        current = request.local_username_fragment == self.parameters.username_fragment
        credentials = self.parameters if current else self._previous
        if credentials is None or not request.has_fingerprint:
            return None
        password = credentials.password.encode()
        if not request.is_authentic(password):
            return None
        if request.unknown_attributes:
            return CheckOutcome(unknown_attributes(request, password))
        if request.from_controlled:
            return CheckOutcome(role_conflict(request, password))

        response = success_response(request.transaction_id, source, password)
        outcome = CheckOutcome(response, validated=True)
        if current and self._previous is not None:
            outcome.retired_username = self._previous.username_fragment
            self._consent = self._previous = None
        self.last_check_ns = now_ns
        self._remember(source, outcome)
        if request.use_candidate or self.selected is None:
            self.selected = source
        if source == self.selected:
            self._consent = Consent.of(request, source, password)
        return outcome

    def renew_consent(self, datagram: bytes, source: Address, now_ns: int) -> bytes | None:
        """Takes the latest check of the selected address once more.

        Returns:
            The answer; None if the datagram is not that, and has to be looked at by `check`.
        """
        response = self._consent.answer(datagram, source) if self._consent is not None else None
        if response is not None:
            self.last_check_ns = now_ns
        return response

    def _remember(self, source: Address, outcome: CheckOutcome) -> None:
        self._valid.pop(source, None)
        self._valid[source] = None
        if len(self._valid) > MAX_VALID_ADDRESSES:
            oldest = next(address for address in self._valid if address != self.selected)
            del self._valid[oldest]
            outcome.forgotten.append(oldest)
