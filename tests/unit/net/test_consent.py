"""The same check again: recognised and answered as if it had been parsed, and nothing else is."""

from __future__ import annotations

import pytest

from sidecar.net.consent import Consent
from sidecar.net.ice import Address, IceLite
from sidecar.net.stun import parse_binding_request
from tests.unit.net.support import (
    BINDING_REQUEST,
    BINDING_SUCCESS,
    ELSEWHERE,
    HOME,
    SECOND_NS,
    StunMessage,
    build_check,
    build_stun,
    check_attributes,
    ice_parameters,
    receive_check,
)

PARAMETERS = ice_parameters()


def checked(ice: IceLite, datagram: bytes, source: Address = HOME) -> bytes | None:
    """Has a check looked at the long way, and returns the answer."""
    outcome = receive_check(ice, datagram, source)
    return outcome.response if outcome is not None else None


@pytest.fixture
def ice() -> IceLite:
    """One that has been checked from home."""
    ice = IceLite(PARAMETERS)
    assert checked(ice, build_check(PARAMETERS, nominate=True)) is not None
    return ice


def test_the_same_check_again_is_answered_as_the_first_one_was(ice: IceLite) -> None:
    for second in range(1, 4):
        again = build_check(PARAMETERS, nominate=True)
        answer = ice.renew_consent(again, HOME, second * SECOND_NS)
        assert answer is not None
        assert answer == checked(IceLite(PARAMETERS), again)
        assert StunMessage(answer).kind == BINDING_SUCCESS
        assert StunMessage(answer).transaction_id == StunMessage(again).transaction_id
        assert ice.last_check_ns == second * SECOND_NS


def test_an_address_of_the_other_family_is_answered_as_well() -> None:
    ice, source = IceLite(PARAMETERS), ("2001:db8::1", 1000)
    checked(ice, build_check(PARAMETERS), source)
    again = build_check(PARAMETERS)
    assert ice.renew_consent(again, source, 1) == checked(IceLite(PARAMETERS), again, source)


def test_a_byte_that_differs_makes_it_another_check(ice: IceLite) -> None:
    again = build_check(PARAMETERS, nominate=True)
    for position in range(len(again)):
        altered = bytearray(again)
        altered[position] ^= 1
        assert ice.renew_consent(bytes(altered), HOME, SECOND_NS) is None
    for other in (b"", again[:-4], again + bytes(4), again[:28]):
        assert ice.renew_consent(other, HOME, SECOND_NS) is None
    assert ice.last_check_ns == 0


def test_right_seals_do_not_make_another_check_the_same(ice: IceLite) -> None:
    """A nomination, a role or another user has to be looked at."""
    others = [
        build_check(PARAMETERS),
        build_check(PARAMETERS, nominate=True, controlled=True),
        build_check(ice_parameters("of somebody else"), nominate=True),
        build_stun(BINDING_REQUEST, check_attributes(PARAMETERS, nominate=True), password="wrong"),
    ]
    for other in others:
        assert ice.renew_consent(other, HOME, SECOND_NS) is None


@pytest.mark.parametrize("elsewhere", [ELSEWHERE, (HOME[0], 1001)])
def test_from_elsewhere_it_is_another_check(ice: IceLite, elsewhere: Address) -> None:
    again = build_check(PARAMETERS, nominate=True)
    assert ice.renew_consent(again, elsewhere, SECOND_NS) is None
    checked(ice, again, elsewhere)
    assert ice.renew_consent(again, elsewhere, SECOND_NS) is not None
    assert ice.renew_consent(again, HOME, SECOND_NS) is None


def test_an_address_that_is_not_selected_has_nothing_to_renew(ice: IceLite) -> None:
    checked(ice, build_check(PARAMETERS), ELSEWHERE)
    assert ice.renew_consent(build_check(PARAMETERS), ELSEWHERE, SECOND_NS) is None
    assert ice.renew_consent(build_check(PARAMETERS, nominate=True), HOME, SECOND_NS) is not None


def test_nothing_is_known_before_the_first_check() -> None:
    ice = IceLite(PARAMETERS)
    assert ice.renew_consent(build_check(PARAMETERS), HOME, 0) is None
    assert ice.last_check_ns is None


def test_old_credentials_end_with_the_first_check_that_has_the_new_ones(ice: IceLite) -> None:
    old, new = build_check(PARAMETERS, nominate=True), ice_parameters("anew")
    ice.restart(new)
    assert ice.renew_consent(old, HOME, 1) is None  # it may be of an earlier restart
    assert checked(ice, old) is not None
    assert ice.renew_consent(old, HOME, 2) is not None
    checked(ice, build_check(new), ELSEWHERE)
    assert ice.renew_consent(old, HOME, 3) is None
    assert checked(ice, old) is None


def test_a_check_with_something_between_its_seals_is_not_remembered() -> None:
    usual = build_check(PARAMETERS)
    request = parse_binding_request(usual)
    assert request is not None
    assert Consent.of(request, HOME, b"") is not None
    for datagram in (usual[:-8] + bytes(8), usual[:-32] + bytes(4) + usual[-28:]):
        request.datagram = datagram
        assert Consent.of(request, HOME, b"") is None
