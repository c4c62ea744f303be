"""Several datagrams by one system call, over real sockets."""

from __future__ import annotations

import socket
import sys
from array import array
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from sidecar.net import platform
from sidecar.net.ancillary import AncillaryReceiver
from sidecar.net.datagrams import DatagramReceiver, DatagramSender
from sidecar.net.ice import Address, Path
from sidecar.net.limits import MAX_RECEIVED_BYTES, RECEIVED_AT_ONCE
from sidecar.net.linux import MessageReceiver
from sidecar.net.media_socket import open_media_socket
from sidecar.net.packet_info import LINUX
from sidecar.net.packet_memory import Image, PacketMemory
from sidecar.net.platform import message_receiver, message_table, overflowed_datagrams
from sidecar.sfu.batch import Packets

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="these calls are Linux's")

TAG_BYTES = 16
FAMILIES = {"IPv4": (socket.AF_INET, "127.0.0.1"), "IPv6": (socket.AF_INET6, "::1")}


class Scene:
    """A memory, a socket to send by, and three for copies to be received by."""

    def __init__(self, stack: ExitStack, family: int, host: str) -> None:
        def bound() -> socket.socket:
            udp_socket = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
            udp_socket.bind((host, 0))
            udp_socket.settimeout(5)
            return udp_socket

        self.memory = PacketMemory()
        self.receivers = [bound() for _ in range(3)]
        self.sender = bound()
        self.sender.setblocking(False)
        table = message_table(self.sender, self.memory)
        assert table is not None
        self.table = table
        self.names = table.names([each.getsockname() for each in self.receivers])

    def load(self, *sizes: int) -> Image:
        """Puts packets into the memory that differ from copy to copy."""
        packets = Packets([bytes([index + 1]) * size for index, size in enumerate(sizes)])
        (image,) = self.memory.prepare(packets, TAG_BYTES).images
        self.memory.load(image, 3)
        for copy in range(3):
            for datagram in self.memory.datagrams(image, copy):
                datagram[-TAG_BYTES:] = bytes([copy]) * TAG_BYTES  # as if protected
        return image

    def datagrams(self, image: Image, copy: int) -> list[bytes]:
        """What is to be received of a copy."""
        return [bytes(datagram) for datagram in self.memory.datagrams(image, copy)]

    def send(self, image: Image, copies: int = 3) -> list[int]:
        name_bytes = len(self.names) // 3
        names = self.names[: copies * name_bytes]
        return [self.table.send(image, run, names, copies) for run in image.runs]


@pytest.fixture(params=FAMILIES)
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    with ExitStack() as stack:
        try:
            yield Scene(stack, *FAMILIES[request.param])
        except OSError:
            pytest.skip("this machine has no such addresses")


def received(udp_socket: socket.socket, count: int) -> list[bytes]:
    return [udp_socket.recv(2048) for _ in range(count)]


def test_each_copy_goes_to_its_own_address(scene: Scene) -> None:
    image = scene.load(1000, 1000, 300)
    assert scene.send(image) == [3]
    for copy, receiver in enumerate(scene.receivers):
        assert received(receiver, 3) == scene.datagrams(image, copy)


def test_runs_differ_from_call_to_call(scene: Scene) -> None:
    for sizes in ((200,), (100, 100, 40, 500, 500), (60,) * 24, (1, 2), (200, 200)):
        image = scene.load(*sizes)
        assert set(scene.send(image)) == {3}
        for copy, receiver in enumerate(scene.receivers):
            assert received(receiver, len(sizes)) == scene.datagrams(image, copy)


def test_only_the_first_copies_are_sent(scene: Scene) -> None:
    image = scene.load(100)
    assert scene.send(image, 2) == [2]
    assert scene.send(image, 3) == [3]
    assert received(scene.receivers[0], 2) == scene.datagrams(image, 0) * 2
    assert received(scene.receivers[2], 1) == scene.datagrams(image, 2)
    scene.receivers[2].setblocking(False)
    with pytest.raises(BlockingIOError):
        scene.receivers[2].recv(2048)


