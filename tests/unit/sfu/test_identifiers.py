from __future__ import annotations

import random
import uuid

from sidecar.sfu.identifiers import Identifiers


def drawn(seed: int) -> list[object]:
    identifiers = Identifiers(random.Random(seed))
    return [
        identifiers.unique_id(),
        identifiers.ssrc(),
        identifiers.timestamp(),
        identifiers.cname(),
    ]


def test_same_seed_gives_the_same_and_another_seed_nothing_of_it() -> None:
    assert drawn(1) == drawn(1)
    assert not set(drawn(1)) & set(drawn(2))


def test_unique_ids_are_random_uuids() -> None:
    identifiers = Identifiers(random.Random(1))
    ids = [identifiers.unique_id() for _ in range(100)]
    assert len(set(ids)) == 100
    for each in ids:
        parsed = uuid.UUID(each)
        assert str(parsed) == each
        assert parsed.version == 4
        assert parsed.variant == uuid.RFC_4122


class Extreme:
    """A source of randomness that draws the largest number every time."""

    def getrandbits(self, k: int, /) -> int:
        return (1 << k) - 1

    def randint(self, a: int, b: int) -> int:
        return b


class TestBounds:
    identifiers = Identifiers(Extreme())

    def test_ssrc_leaves_room_for_the_one_of_retransmissions(self) -> None:
        assert self.identifiers.ssrc() + 1 <= 0xFFFFFFFF

    def test_retransmissions_start_in_the_lower_half_so_that_srtp_sees_no_early_wrap(self) -> None:
        assert self.identifiers.rtx_sequence() == 0x7FFF

    def test_sequence_timestamp_and_cname_use_all_their_bits(self) -> None:
        assert self.identifiers.sequence() == 0xFFFF
        assert self.identifiers.timestamp() == 0xFFFFFFFF
        assert self.identifiers.cname() == "f" * 24
