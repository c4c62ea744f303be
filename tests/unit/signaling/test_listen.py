from __future__ import annotations

import errno
import socket

import pytest

from sidecar.signaling.listen import listen


async def test_all_interfaces_share_a_free_port() -> None:
    sockets = await listen("", 0)
    try:
        ports = {each.getsockname()[1] for each in sockets}
        assert len(ports) == 1
        assert ports != {0}
        assert socket.AF_INET in {each.family for each in sockets}
    finally:
        for each in sockets:
            each.close()


async def test_a_taken_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(OSError) as caught:
            await listen("127.0.0.1", taken.getsockname()[1])
        assert caught.value.errno == errno.EADDRINUSE


async def test_an_address_of_somebody_else() -> None:
    with pytest.raises(OSError) as caught:
        await listen("192.0.2.1", 0)
    assert caught.value.errno == errno.EADDRNOTAVAIL


async def test_nonsense() -> None:
    with pytest.raises(OSError):
        await listen("not an address", 0)


async def test_chooses_again_when_the_port_is_taken_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    attempts = 0
    create_server = socket.create_server

    def taken_the_first_time(
        address: tuple[str, int], *, family: socket.AddressFamily
    ) -> socket.socket:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            raise OSError(errno.EADDRINUSE, "taken")
        return create_server(address, family=family)

    monkeypatch.setattr(socket, "create_server", taken_the_first_time)
    [listener] = await listen("127.0.0.1", 0)
    listener.close()
    assert attempts == 2
