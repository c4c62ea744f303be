"""ICE-lite: answering connectivity checks on behalf of one transport.

A lite agent (RFC 8445 section 2.5) sends no checks of its own. It authenticates those of the
full agent on the other side, answers them, remembers which remote addresses have passed one, and
sends to the pair that the other side nominates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from sidecar.net.consent import Consent
from sidecar.net.stun import (
    BindingRequest,
    role_conflict,
    success_response,
    unknown_attributes,
)
from sidecar.ortc.parameters import IceParameters

Address = tuple[Any, ...]
"""An IP address and a UDP port, and for IPv6 the flow and the scope, as sockets say it. Where an
address means a way to a peer, it may be a `Path`."""


class Path(NamedTuple):
    """A candidate pair (RFC 8445): where a peer is, and which of our addresses it has asked.

    Attributes:
        ip: Of the peer.
        port: Of the peer.
        scope: The number of the interface, for an IPv6 link-local address; else 0.
        local: Our address, from which answers have to leave; written with the number of its
            interface if it is an IPv6 link-local one, as in ``fe80::1%2``.
    """

    ip: str
    port: int
    scope: int
    local: str

    @classmethod
    def between(cls, remote: Address, local: str) -> Path:
        """The path between a peer's address and one of ours."""
        return cls(remote[0], remote[1], remote[3] if len(remote) > 2 else 0, local)

    @property
    def remote(self) -> Address:
        """Where the peer is, as a socket says it."""
        if ":" in self.ip:
            return self.ip, self.port, 0, self.scope
        return self.ip, self.port


def remote_of(address: Address) -> Address:
    """Where a peer is, as a socket says it, whether or not it is known which address it asked."""
    return address.remote if isinstance(address, Path) else address


def local_of(address: Address) -> str:
    """Which of our addresses a peer has asked; empty if unknown, or if there is only one."""
    return address.local if isinstance(address, Path) else ""


USERNAME_FRAGMENT_LENGTH: Final = 16
PASSWORD_LENGTH: Final = 32
"""RFC 8445 section 5.3 asks for at least 4 and 22 characters."""

CONSENT_TIMEOUT_NS: Final = 30_000_000_000
"""Consent to send expires after 30 s without a check (RFC 7675 section 5.1)."""

FOLLOW_AFTER_NS: Final = 8_000_000_000
"""An address of which nothing has been heard for so long gets no media if another one is heard.
Chromium checks the pair that it uses every 2.5 s, Firefox every 4 to 6."""

MAX_VALID_ADDRESSES: Final = 8
"""Remote addresses remembered per transport; the one checked longest ago is forgotten first."""

CHECKS_PER_SECOND: Final = 32
CHECKS_AT_ONCE: Final = 64
"""That one valid address may send. Chromium sends twenty a second while it is in doubt."""

FAILED_CHECK_PRICE: Final = 4
"""A check that is not authentic counts for so many."""

_ALIVE_WITH_TRAFFIC_NS: Final = 1_500_000_000
_ALIVE_NS: Final = 3_000_000_000
"""How long after its last sign a pair still counts as alive. Where packets flow there is an RTCP
report a second; where none do, the checks are all there is."""

NEVER_NS: Final = -(1 << 62)
"""Longer ago than anything."""

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


