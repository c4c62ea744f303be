"""Whose connections count together."""

from __future__ import annotations

import pytest

from sidecar.signaling.source import source_of


@pytest.mark.parametrize(
    ("address", "source"),
    [
        (None, ""),
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_source(address: str | None, source: str) -> None:
    assert source_of(address) == source
