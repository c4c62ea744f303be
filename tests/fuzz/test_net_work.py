"""What one datagram from a stranger may cost: bounded work, and nearly none in a flood."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.net.ice import CHECKS_AT_ONCE
from sidecar.net.stun import addressee
from tests.fuzz.mutations import mutated
from tests.support.work import work_of
from tests.unit.net.support import (
    BINDING_REQUEST,
    build_check,
    build_stun,
    check_attributes,
    ice_parameters,
)
from tests.unit.net.test_checks import Port, forged

MAX_DATAGRAM_BYTES: Final = 1452

STRANGER: Final = 600
"""For whoever is known by nobody, or has used up what it may cost."""

CHECK: Final = (3_000, 20)
"""Of a check that is looked at: in the worst case, and for each byte."""

ANYBODY = ice_parameters("of nobody")


def attribute_bomb(kind: int, user_name: bytes = b"nobody:peer") -> bytes:
    """As many attributes as a datagram has room for."""
    attributes = [(0x0006, user_name), *[(kind, b"")] * 340]
    return build_stun(BINDING_REQUEST, attributes, password="x" * 32)


STRANGERS: Final[dict[str, bytes]] = {
    "junk": bytes(range(256)) * 5,
    "zeros": bytes(MAX_DATAGRAM_BYTES),
    "for nobody": build_check(ANYBODY),
    "optional attributes": attribute_bomb(0x8000),
    "required attributes": attribute_bomb(0x7000),
    "many user names": attribute_bomb(0x0006),
    "dtls": bytes([22, 254, 253]) + bytes(1400),
    "media": bytes([0x80]) + bytes(1400),
}


@pytest.mark.parametrize("datagram", STRANGERS.values(), ids=STRANGERS)
def test_a_stranger_costs_a_look(datagram: bytes) -> None:
    port = Port()
    port.open_link()
    port.receive(datagram)  # what only the first one costs
    assert work_of(lambda: port.receive(datagram)).total < STRANGER


@given(st.binary(max_size=MAX_DATAGRAM_BYTES) | mutated(st.just(build_check(ANYBODY))))
def test_any_stranger_costs_a_look(datagram: bytes) -> None:
    port = Port()
    port.receive(datagram)
    assert work_of(lambda: port.receive(datagram)).total < STRANGER
    addressed = addressee(datagram)
    assert addressed is None or addressed in datagram


@pytest.mark.parametrize("kind", [0x7000, 0x8000, 0x0006, 0x0024], ids=hex)
@pytest.mark.parametrize("is_authentic", [False, True])
def test_a_check_costs_by_its_length(kind: int, is_authentic: bool) -> None:
    port = Port()
    link = port.open_link()
    attributes = [*check_attributes(link.ice_parameters), *[(kind, bytes(4))] * 150]
    password = link.ice_parameters.password if is_authentic else "x" * 32
    datagram = build_stun(BINDING_REQUEST, attributes, password=password)
    port.receive(datagram)
    work = work_of(lambda: port.receive(datagram)).total
    assert work < CHECK[0] + CHECK[1] * len(datagram)


def test_a_flood_of_forged_checks_costs_a_look_each() -> None:
    port = Port()
    link = port.open_link()
    datagram = forged(link.ice_parameters)
    for number in range(2 * CHECKS_AT_ONCE):
        port.receive(datagram, ("198.51.100.9", number))
    for source in (("198.51.100.9", 1), ("198.51.100.9", 50_000)):
        assert work_of(lambda source=source: port.receive(datagram, source)).total < STRANGER  # type: ignore[misc]