class Pair:
    """One of the peer's addresses, valid since it has passed a check (RFC 8445 section 7.3).

    Attributes:
        address: The peer's; as a `Path`, with that of ours which it has nominated or asked first.
        priority: What the peer thinks of it: PRIORITY of its latest check.
        is_nominated: The peer has nominated it, with the credentials of now.
        checked_ns: When its latest authentic check arrived (monotonic).
        heard_ns: When its latest authentic SRTP or SRTCP packet did; `NEVER_NS` before the first.
        mute_since_ns: When it lost its place, since nothing but checks came from it while packets
            came from elsewhere; None if it did not, or has been heard since.
        allowance: How many checks it may send until the next `refill`.
    """

    __slots__ = (
        "address",
        "allowance",
        "checked_ns",
        "heard_ns",
        "is_nominated",
        "mute_since_ns",
        "priority",
    )

    def __init__(self, address: Address) -> None:
        self.address = address
        self.priority = 0
        self.is_nominated = False
        self.checked_ns = 0
        self.heard_ns = NEVER_NS
        self.mute_since_ns: int | None = None
        self.allowance = CHECKS_AT_ONCE

    @property
    def sign_ns(self) -> int:
        """When it last gave a sign of life."""
        return max(self.checked_ns, self.heard_ns)

    def is_alive(self, now_ns: int) -> bool:
        """Whether its last sign of life is so recent that the next one may still come."""
        has_traffic = self.heard_ns > now_ns - _ALIVE_NS
        return now_ns - self.sign_ns <= (_ALIVE_WITH_TRAFFIC_NS if has_traffic else _ALIVE_NS)

    def is_mute(self) -> bool:
        """Whether it has lost its place for saying nothing, and has said nothing since."""
        return self.mute_since_ns is not None and self.heard_ns <= self.mute_since_ns

    def refill(self) -> None:
        """Another second has passed."""
        self.allowance = min(max(self.allowance, 0) + CHECKS_PER_SECOND, CHECKS_AT_ONCE)


@dataclass(slots=True)
class CheckOutcome:
    """What one authentic connectivity check led to."""

    response: bytes
    """The datagram to send back to where the check came from."""
    pair: Pair | None = None
    """The check succeeded: its source may be sent to from now on."""
    forgotten: list[Address] = field(default_factory=list)
    """Addresses that are valid no longer."""
    retired_username: str | None = None
    """The username fragment of before an ICE restart, when it has just become void."""

    @property
    def validated(self) -> bool:
        """The check succeeded."""
        return self.pair is not None


