"""ICE-lite: who is answered, where media goes, and when consent ends."""

from __future__ import annotations

import random

import pytest

from sidecar.net.ice import (
    CONSENT_TIMEOUT_NS,
    MAX_VALID_ADDRESSES,
    PASSWORD_LENGTH,
    USERNAME_FRAGMENT_LENGTH,
    Address,
    CheckOutcome,
    IceLite,
    generate_ice_parameters,
)
from sidecar.ortc.parameters import IceParameters
from tests.unit.net.support import (
    BINDING_ERROR,
    BINDING_REQUEST,
    BINDING_SUCCESS,
    ELSEWHERE,
    HOME,
    SECOND_NS,
    UNKNOWN_ATTRIBUTES,
    XOR_MAPPED_ADDRESS,
    StunMessage,
    build_check,
    build_stun,
    check_attributes,
    ice_parameters,
    receive_check,
)

PARAMETERS = ice_parameters()
PRIORITY_VALUE = 110 << 24
LOW, HIGH = PRIORITY_VALUE - 1, PRIORITY_VALUE + 1


def check(
    ice: IceLite,
    source: Address = HOME,
    *,
    nominate: bool = False,
    now_ns: int = 0,
    parameters: IceParameters | None = None,
    priority: int = PRIORITY_VALUE,
) -> CheckOutcome:
    """Has the peer check, and expects success."""
    datagram = build_check(parameters or ice.parameters, nominate=nominate, priority=priority)
    outcome = receive_check(ice, datagram, source, now_ns)
    assert outcome is not None and outcome.validated
    assert StunMessage(outcome.response).kind == BINDING_SUCCESS
    return outcome


def test_credentials_are_long_enough_and_random() -> None:
    parameters = generate_ice_parameters(random.Random(1).choice)
    assert len(parameters.username_fragment) == USERNAME_FRAGMENT_LENGTH >= 4
    assert len(parameters.password) == PASSWORD_LENGTH >= 22
    assert (parameters.username_fragment + parameters.password).isalnum()
    assert parameters.ice_lite is True
    assert parameters != generate_ice_parameters(random.Random(2).choice)


def test_a_check_is_answered_with_where_it_came_from() -> None:
    ice = IceLite(PARAMETERS)
    outcome = check(ice, HOME, now_ns=7)
    answer = StunMessage(outcome.response)
    assert answer[XOR_MAPPED_ADDRESS] == bytes.fromhex("0001 22fa e112a643")
    assert answer.integrity_holds(PARAMETERS.password)
    assert answer.fingerprint_holds()
    assert ice.last_check_ns == 7
    assert ice.valid_addresses == (HOME,)


@pytest.mark.parametrize(
    "datagram",
    [
        pytest.param(
            build_stun(BINDING_REQUEST, check_attributes(PARAMETERS), password="wrong"),
            id="wrong password",
        ),
        pytest.param(
            build_stun(BINDING_REQUEST, check_attributes(PARAMETERS)), id="no message integrity"
        ),
        pytest.param(
            build_stun(
                BINDING_REQUEST,
                check_attributes(PARAMETERS),
                password=PARAMETERS.password,
                fingerprint=False,
            ),
            id="no fingerprint",
        ),
        pytest.param(
            build_stun(
                BINDING_REQUEST,
                check_attributes(ice_parameters("of somebody else")),
                password=PARAMETERS.password,
            ),
            id="wrong user name",
        ),
        pytest.param(
            build_stun(BINDING_REQUEST, [], password=PARAMETERS.password), id="no user name"
        ),
        pytest.param(
            build_stun(
                BINDING_REQUEST,
                [*check_attributes(PARAMETERS, controlled=True), (0x7FFF, b"")],
                password="wrong",
            ),
            id="unknown attribute and role conflict, but a wrong password",
        ),
    ],
)
def test_a_check_that_is_not_authentic_gets_no_answer_and_changes_nothing(datagram: bytes) -> None:
    ice = IceLite(PARAMETERS)
    assert receive_check(ice, datagram) is None
    assert ice.selected is None
    assert ice.valid_addresses == ()
    assert ice.last_check_ns is None


