"""The simulated link itself: what the other simulations rely on."""

from __future__ import annotations

from tests.sim.link import MS, Link, S


def pass_through(link: Link[int], items: int = 1000) -> list[int]:
    for item in range(items):
        link.send(item, item * MS)
    return link.receive(100 * S)


def test_good_link_delivers_in_order_after_its_delay() -> None:
    link: Link[int] = Link(1, delay_ns=20 * MS)
    link.send(1, 0)
    assert link.next_timeout_ns == 20 * MS
    assert link.receive(20 * MS - 1) == []
    assert link.receive(20 * MS) == [1]
    assert link.next_timeout_ns is None
    assert pass_through(link) == list(range(1000))


def test_same_seed_is_the_same_network() -> None:
    first, same, other = (
        pass_through(Link(seed, loss=0.1, reorder=0.1, duplicate=0.1)) for seed in (5, 5, 6)
    )
    assert first == same != other


def test_each_fault_does_what_it_says() -> None:
    lossy: Link[int] = Link(1, loss=0.1)
    delivered = pass_through(lossy)
    assert len(delivered) == 1000 - lossy.lost
    assert 50 < lossy.lost < 150
    assert 1050 < len(pass_through(Link(1, duplicate=0.1))) < 1150
    for disordered in (Link[int](1, reorder=0.1), Link[int](1, jitter_ns=10 * MS)):
        delivered = pass_through(disordered)
        assert delivered != sorted(delivered) == list(range(1000))