class IceLite:
    """The ICE state of one transport.

    Attributes:
        parameters: The current local credentials.
        selected: Where to send, or None before the first authentic check.
        last_check_ns: When the last authentic check arrived (monotonic), None before the first.
    """

    __slots__ = (
        "_consent",
        "_nominee",
        "_pair",
        "_previous",
        "_selected_ns",
        "_valid",
        "last_check_ns",
        "parameters",
        "selected",
    )

    def __init__(self, parameters: IceParameters) -> None:
        self.parameters = parameters
        self.selected: Address | None = None
        self.last_check_ns: int | None = None
        self._consent: Consent | None = None
        self._previous: IceParameters | None = None
        self._valid: dict[Address, Pair] = {}  # in the order of their latest check
        self._pair: Pair | None = None  # the selected one
        self._selected_ns = 0
        self._nominee: Pair | None = None  # nominated while a better one is alive

    @property
    def valid_addresses(self) -> tuple[Address, ...]:
        """The addresses that have passed a check."""
        return tuple(self._valid)

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """The same with what is known of each."""
        return tuple(self._valid.values())

    @property
    def last_heard_ns(self) -> int | None:
        """When the peer last gave a sign of life, None before the first check."""
        if self.last_check_ns is None:
            return None
        return max(self.last_check_ns, *(pair.heard_ns for pair in self._valid.values()))

    @property
    def username_fragments(self) -> tuple[str, ...]:
        """The local username fragments that checks may carry at present."""
        if self._previous is None:
            return (self.parameters.username_fragment,)
        return (self.parameters.username_fragment, self._previous.username_fragment)

    @property
    def is_restarting(self) -> bool:
        """Whether no check has used the credentials of the latest restart yet."""
        return self._previous is not None

    def has_expired(self, now_ns: int) -> bool:
        """Whether consent to send has ended (RFC 7675).

        Never before the first check: a client opens its transports when it joins, and connects
        them when there is something to send or to receive.
        """
        return self.is_unchecked(now_ns, CONSENT_TIMEOUT_NS + 1)

    def is_unchecked(self, now_ns: int, duration_ns: int) -> bool:
        """Whether there has been no check for so long, though there was one before."""
        return self.last_check_ns is not None and now_ns - self.last_check_ns >= duration_ns

    def grant_time(self, now_ns: int) -> None:
        """Has consent begin anew: nobody could be heard for a while, for a reason of our own."""
        if self.last_check_ns is None:
            return
        shift_ns = now_ns - self.last_check_ns
        self.last_check_ns = now_ns
        for pair in self._valid.values():
            pair.checked_ns += shift_ns
            if pair.heard_ns != NEVER_NS:
                pair.heard_ns = min(pair.heard_ns + shift_ns, now_ns)
        self._selected_ns = now_ns

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

        outcome = CheckOutcome(success_response(request.transaction_id, source, password))
        if current and self._previous is not None:
            outcome.retired_username = self._previous.username_fragment
            self._begin_anew()
        self.last_check_ns = now_ns
        pair = outcome.pair = self._remember(source, outcome)
        pair.checked_ns, pair.priority = now_ns, request.priority
        if request.use_candidate:
            self._move(pair, source)
            self._nominate(pair, now_ns)
        elif self._pair is None:
            self._select(pair, now_ns)
        if source == self.selected:
            self._consent = Consent.of(request, source, password)
        return outcome

    def renew_consent(self, datagram: bytes, source: Address, now_ns: int) -> bytes | None:
        """Takes the latest check of the selected address once more.

        Returns:
            The answer; None if the datagram is not that, and has to be looked at by `check`.
        """
        consent, pair = self._consent, self._pair
        response = consent.answer(datagram, source) if consent is not None else None
        if response is not None and pair is not None:
            self.last_check_ns = pair.checked_ns = now_ns
            if pair.is_nominated:
                self._nominee = None
        return response

    def reconsider(self, now_ns: int) -> None:
        """Looks, once a second, whether media still goes where the peer is."""
        selected = self._pair
        if selected is None:
            return
        others = [pair for pair in self._valid.values() if pair is not selected]
        nominee = self._nominee
        if nominee is not None and not selected.is_alive(now_ns):
            self._select(nominee, now_ns)
        elif others and now_ns - selected.sign_ns > FOLLOW_AFTER_NS:
            latest = max(others, key=lambda pair: pair.sign_ns)
            if latest.sign_ns > selected.sign_ns:
                self._select(latest, now_ns)
        elif others and self._is_mute(selected, now_ns):
            latest = max(others, key=lambda pair: pair.heard_ns)
            if latest.heard_ns > now_ns - _ALIVE_NS:
                selected.mute_since_ns = now_ns
                self._select(latest, now_ns)

    def _is_mute(self, selected: Pair, now_ns: int) -> bool:
        """Whether nothing but checks has come from where media has gone for a while.

        Whoever forges the source of its checks can have media sent to somebody else. That one sends
        no packets, but the peer itself does.
        """
        is_settled = now_ns - self._selected_ns > FOLLOW_AFTER_NS
        return is_settled and selected.heard_ns <= self._selected_ns

    def _nominate(self, pair: Pair, now_ns: int) -> None:
        """Follows a nomination, unless a better pair is alive; it may follow later."""
        pair.is_nominated = True
        selected = self._pair
        if selected is None or pair is selected:
            may_follow = True
        elif not selected.is_alive(now_ns):
            may_follow = True
        elif pair.is_mute():
            return
        else:
            may_follow = not selected.is_nominated or pair.priority >= selected.priority
        if may_follow:
            self._select(pair, now_ns)
        else:
            self._nominee = pair

    def _select(self, pair: Pair, now_ns: int) -> None:
        self._nominee = None
        if pair is not self._pair:
            self._pair, self.selected = pair, pair.address
            self._selected_ns = now_ns
            self._consent = None

    def _move(self, pair: Pair, source: Address) -> None:
        """Follows a peer that stays where it is, and asks another of our addresses."""
        pair.address = source
        if pair is self._pair:
            self.selected = source

    def _begin_anew(self) -> None:
        """The peer uses the credentials of a restart: what it nominated before counts no more."""
        self._consent = self._previous = self._nominee = None
        for pair in self._valid.values():
            pair.is_nominated = False

    def _remember(self, source: Address, outcome: CheckOutcome) -> Pair:
        remote = remote_of(source)
        pair = self._valid.pop(remote, None) or Pair(source)
        self._valid[remote] = pair
        if len(self._valid) > MAX_VALID_ADDRESSES:
            kept = (self._pair, self._nominee)
            oldest = next(each for each in self._valid.values() if each not in kept)
            forgotten = remote_of(oldest.address)
            del self._valid[forgotten]
            outcome.forgotten.append(forgotten)
        return pair
