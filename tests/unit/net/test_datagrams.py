from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import cast

import pytest

from sidecar.net import datagrams as datagrams_module
from sidecar.net.datagrams import (
    MAX_REFUSED_DESTINATIONS,
    REFUSALS_KEPT_NS,
    DatagramReceiver,
    DatagramSender,
)
from sidecar.net.limits import MAX_RECEIVED_BYTES, RECEIVED_AT_ONCE
from sidecar.net.platform import max_segments

ADDRESS = ("192.0.2.1", 1000)
OTHER = ("192.0.2.1", 1001)
SECOND_NS = 1_000_000_000
SEGMENTS = 64


class RecordingSocket:
    """A socket that remembers its calls, and refuses what it is told to.

    Attributes:
        calls: The sizes of the datagrams of each call.
        datagrams: What would have arrived.
        run_error: For calls with more than one datagram.
        error: For calls with one.
        refused: The same as ``run_error`` for some addresses: error numbers.
        refusals: How often that happened.
        family: Of its addresses.
    """

    family = socket.AF_INET

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.datagrams: list[bytes] = []
        self.run_error: OSError | None = None
        self.error: OSError | None = None
        self.refused: dict[tuple[str, int], int] = {}
        self.refusals = 0

    def sendto(self, datagram: memoryview, address: tuple[str, int]) -> None:
        if self.error is not None:
            raise self.error
        self._record([datagram], address)

    def sendmsg(
        self,
        buffers: Sequence[memoryview],
        options: Sequence[tuple[int, int, bytes]],
        flags: int,
        address: tuple[str, int],
    ) -> None:
        if self.run_error is not None:
            raise self.run_error
        if address in self.refused:
            self.refusals += 1
            raise OSError(self.refused[address], "refused")
        ((level, _name, size),) = options
        assert (level, flags) == (socket.IPPROTO_UDP, 0)
        data = b"".join(buffers)
        step = int.from_bytes(size, sys.byteorder)
        self._record([memoryview(data[i : i + step]) for i in range(0, len(data), step)], address)

    def _record(self, run: Sequence[memoryview], address: tuple[str, int]) -> None:
        assert address == ADDRESS or address == OTHER or address[0] == "192.0.2.2"
        self.calls.append([len(datagram) for datagram in run])
        self.datagrams += [bytes(datagram) for datagram in run]


def run(*sizes: int) -> list[memoryview]:
    """Datagrams of these sizes, each with bytes of its own."""
    return [memoryview(bytes([index % 256]) * size) for index, size in enumerate(sizes)]


@pytest.fixture
def udp_socket(monkeypatch: pytest.MonkeyPatch) -> RecordingSocket:
    monkeypatch.setattr(datagrams_module, "max_segments", lambda _socket: SEGMENTS)
    return RecordingSocket()


@pytest.fixture
def sender(udp_socket: RecordingSocket) -> DatagramSender:
    return DatagramSender(cast(socket.socket, udp_socket))


def test_a_run_takes_one_call(sender: DatagramSender, udp_socket: RecordingSocket) -> None:
    runs = [run(1100, 1100, 400), run(60, 60)]
    for some in runs:
        sender.send_run(some, ADDRESS)
    assert udp_socket.calls == [[1100, 1100, 400], [60, 60]]
    assert udp_socket.datagrams == [bytes(each) for some in runs for each in some]


def test_a_single_datagram_needs_no_option(
    sender: DatagramSender, udp_socket: RecordingSocket
) -> None:
    udp_socket.run_error = AssertionError("one by one")  # type: ignore[assignment]
    sender.send_run(run(500), ADDRESS)
    sender.send_run(run(600), ADDRESS)
    assert udp_socket.calls == [[500], [600]]


def test_a_refused_single_datagram_says_nothing_about_runs(
    sender: DatagramSender, udp_socket: RecordingSocket
) -> None:
    udp_socket.error = OSError(errno.EMSGSIZE, "too long")
    sender.send_run(run(9000), ADDRESS)
    assert (sender.dropped, sender.max_segments) == (1, SEGMENTS)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EIO, errno.EMSGSIZE])
def test_a_refusal_for_one_destination_leaves_the_others_alone(
    number: int, sender: DatagramSender, udp_socket: RecordingSocket
) -> None:
    """Whoever is behind a tunnel gets datagrams one by one from then on."""
    udp_socket.refused = {ADDRESS: number}
    sender.send_run(run(100, 100, 100), ADDRESS)
    sender.send_run(run(100, 100), ADDRESS)
    assert udp_socket.calls == [[100]] * 5
    assert udp_socket.refusals == 1
    sender.send_run(run(100, 100), OTHER)
    assert udp_socket.calls[5:] == [[100, 100]]
    assert (sender.dropped, sender.max_segments) == (0, SEGMENTS)


def test_a_destination_that_refused_is_tried_again_after_a_minute(
    sender: DatagramSender, udp_socket: RecordingSocket
) -> None:
    udp_socket.refused = {ADDRESS: errno.EMSGSIZE}
    sender.forget_refusals(0)
    sender.send_run(run(100, 100), ADDRESS)
    udp_socket.refused = {}
    for second in range(1, 61):
        sender.forget_refusals(second * SECOND_NS)
    sender.send_run(run(100, 100), ADDRESS)
    sender.forget_refusals(61 * SECOND_NS)
    sender.send_run(run(100, 100), ADDRESS)
    assert udp_socket.calls == [[100]] * 4 + [[100, 100]]