def test_a_role_conflict_is_refused_and_validates_nothing() -> None:
    ice = IceLite(PARAMETERS)
    outcome = receive_check(ice, build_check(PARAMETERS, nominate=True, controlled=True))
    assert outcome is not None and not outcome.validated
    answer = StunMessage(outcome.response)
    assert (answer.kind, answer.error_code) == (BINDING_ERROR, 487)
    assert ice.selected is None
    assert ice.valid_addresses == ()
    assert ice.last_check_ns is None


def test_an_unknown_attribute_is_refused_and_validates_nothing() -> None:
    ice = IceLite(PARAMETERS)
    attributes = [*check_attributes(PARAMETERS, nominate=True), (0x7FFE, b"?")]
    outcome = receive_check(
        ice, build_stun(BINDING_REQUEST, attributes, password=PARAMETERS.password)
    )
    assert outcome is not None and not outcome.validated
    answer = StunMessage(outcome.response)
    assert (answer.kind, answer.error_code) == (BINDING_ERROR, 420)
    assert answer[UNKNOWN_ATTRIBUTES] == b"\x7f\xfe"
    assert ice.selected is None
    assert ice.valid_addresses == ()


def test_the_first_valid_address_is_used_until_one_is_nominated() -> None:
    ice = IceLite(PARAMETERS)
    check(ice, HOME)
    assert ice.selected == HOME
    check(ice, ELSEWHERE)
    assert ice.selected == HOME
    check(ice, ELSEWHERE, nominate=True)
    assert ice.selected == ELSEWHERE


def test_media_follows_a_newly_nominated_pair_and_no_other() -> None:
    ice = IceLite(PARAMETERS)
    check(ice, HOME, nominate=True)
    check(ice, ELSEWHERE)
    assert ice.selected == HOME
    check(ice, ELSEWHERE, nominate=True)
    assert ice.selected == ELSEWHERE
    check(ice, HOME)
    assert ice.selected == ELSEWHERE
    check(ice, HOME, nominate=True)
    assert ice.selected == HOME


def test_consent_lasts_thirty_seconds() -> None:
    ice = IceLite(PARAMETERS)
    started_ns = 1000 * SECOND_NS
    check(ice, now_ns=started_ns)
    assert not ice.has_expired(started_ns + 29_900_000_000)
    assert not ice.has_expired(started_ns + CONSENT_TIMEOUT_NS)
    assert ice.has_expired(started_ns + 30_100_000_000)


def test_every_check_renews_consent() -> None:
    ice = IceLite(PARAMETERS)
    check(ice)
    check(ice, ELSEWHERE, now_ns=29 * SECOND_NS)
    assert not ice.has_expired(58 * SECOND_NS)
    assert ice.has_expired(60 * SECOND_NS)


def test_a_refused_check_does_not_renew_consent() -> None:
    ice = IceLite(PARAMETERS)
    check(ice)
    receive_check(ice, build_check(PARAMETERS, controlled=True), now_ns=29 * SECOND_NS)
    assert ice.has_expired(31 * SECOND_NS)


def test_consent_does_not_expire_before_the_first_check() -> None:
    assert not IceLite(PARAMETERS).has_expired(1 << 62)


