"""Several datagrams by one system call, over real sockets."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from sidecar.net import platform
from sidecar.net.datagrams import DatagramReceiver
from sidecar.net.limits import MAX_RECEIVED_BYTES, RECEIVED_AT_ONCE
from sidecar.net.linux import MessageReceiver
from sidecar.net.packet_memory import Image, PacketMemory
from sidecar.net.platform import message_receiver, message_table
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
