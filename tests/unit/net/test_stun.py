"""STUN messages: RFC 5769's vectors, and what an answering ICE agent makes of requests."""

from __future__ import annotations

import pytest

from sidecar.net.stun import (
    BindingRequest,
    is_stun,
    parse_binding_request,
    role_conflict,
    success_response,
    unknown_attributes,
)
from tests.unit.net.support import (
    BINDING_ERROR,
    BINDING_REQUEST,
    BINDING_SUCCESS,
    ERROR_CODE,
    FINGERPRINT,
    MESSAGE_INTEGRITY,
    UNKNOWN_ATTRIBUTES,
    USERNAME,
    XOR_MAPPED_ADDRESS,
    StunMessage,
    build_check,
    build_stun,
    check_attributes,
    ice_parameters,
)

RFC_5769_PASSWORD = "VOkJxbRl1RmTxUk/WvJxBt"

RFC_5769_REQUEST = bytes.fromhex(
    "000100582112a442b7e7a701bc34d686fa87dfae"
    "802200105354554e207465737420636c69656e74"
    "002400046e0001ff"
    "80290008932ff9b151263b36"
    "000600096576746a3a68367659202020"
    "000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2"
    "80280004e57a3bcf"
)
"""Section 2.1."""

RFC_5769_IPV4_RESPONSE = bytes.fromhex(
    "0101003c2112a442b7e7a701bc34d686fa87dfae"
    "8022000b7465737420766563746f7220"
    "002000080001a147e112a643"
    "000800142b91f599fd9e90c38c7489f92af9ba53f06be7d7"
    "80280004c07d4c96"
)
"""Section 2.2."""

RFC_5769_IPV6_RESPONSE = bytes.fromhex(
    "010100482112a442b7e7a701bc34d686fa87dfae"
    "8022000b7465737420766563746f7220"
    "002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9"
    "00080014a382954e4be67bf11784c97c8292c275bfe3ed41"
    "80280004c8fb0b4c"
)
"""Section 2.3."""

PARAMETERS = ice_parameters()
PASSWORD = PARAMETERS.password.encode()


def parse(datagram: bytes) -> BindingRequest:
    request = parse_binding_request(datagram)
    assert request is not None
    return request


@pytest.mark.parametrize(
    "vector", [RFC_5769_REQUEST, RFC_5769_IPV4_RESPONSE, RFC_5769_IPV6_RESPONSE]
)
def test_the_reader_of_these_tests_agrees_with_rfc_5769(vector: bytes) -> None:
    message = StunMessage(vector)
    assert message.integrity_holds(RFC_5769_PASSWORD)
    assert not message.integrity_holds(RFC_5769_PASSWORD + "x")
    assert message.fingerprint_holds()


def test_the_sample_request_of_rfc_5769() -> None:
    assert is_stun(RFC_5769_REQUEST)
    request = parse(RFC_5769_REQUEST)
    assert request.local_username_fragment == "evtj"
    assert request.is_authentic(RFC_5769_PASSWORD.encode())
    assert not request.is_authentic(b"another password")
    assert request.has_fingerprint
    assert request.from_controlled
    assert not request.use_candidate
    assert request.unknown_attributes == ()


@pytest.mark.parametrize(
    ("source", "response"),
    [
        (("192.0.2.1", 32853), RFC_5769_IPV4_RESPONSE),
        (("2001:db8:1234:5678:11:2233:4455:6677", 32853), RFC_5769_IPV6_RESPONSE),
    ],
)
def test_the_mapped_address_is_that_of_the_sample_responses(
    source: tuple[str, int], response: bytes
) -> None:
    answer = StunMessage(
        success_response(parse(RFC_5769_REQUEST).transaction_id, source, RFC_5769_PASSWORD.encode())
    )
    expected = StunMessage(response)
    assert answer.kind == expected.kind == BINDING_SUCCESS
    assert answer.transaction_id == expected.transaction_id
    assert answer[XOR_MAPPED_ADDRESS] == expected[XOR_MAPPED_ADDRESS]
    assert answer.integrity_holds(RFC_5769_PASSWORD)
    assert answer.fingerprint_holds()


def test_no_cut_off_request_is_one() -> None:
    for length in range(len(RFC_5769_REQUEST)):
        assert parse_binding_request(RFC_5769_REQUEST[:length]) is None