def test_it_says_how_far_it_came_when_the_kernel_refuses(scene: Scene) -> None:
    image = scene.load(100, 100)
    nowhere = bytes(len(scene.names) // 3)  # of no family
    third = scene.names[2 * len(nowhere) :]
    first = scene.names[: len(nowhere)]
    (run,) = image.runs
    assert scene.table.send(image, run, first + nowhere + third, 3) == 1
    assert scene.table.send(image, run, nowhere + first + third, 3) == 0
    assert received(scene.receivers[0], 2) == scene.datagrams(image, 0)


def test_what_follows_a_refused_one_can_be_sent_as_well(scene: Scene) -> None:
    image = scene.load(100, 100)
    nowhere = bytes(len(scene.names) // 3)
    names = scene.names[: len(nowhere)] + nowhere + scene.names[2 * len(nowhere) :]
    (run,) = image.runs
    assert scene.table.send(image, run, names, 3) == 1
    assert scene.table.send(image, run, names, 3, first=2) == 1
    assert received(scene.receivers[0], 2) == scene.datagrams(image, 0)
    assert received(scene.receivers[2], 2) == scene.datagrams(image, 2)


def test_other_systems_have_nothing_of_the_kind(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "IS_LINUX", False)
    assert message_table(scene.sender, scene.memory) is None
    assert message_receiver(scene.sender) is None


def test_nor_has_a_c_library_without_the_call(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sidecar.net.linux._c_library", object())
    assert message_table(scene.sender, scene.memory) is None
    assert message_receiver(scene.sender) is None


def test_what_has_arrived_is_taken_in_its_order_with_its_senders(scene: Scene) -> None:
    receiver = MessageReceiver(scene.sender)
    assert receiver.receive() == ()
    expected = []
    for number, source in enumerate([*scene.receivers, *scene.receivers]):
        datagram = bytes([number]) * (number * 200)  # the first one is empty
        source.sendto(datagram, scene.sender.getsockname())
        expected.append((datagram, source.getsockname()))
    assert receiver.receive() == expected
    assert receiver.receive() == ()


def test_no_more_is_taken_at_once_than_there_is_room_for(scene: Scene) -> None:
    receiver = MessageReceiver(scene.sender)
    datagrams = [bytes([number]) for number in range(RECEIVED_AT_ONCE + 3)]
    for datagram in datagrams:
        scene.receivers[0].sendto(datagram, scene.sender.getsockname())
    parts = [receiver.receive() for _ in range(3)]
    assert [len(part) for part in parts] == [RECEIVED_AT_ONCE, 3, 0]
    assert [datagram for part in parts for datagram, _source in part] == datagrams


def test_what_is_too_long_is_cut_off_as_by_the_call_that_every_system_has(scene: Scene) -> None:
    taken = []
    for receiver in (MessageReceiver(scene.sender), DatagramReceiver(scene.sender)):
        scene.receivers[0].sendto(bytes(MAX_RECEIVED_BYTES + 1), scene.sender.getsockname())
        taken.append(list(receiver.receive()))
    assert taken[0] == taken[1]
    assert len(taken[0][0][0]) == MAX_RECEIVED_BYTES


class TwoWays:
    """A media port on all addresses, a table for it, and a peer that asks it somewhere."""

    def __init__(self, stack: ExitStack, host: str, asked: str) -> None:
        self.port = stack.enter_context(closing(open_media_socket(host, 0, 0)))
        self.receiver = MessageReceiver(self.port)
        self.memory = PacketMemory()
        table = message_table(self.port, self.memory)
        assert table is not None
        self.table = table
        family = socket.AF_INET6 if ":" in asked else socket.AF_INET
        self.peer = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
        self.peer.settimeout(5)
        self.peer.bind(("::1" if ":" in asked else "127.0.0.1", 0))
        self.asked = asked, self.port.getsockname()[1]

    def ask(self, datagram: bytes) -> tuple[Address, str]:
        """Have the peer send something, and return where from and to which address it came."""
        self.peer.sendto(datagram, self.asked)
        ((received, address),) = self.receiver.receive()
        assert received == datagram
        return address, self.receiver.local_address(received)

    def answered_from(self, count: int) -> set[str]:
        return {self.peer.recvfrom(2048)[1][0] for _ in range(count)}


@pytest.fixture(
    params=[("", "127.0.0.2"), ("", "127.0.0.1"), ("", "::1"), ("0.0.0.0", "127.0.0.2")]
)
def two_ways(request: pytest.FixtureRequest) -> Iterator[TwoWays]:
    host, asked = request.param
    with ExitStack() as stack:
        try:
            yield TwoWays(stack, host, asked)
        except OSError:
            pytest.skip("this machine has no such address")


def test_it_is_known_which_address_was_asked(two_ways: TwoWays) -> None:
    for number in range(3):
        address, local = two_ways.ask(b"datagram %d" % number)
        assert address[:2] == two_ways.peer.getsockname()[:2]
        assert local == two_ways.asked[0]
    assert two_ways.receiver.local_address(b"another object") == ""


def test_a_table_sends_from_the_address_that_was_asked(two_ways: TwoWays) -> None:
    address, local = two_ways.ask(b"hello")
    names = two_ways.table.names([Path.between(address, local)] * 2)
    source = two_ways.table.source(local)
    for sizes in ((200,), (100, 100, 40), (60,), (200, 200)):
        packets = Packets([bytes(size) for size in sizes])
        (image,) = two_ways.memory.prepare(packets, TAG_BYTES).images
        two_ways.memory.load(image, 2)
        for run in image.runs:
            assert two_ways.table.send(image, run, names, 2, source) == 2
            assert two_ways.answered_from(2 * len(run.sizes)) == {two_ways.asked[0]}


def test_the_source_of_one_pass_is_not_that_of_the_next(two_ways: TwoWays) -> None:
    address, local = two_ways.ask(b"hello")
    names = two_ways.table.names([address])
    (image,) = two_ways.memory.prepare(Packets([bytes(100)]), TAG_BYTES).images
    two_ways.memory.load(image, 1)
    (run,) = image.runs
    for source, expected in (
        (two_ways.table.source(local), two_ways.asked[0]),
        (two_ways.table.source(""), two_ways.peer.getsockname()[0]),
        (two_ways.table.source(local), two_ways.asked[0]),
    ):
        assert two_ways.table.send(image, run, names, 1, source) == 1
        assert two_ways.answered_from(1) == {expected}


@pytest.mark.parametrize("sizes", [(300,), (300, 300, 100)])
def test_one_alone_is_answered_likewise(sizes: tuple[int, ...], two_ways: TwoWays) -> None:
    sender = DatagramSender(two_ways.port)
    path = Path.between(*two_ways.ask(b"hello"))
    sender.send_run([memoryview(bytes(size)) for size in sizes], path)
    assert two_ways.answered_from(len(sizes)) == {two_ways.asked[0]}
    sender.max_segments = 1
    sender.send_run([memoryview(bytes(size)) for size in sizes], path)
    assert two_ways.answered_from(len(sizes)) == {two_ways.asked[0]}
    assert sender.dropped == 0


def test_an_address_that_is_lost_does_not_slow_down_all_others(two_ways: TwoWays) -> None:
    sender = DatagramSender(two_ways.port)
    address, _local = two_ways.ask(b"hello")
    gone = "2001:db8::1" if ":" in address[0] else "192.0.2.77"
    sender.send_run([memoryview(bytes(300))] * 3, Path.between(address, gone))
    assert sender.dropped == 3
    assert sender.max_segments > 1


def test_what_was_not_told_once_is_told_the_next_time(two_ways: TwoWays) -> None:
    two_ways.receiver._control_lengths[:] = memoryview(array("L", [0] * RECEIVED_AT_ONCE))
    assert two_ways.ask(b"hello")[1] == ""
    assert two_ways.ask(b"hello again")[1] == two_ways.asked[0]


def test_systems_with_ancillary_data_tell_it_as_well(two_ways: TwoWays) -> None:
    receiver = AncillaryReceiver(two_ways.port, LINUX)
    for number in range(2):
        two_ways.peer.sendto(b"datagram %d" % number, two_ways.asked)
    received = receiver.receive()
    assert [datagram for datagram, _address in received] == [b"datagram 0", b"datagram 1"]
    for datagram, address in received:
        assert address[:2] == two_ways.peer.getsockname()[:2]
        assert receiver.local_address(datagram) == two_ways.asked[0]
    assert receiver.receive() == []
    assert receiver.local_address(received[0][0]) == ""


def test_without_linux_those_are_used_where_addresses_are_told(
    two_ways: TwoWays, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "IS_LINUX", False)
    assert isinstance(message_receiver(two_ways.port), AncillaryReceiver)
    assert message_receiver(scene.sender) is None


def test_what_the_kernel_loses_of_a_full_buffer_is_counted() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as full:
        full.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        full.bind(("127.0.0.1", 0))
        port = full.getsockname()[1]
        assert overflowed_datagrams(port) == 0
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for _ in range(100):
                sender.sendto(bytes(1000), ("127.0.0.1", port))
        lost = overflowed_datagrams(port)
    assert lost is not None
    assert 50 < lost < 100


def test_elsewhere_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "IS_LINUX", False)
    assert overflowed_datagrams(1) is None
