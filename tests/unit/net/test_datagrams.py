from __future__ import annotations

import errno
import random
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import cast

import pytest

from sidecar.net import datagrams as datagrams_module
from sidecar.net.datagrams import MAX_RUN_BYTES, DatagramSender, equal_runs
from sidecar.net.platform import max_segments

ADDRESS = ("192.0.2.1", 1000)
SEGMENTS = 8


class RecordingSocket:
    """A socket that remembers its calls, and refuses what it is told to.

    Attributes:
        calls: The sizes of the datagrams of each call.
        datagrams: What would have arrived.
        run_error: For calls with more than one datagram.
        error: For calls with one.
    """

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.datagrams: list[bytes] = []
        self.run_error: OSError | None = None
        self.error: OSError | None = None

    def sendto(self, datagram: memoryview, address: tuple[str, int]) -> None:
        if self.error is not None:
            raise self.error
        self._record([datagram], address)

    def sendmsg(
        self,
        run: Sequence[memoryview],
        options: Sequence[tuple[int, int, bytes]],
        flags: int,
        address: tuple[str, int],
    ) -> None:
        if self.run_error is not None:
            raise self.run_error
        ((level, _name, size),) = options
        assert (level, flags) == (socket.IPPROTO_UDP, 0)
        sizes = [len(datagram) for datagram in run]
        assert int.from_bytes(size, sys.byteorder) == sizes[0]
        assert set(sizes[:-1]) == {sizes[0]} and sizes[-1] <= sizes[0]
        self._record(run, address)

    def _record(self, run: Sequence[memoryview], address: tuple[str, int]) -> None:
        assert address == ADDRESS
        self.calls.append([len(datagram) for datagram in run])
        self.datagrams += [bytes(datagram) for datagram in run]


def views(*sizes: int) -> list[memoryview]:
    """Datagrams of these sizes, each with bytes of its own."""
    return [memoryview(bytes([index % 256]) * size) for index, size in enumerate(sizes)]


@pytest.fixture
def udp_socket(monkeypatch: pytest.MonkeyPatch) -> RecordingSocket:
    monkeypatch.setattr(datagrams_module, "max_segments", lambda _socket: SEGMENTS)
    return RecordingSocket()


@pytest.fixture
def sender(udp_socket: RecordingSocket) -> DatagramSender:
    return DatagramSender(cast(socket.socket, udp_socket))


def test_a_run_of_one_size_takes_one_call_with_a_shorter_one_at_its_end(
    sender: DatagramSender, udp_socket: RecordingSocket
) -> None:
    sender.send_all(views(1100, 1100, 1100, 400, 1100, 1100, 60, 61, 61), ADDRESS)
    assert udp_socket.calls == [[1100, 1100, 1100, 400], [1100, 1100, 60], [61, 61]]


def test_a_single_datagram_needs_no_option(
    sender: DatagramSender, udp_socket: RecordingSocket
) -> None:
    sender.send_all(views(500), ADDRESS)
    sender.send_all(views(500, 600), ADDRESS)
    assert udp_socket.calls == [[500], [500], [600]]
    sender.send_all([], ADDRESS)
    assert len(udp_socket.calls) == 3


def test_a_run_is_no_longer_than_the_kernel_takes(
    sender: DatagramSender, udp_socket: RecordingSocket
) -> None:
    sender.send_all(views(*[100] * 20), ADDRESS)
    assert [len(call) for call in udp_socket.calls] == [SEGMENTS, SEGMENTS, 4]


def test_a_run_has_no_more_bytes_than_a_datagram() -> None:
    runs = list(equal_runs(views(*[1300] * 64), 64))
    assert max(sum(map(len, run)) for run in runs) <= MAX_RUN_BYTES
    assert len(runs) == 2


@pytest.mark.parametrize("seed", range(20))
def test_order_and_content_are_kept_whatever_the_sizes(
    seed: int, sender: DatagramSender, udp_socket: RecordingSocket
) -> None:
    rng = random.Random(seed)
    datagrams = views(*(rng.choice([60, 1100, 1101, 1102]) for _ in range(50)))
    sender.send_all(datagrams, ADDRESS)
    assert udp_socket.datagrams == [bytes(datagram) for datagram in datagrams]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EIO, errno.EMSGSIZE, errno.ENOPROTOOPT])
def test_a_kernel_that_refuses_gets_datagrams_one_by_one_from_then_on(
    number: int, sender: DatagramSender, udp_socket: RecordingSocket
) -> None:
    udp_socket.run_error = OSError(number, "no")
    sender.send_all(views(100, 100, 100), ADDRESS)
    assert sender.max_segments == 1
    sender.send_all(views(100, 100), ADDRESS)
    assert udp_socket.calls == [[100]] * 5
    assert sender.dropped == 0


def test_what_finds_no_room_is_dropped_and_counted(
    sender: DatagramSender, udp_socket: RecordingSocket
) -> None:
    udp_socket.run_error = udp_socket.error = BlockingIOError(errno.EAGAIN, "full")
    sender.send_all(views(100, 100, 100), ADDRESS)
    sender.send_all(views(100), ADDRESS)
    assert sender.dropped == 4
    assert sender.max_segments == SEGMENTS


@pytest.fixture
def receiver() -> Iterator[socket.socket]:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as udp_socket:
        udp_socket.bind(("127.0.0.1", 0))
        udp_socket.settimeout(5)
        yield udp_socket


def test_what_arrives_is_what_was_sent(receiver: socket.socket) -> None:
    """On Linux by the kernel's own cutting; elsewhere one by one."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as udp_socket:
        sender = DatagramSender(udp_socket)
        assert sender.max_segments == max_segments(udp_socket)
        datagrams = views(1100, 1100, 1100, 700, 80)
        sender.send_all(datagrams, receiver.getsockname())
    assert [receiver.recv(2048) for _ in datagrams] == [bytes(each) for each in datagrams]
    assert sender.dropped == 0