def test_old_credentials_are_good_until_the_first_check_with_new_ones() -> None:
    ice = IceLite(PARAMETERS)
    check(ice, nominate=True)
    renewed = ice_parameters("renewed")
    assert ice.restart(renewed) is None
    assert ice.parameters == renewed
    assert list(ice.username_fragments) == [
        renewed.username_fragment,
        PARAMETERS.username_fragment,
    ]
    assert ice.selected == HOME

    outcome = check(ice, parameters=PARAMETERS, now_ns=5)
    assert outcome.retired_username is None
    assert ice.last_check_ns == 5

    outcome = check(ice, ELSEWHERE, parameters=renewed, nominate=True)
    assert outcome.retired_username == PARAMETERS.username_fragment
    assert list(ice.username_fragments) == [renewed.username_fragment]
    assert ice.selected == ELSEWHERE

    assert receive_check(ice, build_check(PARAMETERS, nominate=True)) is None
    assert ice.selected == ELSEWHERE
    assert check(ice, parameters=renewed).retired_username is None


def test_a_refused_check_with_new_credentials_does_not_end_the_old_ones() -> None:
    ice = IceLite(PARAMETERS)
    renewed = ice_parameters("renewed")
    ice.restart(renewed)
    receive_check(ice, build_check(renewed, controlled=True))
    check(ice, parameters=PARAMETERS)


def test_old_and_new_credentials_do_not_mix() -> None:
    ice = IceLite(PARAMETERS)
    renewed = ice_parameters("renewed")
    ice.restart(renewed)
    for user, password in ((PARAMETERS, renewed.password), (renewed, PARAMETERS.password)):
        datagram = build_stun(BINDING_REQUEST, check_attributes(user), password=password)
        assert receive_check(ice, datagram) is None


def test_a_second_restart_voids_the_oldest_credentials_at_once() -> None:
    ice = IceLite(PARAMETERS)
    second, third = ice_parameters("2"), ice_parameters("3")
    ice.restart(second)
    assert ice.restart(third) == PARAMETERS.username_fragment
    assert list(ice.username_fragments) == [third.username_fragment, second.username_fragment]
    assert receive_check(ice, build_check(PARAMETERS)) is None
    check(ice, parameters=second)
    assert check(ice, parameters=third).retired_username == second.username_fragment


def test_a_restart_after_a_finished_one_voids_nothing_at_once() -> None:
    ice = IceLite(PARAMETERS)
    ice.restart(ice_parameters("2"))
    check(ice)
    assert ice.restart(ice_parameters("3")) is None


def test_the_address_checked_longest_ago_is_forgotten_first() -> None:
    ice = IceLite(PARAMETERS)
    addresses: list[Address] = [("192.0.2.9", port) for port in range(MAX_VALID_ADDRESSES + 1)]
    for address in addresses[:-1]:
        assert check(ice, address).forgotten == []
    check(ice, addresses[1])  # so that it is not the oldest any more
    assert check(ice, addresses[-1]).forgotten == [addresses[2]]
    assert len(ice.valid_addresses) == MAX_VALID_ADDRESSES


def test_the_selected_address_is_never_forgotten() -> None:
    ice = IceLite(PARAMETERS)
    check(ice, HOME, nominate=True)
    forgotten = [
        each
        for port in range(3 * MAX_VALID_ADDRESSES)
        for each in check(ice, ("192.0.2.9", port)).forgotten
    ]
    assert ice.selected == HOME
    assert HOME in ice.valid_addresses
    assert HOME not in forgotten
    assert len(ice.valid_addresses) == MAX_VALID_ADDRESSES
    assert len(forgotten) == 2 * MAX_VALID_ADDRESSES + 1


def seconds(ice: IceLite, first: int, last: int, *checks: tuple[Address, bool]) -> list[Address]:
    """Has addresses check once a second, nominated or not; says where media went each second."""
    selected = []
    for second in range(first, last):
        now_ns = second * SECOND_NS
        for address, nominate in checks:
            check(ice, address, nominate=nominate, now_ns=now_ns)
        ice.reconsider(now_ns)
        assert ice.selected is not None
        selected.append(ice.selected)
    return selected


def hear(ice: IceLite, address: Address, now_ns: int) -> None:
    """Has an authentic packet arrive."""
    next(pair for pair in ice.pairs if pair.address == address).heard_ns = now_ns