def test_if_too_many_destinations_refuse_nobody_is_tried_for_a_minute(
    sender: DatagramSender, udp_socket: RecordingSocket
) -> None:
    addresses = [("192.0.2.2", port) for port in range(MAX_REFUSED_DESTINATIONS + 1)]
    udp_socket.refused = dict.fromkeys(addresses, errno.EIO)
    for address in addresses[:-1]:
        sender.send_run(run(100, 100), address)
    assert sender.max_segments == SEGMENTS
    sender.send_run(run(100, 100), addresses[-1])
    assert sender.max_segments == 1
    sender.send_run(run(100, 100), OTHER)
    assert [100, 100] not in udp_socket.calls
    sender.forget_refusals(0)
    sender.forget_refusals(REFUSALS_KEPT_NS)
    assert sender.max_segments == SEGMENTS
    assert sender.dropped == 0


@pytest.mark.parametrize("number", [errno.ENOPROTOOPT, errno.EOPNOTSUPP])
def test_a_kernel_that_cannot_at_all_is_not_asked_again(
    number: int, sender: DatagramSender, udp_socket: RecordingSocket
) -> None:
    udp_socket.run_error = OSError(number, "no")
    sender.send_run(run(100, 100, 100), ADDRESS)
    assert sender.max_segments == 1
    sender.send_run(run(100, 100), OTHER)
    assert udp_socket.calls == [[100]] * 5
    sender.forget_refusals(0)
    sender.forget_refusals(2 * REFUSALS_KEPT_NS)
    assert sender.max_segments == 1


def test_a_destination_to_which_nothing_can_be_sent_has_not_refused_a_run(
    sender: DatagramSender, udp_socket: RecordingSocket
) -> None:
    udp_socket.refused = {ADDRESS: errno.EMSGSIZE}
    udp_socket.error = OSError(errno.EMSGSIZE, "no")
    for _ in range(2):
        sender.send_run(run(9000, 9000), ADDRESS)
    assert udp_socket.refusals == 2
    assert sender.dropped == 4


def test_what_finds_no_room_is_dropped_and_counted(
    sender: DatagramSender, udp_socket: RecordingSocket
) -> None:
    udp_socket.run_error = udp_socket.error = BlockingIOError(errno.EAGAIN, "full")
    sender.send_run(run(100, 100, 100), ADDRESS)
    sender.send_run(run(100), ADDRESS)
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
        runs = [run(1100, 1100, 1100, 700), run(80, 80), run(81)]
        for some in runs:
            sender.send_run(some, receiver.getsockname())
    sent = [bytes(each) for some in runs for each in some]
    assert [receiver.recv(2048) for _ in sent] == sent
    assert sender.dropped == 0


class Inbox:
    """A socket in which datagrams wait.

    Attributes:
        waiting: What the next calls of ``recvfrom`` return, or raise.
        family: Of its addresses.
    """

    family = socket.AF_INET

    def __init__(self, *waiting: bytes | OSError) -> None:
        self.waiting = list(waiting)

    def recvfrom(self, size: int) -> tuple[bytes, tuple[str, int]]:
        assert size == MAX_RECEIVED_BYTES
        if not self.waiting:
            raise BlockingIOError
        datagram = self.waiting.pop(0)
        if isinstance(datagram, OSError):
            raise datagram
        return datagram, ADDRESS


def datagram_receiver(inbox: Inbox) -> DatagramReceiver:
    return DatagramReceiver(cast(socket.socket, inbox))


def test_what_waits_is_taken_with_its_sender_until_there_is_nothing_more() -> None:
    receiver = datagram_receiver(Inbox(b"first", b"", b"third"))
    assert receiver.receive() == [(b"first", ADDRESS), (b"", ADDRESS), (b"third", ADDRESS)]
    assert receiver.receive() == []


def test_an_error_of_an_earlier_datagram_does_not_hold_up_the_next_one() -> None:
    """Windows reports them where the next datagram is asked for."""
    errors = [ConnectionResetError(errno.ECONNRESET, "reset"), OSError(errno.EMSGSIZE, "size")]
    assert datagram_receiver(Inbox(*errors, b"next")).receive() == [(b"next", ADDRESS)]


def test_no_more_is_taken_at_once_than_a_port_wants_to_look_at() -> None:
    inbox = Inbox(*[b"datagram"] * (RECEIVED_AT_ONCE + 1))
    receiver = datagram_receiver(inbox)
    assert len(receiver.receive()) == RECEIVED_AT_ONCE
    assert len(receiver.receive()) == 1


def test_a_socket_that_only_fails_holds_nobody_up() -> None:
    inbox = Inbox(*[OSError(errno.EBADF, "bad")] * (2 * RECEIVED_AT_ONCE))
    assert datagram_receiver(inbox).receive() == []
    assert len(inbox.waiting) == RECEIVED_AT_ONCE