def test_no_changed_bit_passes() -> None:
    fingerprint_header = range(len(RFC_5769_REQUEST) - 8, len(RFC_5769_REQUEST) - 4)
    for bit in range(len(RFC_5769_REQUEST) * 8):
        if bit // 8 in fingerprint_header:
            continue  # what stands there is protected by nothing, and says nothing
        changed = bytearray(RFC_5769_REQUEST)
        changed[bit // 8] ^= 1 << bit % 8
        request = parse_binding_request(bytes(changed))
        assert request is None or not (
            request.has_fingerprint and request.is_authentic(RFC_5769_PASSWORD.encode())
        )


def test_a_wrong_fingerprint_is_no_request() -> None:
    assert parse_binding_request(RFC_5769_REQUEST[:-1] + b"\xce") is None


def test_a_missing_fingerprint_is_seen() -> None:
    attributes = check_attributes(PARAMETERS)
    datagram = build_stun(
        BINDING_REQUEST, attributes, password=PARAMETERS.password, fingerprint=False
    )
    request = parse(datagram)
    assert request.is_authentic(PASSWORD)
    assert not request.has_fingerprint


def test_a_request_without_integrity_is_not_authentic() -> None:
    assert not parse(build_stun(BINDING_REQUEST, check_attributes(PARAMETERS))).is_authentic(b"")


def test_a_request_without_user_name_is_for_nobody() -> None:
    request = parse(build_stun(BINDING_REQUEST, [], password=PARAMETERS.password))
    assert request.local_username_fragment == ""


def test_the_user_name_is_ours_before_the_colon() -> None:
    for user_name, fragment in ((b"ours:theirs", "ours"), (b"ours", "ours"), (b":theirs", "")):
        assert parse(
            build_stun(BINDING_REQUEST, [(USERNAME, user_name)])
        ).local_username_fragment == (fragment)


def test_nomination_and_role_are_read() -> None:
    request = parse(build_check(PARAMETERS, nominate=True))
    assert request.use_candidate
    assert not request.from_controlled
    request = parse(build_check(PARAMETERS, controlled=True))
    assert not request.use_candidate
    assert request.from_controlled


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(0x0011, id="binding indication"),
        pytest.param(BINDING_SUCCESS, id="binding success"),
        pytest.param(BINDING_ERROR, id="binding error"),
        pytest.param(0x0003, id="TURN allocate request"),
        pytest.param(0x0002, id="shared secret request"),
        pytest.param(0x0FFF, id="unknown method"),
    ],
)
def test_nothing_but_binding_requests_counts(kind: int) -> None:
    assert parse_binding_request(build_stun(kind, [])) is None
    assert parse_binding_request(build_stun(BINDING_REQUEST, [])) is not None


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        pytest.param(USERNAME, b"\xff\xfe", id="user name not UTF-8"),
        pytest.param(0x0024, b"\x01", id="short priority"),
        pytest.param(0x802A, b"\x01", id="short tie-breaker"),
        pytest.param(XOR_MAPPED_ADDRESS, b"", id="empty address"),
        pytest.param(XOR_MAPPED_ADDRESS, b"\x00\x09\x00\x00", id="unknown address family"),
        pytest.param(ERROR_CODE, b"\x00", id="short error code"),
        pytest.param(FINGERPRINT, b"\x00", id="short fingerprint"),
    ],
)
def test_a_malformed_attribute_is_no_request(kind: int, value: bytes) -> None:
    assert parse_binding_request(build_stun(BINDING_REQUEST, [(kind, value)])) is None


def test_a_truncated_integrity_is_not_authentic() -> None:
    datagram = build_stun(BINDING_REQUEST, [(MESSAGE_INTEGRITY, b"\x00\x01")])
    assert not parse(datagram).is_authentic(PASSWORD)


@pytest.mark.parametrize("types", [(0x0002,), (0x07AD, 0x7FFF), (0x0031, 0x0032, 0x0033)])
def test_unknown_attributes_that_must_be_understood_are_answered_with_420(
    types: tuple[int, ...],
) -> None:
    attributes = [
        *check_attributes(PARAMETERS),
        *((kind, b"abcde") for kind in types),
        (0x8055, b"optional"),
    ]
    request = parse(build_stun(BINDING_REQUEST, attributes, password=PARAMETERS.password))
    assert request.unknown_attributes == types

    answer = StunMessage(unknown_attributes(request, PASSWORD))
    assert answer.kind == BINDING_ERROR
    assert answer.transaction_id == bytes(range(12))
    assert answer.error_code == 420
    assert answer[UNKNOWN_ATTRIBUTES] == b"".join(kind.to_bytes(2, "big") for kind in types)
    assert answer.integrity_holds(PARAMETERS.password)
    assert answer.fingerprint_holds()


def test_what_follows_the_integrity_need_not_be_understood() -> None:
    """MESSAGE-INTEGRITY-SHA256 stands there, or what was smuggled in (RFC 8489 section 14.5)."""
    datagram = build_stun(
        BINDING_REQUEST,
        check_attributes(PARAMETERS),
        password=PARAMETERS.password,
        after_integrity=[(0x001C, bytes(32)), (0x7FFF, b"smuggled"), (0x0025, b"")],
    )
    request = parse(datagram)
    assert request.is_authentic(PASSWORD)
    assert request.unknown_attributes == ()
    assert not request.use_candidate


def test_a_role_conflict_is_answered_with_487() -> None:
    answer = StunMessage(role_conflict(parse(build_check(PARAMETERS, controlled=True)), PASSWORD))
    assert answer.kind == BINDING_ERROR
    assert answer.transaction_id == bytes(range(12))
    assert answer.error_code == 487
    assert answer.integrity_holds(PARAMETERS.password)
    assert answer.fingerprint_holds()


def test_stun_is_told_by_its_first_byte_and_cookie() -> None:
    datagram = build_check(PARAMETERS)
    assert is_stun(datagram)
    assert is_stun(datagram[:20])
    assert not is_stun(datagram[:19])
    assert not is_stun(b"")
    for first_byte in range(256):
        assert is_stun(bytes([first_byte]) + datagram[1:]) == (first_byte < 4)
    for position in range(4, 8):
        assert not is_stun(datagram[:position] + b"\x00" + datagram[position + 1 :])