def test_media_comes_back_from_an_address_that_falls_silent() -> None:
    """Consent is the selected address's: checks of another one do not renew it."""
    ice = IceLite(PARAMETERS)
    check(ice, HOME, nominate=True)
    check(ice, ELSEWHERE, nominate=True)
    went = seconds(ice, 1, 12, (HOME, False))
    assert went == [ELSEWHERE] * 8 + [HOME] * 3


def test_consent_lasts_while_any_address_is_checked() -> None:
    ice = IceLite(PARAMETERS)
    check(ice, HOME, nominate=True)
    seconds(ice, 1, 100, (HOME, False))
    assert not ice.has_expired(129 * SECOND_NS)
    assert ice.has_expired(131 * SECOND_NS)


def test_an_address_that_is_silent_keeps_media_if_no_other_one_is_heard() -> None:
    ice = IceLite(PARAMETERS)
    check(ice, ELSEWHERE)
    check(ice, HOME, nominate=True, now_ns=1)
    assert seconds(ice, 1, 30) == [HOME] * 29


def test_an_address_that_sends_packets_is_not_silent() -> None:
    ice = IceLite(PARAMETERS)
    check(ice, HOME, nominate=True)
    for second in range(1, 20):
        hear(ice, HOME, second * SECOND_NS)
        assert seconds(ice, second, second + 1, (ELSEWHERE, False)) == [HOME]


def test_a_lower_nomination_does_not_take_the_place_of_a_better_pair_that_is_alive() -> None:
    ice = IceLite(PARAMETERS)
    for second in range(20):
        now_ns = second * SECOND_NS
        check(ice, HOME, nominate=True, now_ns=now_ns, priority=HIGH)
        check(ice, ELSEWHERE, nominate=True, now_ns=now_ns, priority=LOW)
        ice.reconsider(now_ns)
        assert ice.selected == HOME


