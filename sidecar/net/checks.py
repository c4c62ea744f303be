"""Who is who at the shared port: ICE checks, and the addresses that have passed one.

What is not authenticated yet must cost next to nothing. So a check is looked at in steps, each of
which is dearer than the one before: whom it is for, whether whoever sends it may still have one
looked at, and only then whether it is authentic.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from sidecar.net.ice import FAILED_CHECK_PRICE, Address, Pair, Path, generate_ice_parameters
from sidecar.net.stun import addressee, is_stun, parse_binding_request
from sidecar.ortc.parameters import IceParameters

if TYPE_CHECKING:
    from sidecar.net.link import MediaLink

FAILURES_AT_ONCE: Final = 16
FAILURES_PER_SECOND: Final = 4
"""Checks that are not authentic, from one address that is not known."""

MAX_FAILED_SOURCES: Final = 1024
"""That are remembered. Whoever has more addresses still meets the allowance of each link."""


class Checks:
    """Recognises links by user name and by address.

    Attributes:
        reached: Whom each valid address belongs to.
        unknown: Datagrams from nobody we know, or nothing that we know.
        over_budget: Checks that were not looked at, since there had been too many.
    """

    def __init__(
        self,
        send: Callable[[bytes, Address], None],
        on_route_changed: Callable[[], None],
        local_address: Callable[[bytes], str],
    ) -> None:
        """Knows nobody yet.

        Args:
            send: Sends an answer.
            on_route_changed: Hears that a link is to be reached elsewhere from now on.
            local_address: Says to which of our addresses a datagram came, see `Receiver`.
        """
        self.reached: dict[Address, tuple[MediaLink, Pair]] = {}
        self.unknown = 0
        self.over_budget = 0
        self._send = send
        self._on_route_changed = on_route_changed
        self._local_address = local_address
        self._link_by_username: dict[bytes, MediaLink] = {}
        self._failures: dict[Address, int] = {}

    def new_credentials(self, link: MediaLink) -> IceParameters:
        """Makes ICE credentials by which checks for the link are recognised."""
        parameters = generate_ice_parameters(secrets.choice)
        self._link_by_username[parameters.username_fragment.encode()] = link
        return parameters

    def forget_username(self, username_fragment: str) -> None:
        """Stops recognising checks for credentials that are void."""
        self._link_by_username.pop(username_fragment.encode(), None)

    def retire(self, link: MediaLink) -> None:
        """Forgets a link's credentials and addresses."""
        for username in link.ice.username_fragments:
            self.forget_username(username)
        for address in link.ice.valid_addresses:
            self._forget_address(address, link)

    def refill(self) -> None:
        """Another second has passed: whoever had too many checks may have some more."""
        self._failures = {
            address: number - FAILURES_PER_SECOND
            for address, number in self._failures.items()
            if number > FAILURES_PER_SECOND
        }

    def sort(self, datagram: bytes, address: Address, now_ns: int) -> None:
        """Takes a datagram that may be STUN, or from nobody we know."""
        if is_stun(datagram):
            self._receive(datagram, address, now_ns)
        elif datagram:
            self.unknown += 1

    def _receive(self, datagram: bytes, address: Address, now_ns: int) -> None:
        name = addressee(datagram)
        link = self._link_by_username.get(name) if name is not None else None
        if link is None:
            self.unknown += 1
            return
        owner, pair = self.reached.get(address, (None, None))
        if owner is not link or pair is None:
            self._receive_from_stranger(link, datagram, address, now_ns)
            return
        pair.allowance -= 1
        if pair.allowance < 0:
            self.over_budget += 1
            return
        path = self._path(datagram, address)
        response = link.ice.renew_consent(datagram, path, now_ns)
        if response is not None:
            self._send(response, path)
        elif not self._check(link, datagram, address, now_ns):
            pair.allowance -= FAILED_CHECK_PRICE - 1

    def _receive_from_stranger(
        self, link: MediaLink, datagram: bytes, address: Address, now_ns: int
    ) -> None:
        failures = self._failures.get(address, 0)
        if failures >= FAILURES_AT_ONCE or not link.may_check():
            self.over_budget += 1
        elif not self._check(link, datagram, address, now_ns) and (
            failures or len(self._failures) < MAX_FAILED_SOURCES
        ):
            self._failures[address] = failures + 1

    def _check(self, link: MediaLink, datagram: bytes, address: Address, now_ns: int) -> bool:
        """Answers an authentic check; says whether it was one."""
        request = parse_binding_request(datagram)
        before = link.ice.selected
        path = self._path(datagram, address)
        outcome = link.ice.check(request, path, now_ns) if request is not None else None
        if outcome is None:
            self.unknown += 1
            return False
        if link.ice.selected != before:
            self._on_route_changed()
        self._send(outcome.response, path)
        if outcome.retired_username is not None:
            self.forget_username(outcome.retired_username)
        for forgotten in outcome.forgotten:
            self._forget_address(forgotten, link)
        if outcome.pair is not None:
            self.reached[address] = link, outcome.pair
            link.ice_validated()
        return True

    def _path(self, datagram: bytes, address: Address) -> Address:
        """Between where a datagram comes from and which of our addresses it came to."""
        local = self._local_address(datagram)
        return Path.between(address, local) if local else address

    def _forget_address(self, address: Address, link: MediaLink) -> None:
        """Forgets where a link was reached, unless another one is reached there by now."""
        owner, _pair = self.reached.get(address, (None, None))
        if owner is link:
            del self.reached[address]
