"""What is made of the adapters that Windows lists."""

from __future__ import annotations

import ctypes
import socket
from typing import Any

import pytest

from sidecar.net import windows_adapters
from sidecar.net.interfaces import InterfaceAddress
from sidecar.net.mapped import packed_name

UP, DOWN = 1, 2
ETHERNET, PPP = 6, 23
TENTATIVE, DEPRECATED, PREFERRED = 1, 3, 4
RANDOM = 5


class Adapters:
    """A list of adapters in memory, the latest one first."""

    def __init__(self) -> None:
        self._kept: list[Any] = []
        self.first: Any = None

    def add(self, description: str, *unicast: Any, **fields: Any) -> None:
        """Put one before the others."""
        adapter = windows_adapters._Adapter(
            description=description, **{"type": ETHERNET, "oper_status": UP, **fields}
        )
        for each in reversed(unicast):
            each.next, adapter.first_unicast = adapter.first_unicast, ctypes.pointer(each)
        if self.first is not None:
            adapter.next = ctypes.pointer(self.first)
        self._kept.append((adapter, unicast))
        self.first = adapter

    def unicast(self, ip: str, prefix_bits: int, state: int = PREFERRED, suffix: int = 0) -> Any:
        return windows_adapters._Unicast(
            address=self._address(ip),
            prefix_bits=prefix_bits,
            dad_state=state,
            suffix_origin=suffix,
        )

    def gateway(self, ip: str) -> Any:
        gateway = windows_adapters._Gateway(address=self._address(ip))
        self._kept.append(gateway)
        return ctypes.pointer(gateway)

    def _address(self, ip: str) -> Any:
        family = socket.AF_INET6 if ":" in ip else socket.AF_INET
        name = packed_name(family, (ip, 0, 0, 0) if ":" in ip else (ip, 0))
        buffer = ctypes.create_string_buffer(name, len(name))
        self._kept.append(buffer)
        return windows_adapters._SocketAddress(ctypes.addressof(buffer), len(name))


@pytest.fixture
def adapters(monkeypatch: pytest.MonkeyPatch) -> Adapters:
    adapters = Adapters()
    monkeypatch.setattr(
        windows_adapters,
        "_adapters",
        lambda: ctypes.pointer(adapters.first) if adapters.first is not None else None,
    )
    return adapters


def test_what_windows_tells_is_understood(adapters: Adapters) -> None:
    adapters.add("Corporate tunnel", adapters.unicast("10.8.0.2", 32), type=PPP)
    adapters.add("Wi-Fi", adapters.unicast("169.254.3.3", 16), oper_status=DOWN)
    adapters.add(
        "Intel(R) Ethernet",
        adapters.unicast("192.168.1.10", 24),
        adapters.unicast("fd00::10", 64),
        adapters.unicast("fd00::abcd", 64, suffix=RANDOM),
        adapters.unicast("fd00::dead", 64, state=DEPRECATED),
        adapters.unicast("fd00::1234", 64, state=TENTATIVE),
        first_gateway=adapters.gateway("192.168.1.1"),
        ipv4_metric=25,
        ipv6_metric=35,
    )
    card = "Intel(R) Ethernet"
    assert windows_adapters.interface_addresses() == [
        InterfaceAddress(card, "192.168.1.10", 24, metric=25),
        InterfaceAddress(card, "fd00::10", 64),
        InterfaceAddress(card, "fd00::abcd", 64, is_temporary=True),
        InterfaceAddress(card, "fd00::dead", 64, is_deprecated=True),
        InterfaceAddress("Wi-Fi", "169.254.3.3", 16, is_up=False),
        InterfaceAddress("Corporate tunnel", "10.8.0.2", 32, kind="vpn"),
    ]


def test_a_computer_without_adapters_has_no_addresses(adapters: Adapters) -> None:
    assert adapters.first is None
    assert windows_adapters.interface_addresses() == []


class FakeIphlpapi:
    """Answers with errors, the last of them again and again."""

    def __init__(self, *errors: int) -> None:
        self._errors = list(errors)

    def GetAdaptersAddresses(self, *_arguments: Any) -> int:
        return self._errors.pop(0) if len(self._errors) > 1 else self._errors[0]


@pytest.mark.parametrize(
    ("errors", "outcome"),
    [((111, 111, 0), True), ((232,), False), ((111,), None), ((87,), None)],
)
def test_the_list_may_need_more_room(
    errors: tuple[int, ...], outcome: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = FakeIphlpapi(*errors)
    monkeypatch.setattr(ctypes, "WinDLL", lambda _name: library, raising=False)
    if outcome is None:
        with pytest.raises(OSError):
            windows_adapters._adapters()
    else:
        assert (windows_adapters._adapters() is not None) == outcome