def test_a_better_pair_that_is_only_checked_is_alive_between_two_checks() -> None:
    """Chromium checks the pair that it uses every 2.5 s."""
    ice = IceLite(PARAMETERS)
    check(ice, HOME, nominate=True, priority=HIGH)
    check(ice, ELSEWHERE, nominate=True, now_ns=5 * SECOND_NS // 2, priority=LOW)
    ice.reconsider(5 * SECOND_NS // 2)
    assert ice.selected == HOME


def test_a_higher_nomination_is_followed_at_once_and_an_equal_one_as_well() -> None:
    ice = IceLite(PARAMETERS)
    check(ice, HOME, nominate=True, priority=LOW)
    check(ice, ELSEWHERE, nominate=True, priority=LOW)
    assert ice.selected == ELSEWHERE
    check(ice, HOME, nominate=True, priority=HIGH)
    assert ice.selected == HOME


def test_a_pulled_cable_is_followed_at_once_where_packets_flowed() -> None:
    ice = IceLite(PARAMETERS)
    check(ice, HOME, nominate=True, priority=HIGH)
    hear(ice, HOME, SECOND_NS)
    check(ice, ELSEWHERE, nominate=True, now_ns=26 * SECOND_NS // 10, priority=LOW)
    assert ice.selected == ELSEWHERE


def test_a_lower_nomination_is_followed_when_the_better_pair_has_died() -> None:
    ice = IceLite(PARAMETERS)
    check(ice, HOME, nominate=True, priority=HIGH)
    hear(ice, HOME, SECOND_NS)
    check(ice, ELSEWHERE, nominate=True, now_ns=2 * SECOND_NS, priority=LOW)
    assert ice.selected == HOME
    ice.reconsider(2 * SECOND_NS)
    assert ice.selected == HOME
    ice.reconsider(3 * SECOND_NS)
    assert ice.selected == ELSEWHERE


def test_a_better_pair_that_is_nominated_again_has_not_been_left() -> None:
    ice = IceLite(PARAMETERS)
    check(ice, HOME, nominate=True, priority=HIGH)
    check(ice, ELSEWHERE, nominate=True, now_ns=SECOND_NS, priority=LOW)
    again = build_check(PARAMETERS, nominate=True, priority=HIGH)
    assert ice.renew_consent(again, HOME, 2 * SECOND_NS) is not None
    ice.reconsider(20 * SECOND_NS)
    assert ice.selected == HOME


def test_what_was_merely_first_gives_way_to_any_nomination() -> None:
    ice = IceLite(PARAMETERS)
    check(ice, HOME, priority=HIGH)
    check(ice, ELSEWHERE, nominate=True, priority=LOW)
    assert ice.selected == ELSEWHERE


def test_after_a_restart_what_was_nominated_before_does_not_count() -> None:
    ice = IceLite(PARAMETERS)
    check(ice, HOME, nominate=True, priority=HIGH)
    renewed = ice_parameters("renewed")
    ice.restart(renewed)
    check(ice, ELSEWHERE, parameters=renewed, nominate=True, priority=LOW)
    assert ice.selected == ELSEWHERE


def test_an_address_that_only_nominates_loses_media_to_one_that_talks() -> None:
    """Its checks may be forged, to have media sent to somebody who does not want it."""
    ice = IceLite(PARAMETERS)
    check(ice, HOME, nominate=True)
    went = []
    for second in range(1, 60):
        hear(ice, HOME, second * SECOND_NS)
        went += seconds(ice, second, second + 1, (HOME, False), (ELSEWHERE, True))
    assert went == [ELSEWHERE] * 9 + [HOME] * 50


def test_an_address_that_lost_its_place_gets_it_back_with_its_first_packet() -> None:
    ice = IceLite(PARAMETERS)
    check(ice, HOME, nominate=True)
    for second in range(1, 20):
        hear(ice, HOME, second * SECOND_NS)
        seconds(ice, second, second + 1, (HOME, False), (ELSEWHERE, True))
    assert ice.selected == HOME
    hear(ice, ELSEWHERE, 20 * SECOND_NS)
    check(ice, ELSEWHERE, nominate=True, now_ns=20 * SECOND_NS)
    assert ice.selected == ELSEWHERE


def test_a_peer_that_only_receives_checks_keeps_its_new_address() -> None:
    """Nothing is produced yet, so that nothing is heard: the checks are all there is."""
    ice = IceLite(PARAMETERS)
    check(ice, HOME, nominate=True)
    assert seconds(ice, 1, 30, (HOME, False), (ELSEWHERE, True)) == [ELSEWHERE] * 29


def test_an_address_that_is_to_be_followed_later_is_not_forgotten() -> None:
    ice = IceLite(PARAMETERS)
    check(ice, HOME, nominate=True, priority=HIGH)
    check(ice, ELSEWHERE, nominate=True, priority=LOW)
    for port in range(2 * MAX_VALID_ADDRESSES):
        check(ice, ("192.0.2.9", port))
    ice.reconsider(5 * SECOND_NS)
    assert ice.selected == ELSEWHERE


def test_granted_time_keeps_the_order_of_what_was_heard() -> None:
    ice = IceLite(PARAMETERS)
    check(ice, ELSEWHERE)
    check(ice, HOME, nominate=True, now_ns=SECOND_NS)
    hear(ice, HOME, 2 * SECOND_NS)
    ice.grant_time(100 * SECOND_NS)
    assert ice.last_check_ns == ice.last_heard_ns == 100 * SECOND_NS
    ice.reconsider(105 * SECOND_NS)
    assert ice.selected == HOME


def test_time_is_not_granted_to_who_has_never_come() -> None:
    ice = IceLite(PARAMETERS)
    ice.grant_time(SECOND_NS)
    assert ice.last_check_ns is None
    assert ice.last_heard_ns is None
