"""The operating systems' differences; those of Windows with fakes, so that they are tested here."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import os
import signal
import socket
import subprocess
import sys
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from sidecar.net import platform, windows
from sidecar.net.platform import (
    InputKind,
    background_process_flags,
    configure_media_socket,
    connection_capacity,
    event_loop_factory,
    ignore_stop_signals,
    input_kind,
    lock_file,
    on_stop_signal,
    raise_file_limit,
    resident_memory_bytes,
    watched_sockets,
)

POSIX_ONLY = pytest.mark.skipif(platform.IS_WINDOWS, reason="needs a POSIX system")


class FakeLoop:
    """Remembers what it is asked to call."""

    def __init__(self) -> None:
        self.handlers: dict[int, Callable[[], None]] = {}
        self.called: list[Callable[[], None]] = []

    def add_signal_handler(self, number: int, callback: Callable[[], None]) -> None:
        self.handlers[number] = callback

    def call_soon_threadsafe(self, callback: Callable[[], None]) -> None:
        self.called.append(callback)


@pytest.fixture
def udp_socket() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as media_socket:
        yield media_socket


def test_the_loop_watches_sockets_itself() -> None:
    loop = event_loop_factory()
    try:
        assert isinstance(loop, asyncio.SelectorEventLoop)
    finally:
        loop.close()


def test_on_windows_the_loop_and_the_media_keep_time_by_the_performance_counter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """``time.monotonic`` moves in steps of 15.6 ms there before Python 3.13."""
    monkeypatch.setattr(platform, "IS_WINDOWS", True)
    monkeypatch.setattr(time, "perf_counter", lambda: 1234.5)
    loop = event_loop_factory()
    try:
        assert loop.time() == 1234.5
        assert loop._clock_resolution < 0.000_1  # type: ignore[attr-defined]
    finally:
        loop.close()
    assert platform._fine_clock() is time.perf_counter_ns
    monkeypatch.setattr(platform, "IS_WINDOWS", False)
    assert platform._fine_clock() is time.monotonic_ns


@pytest.mark.parametrize(
    ("system", "clock"), [("linux", "CLOCK_BOOTTIME"), ("darwin", "CLOCK_MONOTONIC")]
)
def test_a_clock_runs_on_while_the_computer_sleeps(
    system: str, clock: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    for name in ("CLOCK_BOOTTIME", "CLOCK_MONOTONIC"):
        monkeypatch.setattr(time, name, name, raising=False)
    monkeypatch.setattr(time, "clock_gettime_ns", lambda name: name, raising=False)
    assert cast(Any, platform._clock_that_never_sleeps())() == clock


def test_on_windows_the_performance_counter_runs_on_by_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert platform._clock_that_never_sleeps() is time.perf_counter_ns


def test_the_clocks_move_forward() -> None:
    for clock in (platform.monotonic_ns, platform.elapsed_ns):
        first = clock()
        assert clock() >= first > 0


def test_a_media_socket_does_not_block_and_has_large_buffers(
    udp_socket: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "IS_WINDOWS", False)
    options = (socket.SO_RCVBUF, socket.SO_SNDBUF)
    before = [udp_socket.getsockopt(socket.SOL_SOCKET, option) for option in options]
    configure_media_socket(udp_socket)
    assert not udp_socket.getblocking()
    # The system grants what its own limit allows.
    after = [udp_socket.getsockopt(socket.SOL_SOCKET, option) for option in options]
    assert all(new >= old for old, new in zip(before, after, strict=True))


class MiserlySocket:
    """A socket of a system that grants little."""

    def __init__(self, sizes: dict[int, int], error: OSError | None = None) -> None:
        self.sizes = sizes
        self.error = error

    def setblocking(self, _flag: bool) -> None:
        pass

    def setsockopt(self, _level: int, _option: int, _value: int) -> None:
        if self.error is not None:
            raise self.error

    def getsockopt(self, _level: int, option: int) -> int:
        return self.sizes[option]


@pytest.mark.parametrize(("is_linux", "granted"), [(True, 100_000), (False, 200_000)])
@pytest.mark.parametrize("error", [None, OSError(errno.ENOBUFS, "too much")])
def test_what_the_system_grants_is_told(
    error: OSError | None, is_linux: bool, granted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "IS_WINDOWS", False)
    monkeypatch.setattr(platform, "IS_LINUX", is_linux)
    miserly = MiserlySocket({socket.SO_RCVBUF: 200_000, socket.SO_SNDBUF: 400_000}, error)
    assert configure_media_socket(cast(socket.socket, miserly)) == granted


def test_elsewhere_port_unreachable_needs_no_care(
    udp_socket: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(name: str) -> object:
        raise AssertionError(f"{name} is loaded")

    monkeypatch.setattr(platform, "IS_WINDOWS", False)
    monkeypatch.setattr(ctypes, "WinDLL", load, raising=False)
    configure_media_socket(udp_socket)


def test_windows_is_told_not_to_report_unreachable_ports(
    udp_socket: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[Any, ...]] = []

    class Winsock:
        def WSAIoctl(self, *arguments: Any) -> int:
            calls.append(arguments)
            return 0

    libraries = {"ws2_32": Winsock()}
    monkeypatch.setattr(platform, "IS_WINDOWS", True)
    monkeypatch.setattr(ctypes, "WinDLL", libraries.__getitem__, raising=False)
    configure_media_socket(udp_socket)

    ((handle, code, _input, input_bytes, *_output, overlapped, completion),) = calls
    assert handle.value == udp_socket.fileno()
    assert code.value == 0x9800000C
    assert input_bytes == 4
    assert overlapped is completion is None
    assert not udp_socket.getblocking()


def test_signals_are_the_loops_business(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "IS_WINDOWS", False)
    loop = FakeLoop()
    stop = object()
    on_stop_signal(loop, stop)  # type: ignore[arg-type]
    assert loop.handlers == {signal.SIGINT: stop, signal.SIGTERM: stop}


@pytest.mark.skipif(platform.IS_WINDOWS, reason="signals between processes are not for Windows")
async def test_sigterm_stops() -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    on_stop_signal(loop, stopped.set)
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        await stopped.wait()
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        loop.remove_signal_handler(signal.SIGTERM)


def test_on_windows_ctrl_c_and_ctrl_break_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    handlers: dict[int, Callable[..., None]] = {}
    ctrl_break = 21
    monkeypatch.setattr(platform, "IS_WINDOWS", True)
    monkeypatch.setattr(signal, "SIGBREAK", ctrl_break, raising=False)
    monkeypatch.setattr(signal, "signal", handlers.__setitem__)
    monkeypatch.setattr(windows, "wake_on_signal", lambda _loop: None)
    loop = FakeLoop()
    stop = object()
    on_stop_signal(loop, stop)  # type: ignore[arg-type]

    assert set(handlers) == {signal.SIGINT, ctrl_break}
    for number, handler in handlers.items():
        handler(number, None)
    assert loop.called == [stop, stop]
    assert loop.handlers == {}


class Descriptors:
    """Open descriptors that are closed after the test."""

    def __init__(self) -> None:
        self._open: list[int] = []

    def add(self, *descriptors: int) -> int:
        self._open.extend(descriptors)
        return descriptors[0]

    def close(self) -> None:
        for descriptor in self._open:
            os.close(descriptor)


@pytest.fixture
def descriptors() -> Iterator[Descriptors]:
    descriptors = Descriptors()
    yield descriptors
    descriptors.close()


def test_a_pipe_is_a_pipe(descriptors: Descriptors) -> None:
    assert input_kind(descriptors.add(*os.pipe())) is InputKind.PIPE


def test_nothing_and_files_are_something_else(descriptors: Descriptors) -> None:
    for path in (os.devnull, __file__):
        assert input_kind(descriptors.add(os.open(path, os.O_RDONLY))) is InputKind.OTHER


@POSIX_ONLY
def test_a_socket_counts_as_a_pipe() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert input_kind(ours.fileno()) is InputKind.PIPE


@POSIX_ONLY
def test_a_terminal_is_a_terminal(descriptors: Descriptors) -> None:
    ours, theirs = os.openpty()
    descriptors.add(ours, theirs)
    assert input_kind(theirs) is InputKind.TERMINAL


def test_this_process_needs_memory() -> None:
    occupied = resident_memory_bytes()
    assert occupied is not None
    assert 5_000_000 < occupied < 5_000_000_000


@POSIX_ONLY
def test_without_proc_the_most_that_was_needed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "Path", lambda _path: Path("/nonexistent"))
    occupied = resident_memory_bytes()
    assert occupied is not None
    assert 5_000_000 < occupied < 5_000_000_000


def test_a_file_is_locked_once(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("contents")
    with path.open("r+") as first:
        assert lock_file(first.fileno())
        with path.open("r+") as second:
            assert not lock_file(second.fileno())
            assert second.read() == "contents"
        with path.open("r+") as third:
            assert not lock_file(third.fileno()), "closing the second has unlocked it"
    with path.open("r+") as last:
        assert lock_file(last.fileno())


class Kernel32:
    """Windows, as far as it is needed here."""

    def __init__(self, file_type: int = 0, *, is_console: bool = False) -> None:
        self.file_type = file_type
        self.is_console = is_console
        self.succeeds = True

    def GetFileType(self, handle: ctypes.c_void_p) -> int:
        assert handle.value == 0x5000
        return self.file_type

    def GetConsoleMode(self, handle: ctypes.c_void_p, _mode: object) -> int:
        assert handle.value == 0x5000
        return int(self.is_console)

    def K32GetProcessMemoryInfo(
        self, process: ctypes.c_void_p, counters: Any, size: ctypes.c_uint32
    ) -> int:
        assert process.value == ctypes.c_void_p(-1).value
        assert size.value == counters._obj.cb == ctypes.sizeof(counters._obj)
        counters._obj.WorkingSetSize = 30_000_000
        return int(self.succeeds)


@pytest.fixture
def pretend_windows(monkeypatch: pytest.MonkeyPatch) -> Callable[[Kernel32], None]:
    def pretend(kernel32: Kernel32) -> None:
        msvcrt = types.ModuleType("msvcrt")
        vars(msvcrt)["get_osfhandle"] = {0: 0x5000}.__getitem__
        monkeypatch.setitem(sys.modules, "msvcrt", msvcrt)
        monkeypatch.setattr(platform, "IS_WINDOWS", True)
        monkeypatch.setattr(ctypes, "WinDLL", {"kernel32": kernel32}.__getitem__, raising=False)

    return pretend


@pytest.mark.parametrize(
    ("kernel32", "kind"),
    [
        (Kernel32(file_type=3), InputKind.PIPE),
        (Kernel32(file_type=2, is_console=True), InputKind.TERMINAL),
        (Kernel32(file_type=2), InputKind.OTHER),
        (Kernel32(file_type=1), InputKind.OTHER),
        (Kernel32(file_type=0), InputKind.OTHER),
    ],
    ids=["pipe", "console", "NUL", "file", "unknown"],
)
def test_input_on_windows(
    kernel32: Kernel32, kind: InputKind, pretend_windows: Callable[[Kernel32], None]
) -> None:
    pretend_windows(kernel32)
    assert input_kind(0) is kind


def test_memory_on_windows(pretend_windows: Callable[[Kernel32], None]) -> None:
    kernel32 = Kernel32()
    pretend_windows(kernel32)
    assert resident_memory_bytes() == 30_000_000
    kernel32.succeeds = False
    assert resident_memory_bytes() is None


def test_a_lock_on_windows_is_beyond_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked: list[int] = []

    def locking(descriptor: int, mode: int, size: int) -> None:
        position = os.lseek(descriptor, 0, os.SEEK_CUR)
        assert (mode, size) == (2, 1)
        if position in locked:
            raise PermissionError
        locked.append(position)

    msvcrt = types.ModuleType("msvcrt")
    vars(msvcrt).update(locking=locking, LK_NBLCK=2)
    monkeypatch.setitem(sys.modules, "msvcrt", msvcrt)
    monkeypatch.setattr(platform, "IS_WINDOWS", True)
    with (tmp_path / "file").open("w+b") as file:
        file.write(b"contents")
        file.flush()
        assert lock_file(file.fileno())
        assert not lock_file(file.fileno())
        assert os.lseek(file.fileno(), 0, os.SEEK_CUR) == 0
    assert locked > [len(b"contents")]


@POSIX_ONLY
def test_on_windows_a_signal_ends_the_loops_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "IS_WINDOWS", True)
    monkeypatch.setattr(signal, "SIGBREAK", signal.SIGUSR1, raising=False)
    ends = socket.socketpair()
    monkeypatch.setattr(socket, "socketpair", lambda: ends)
    before = signal.getsignal(signal.SIGINT)
    loop = asyncio.SelectorEventLoop()
    try:
        on_stop_signal(loop, loop.stop)
        loop.call_soon(os.kill, os.getpid(), signal.SIGUSR1)
        loop.run_forever()
        # Python writes a byte there when a signal comes, which wakes the loop up, and is gone then.
        assert signal.set_wakeup_fd(-1) == ends[1].fileno()
        loop.call_soon(loop.stop)
        loop.run_forever()
        with pytest.raises(BlockingIOError):
            ends[0].recv(1)
    finally:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGINT, before)
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)
        loop.close()
        for end in ends:
            end.close()


class SegmentingSocket:
    """A socket of a system that may know how to cut what is sent."""

    def __init__(self, known_option: int | None, error: OSError | None = None) -> None:
        self.known_option = known_option
        self.error = error
        self.size_bytes = 0
        self.datagrams: list[bytes] = []

    def getsockopt(self, level: int, option: int) -> int:
        assert level == socket.IPPROTO_UDP
        if option != self.known_option:
            raise OSError(errno.ENOPROTOOPT, "no such option")
        return 0

    def setsockopt(self, level: int, option: int, value: int) -> None:
        assert (level, option) == (socket.IPPROTO_UDP, self.known_option)
        self.size_bytes = value

    def sendto(self, data: bytes | memoryview, address: tuple[str, int]) -> None:
        if self.error is not None:
            raise self.error
        assert address == ("192.0.2.1", 9)
        step = self.size_bytes or len(data)
        self.datagrams += [bytes(data[i : i + step]) for i in range(0, len(data), step)]


UDP_SEGMENT, UDP_SEND_MSG_SIZE = 103, 2


@pytest.mark.parametrize(
    ("system", "option", "expected"),
    [
        ("IS_LINUX", UDP_SEGMENT, 64),
        ("IS_LINUX", None, 1),
        ("IS_WINDOWS", UDP_SEND_MSG_SIZE, 64),
        ("IS_WINDOWS", None, 1),
        ("macOS", UDP_SEGMENT, 1),
    ],
)
def test_runs_are_sent_where_the_system_can_cut_them(
    system: str, option: int | None, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("IS_LINUX", "IS_WINDOWS"):
        monkeypatch.setattr(platform, name, name == system)
    udp_socket = cast(socket.socket, SegmentingSocket(option))
    assert platform.max_segments(udp_socket) == expected


@pytest.mark.parametrize("pieces", [[b"aaaabbbbcc"], [b"aaaa", b"bbbb", b"cc"]])
def test_windows_cuts_a_run_and_nothing_after_it(
    pieces: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "IS_WINDOWS", True)
    fake = SegmentingSocket(UDP_SEND_MSG_SIZE)
    buffers = [memoryview(piece) for piece in pieces]
    platform.send_segments(cast(socket.socket, fake), buffers, 4, ("192.0.2.1", 9))
    assert fake.datagrams == [b"aaaa", b"bbbb", b"cc"]
    fake.sendto(b"longer than that", ("192.0.2.1", 9))
    assert fake.datagrams[-1] == b"longer than that"


def test_windows_cuts_nothing_after_a_run_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "IS_WINDOWS", True)
    fake = SegmentingSocket(UDP_SEND_MSG_SIZE, OSError(errno.EINVAL, "no"))
    with pytest.raises(OSError, match="no"):
        platform.send_segments(
            cast(socket.socket, fake), [memoryview(b"aaaabb")], 4, ("192.0.2.1", 9)
        )
    assert fake.size_bytes == 0


def test_a_process_can_be_deaf_to_all_that_stops_others(monkeypatch: pytest.MonkeyPatch) -> None:
    ignored: list[int] = []
    monkeypatch.setattr(signal, "SIGBREAK", 21, raising=False)

    def set_handler(number: int, handler: object) -> None:
        assert handler is signal.SIG_IGN
        ignored.append(number)

    monkeypatch.setattr(signal, "signal", set_handler)
    ignore_stop_signals()
    assert ignored == [signal.SIGINT, signal.SIGTERM, 21]


def test_a_process_that_nobody_sees_has_no_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "CREATE_NO_WINDOW", 0x08000000, raising=False)
    assert background_process_flags() == 0x08000000
    monkeypatch.delattr(subprocess, "CREATE_NO_WINDOW")
    assert background_process_flags() == 0


@pytest.mark.parametrize(
    ("open_files", "watched", "workers", "capacity"),
    [
        (None, None, 64, None),
        (None, 512, 64, 480),
        (1024, None, 3, 820),
        (4096, None, 64, 3648),
        (4096, 512, 1, 480),
        (512, None, 3, 308),
        (256, None, 3, 52),
        (64, None, 3, 1),
    ],
)
def test_how_many_connections_there_is_room_for(
    open_files: int | None, watched: int | None, workers: int, capacity: int | None
) -> None:
    assert connection_capacity(open_files, watched, workers=workers, accepting=128) == capacity


def test_windows_waits_for_so_many_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "IS_WINDOWS", True)
    assert (raise_file_limit(), watched_sockets()) == (None, 512)


@POSIX_ONLY
class TestFileLimit:
    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ((256, 100_000), (4096, 100_000)),
            ((256, 1024), (1024, 1024)),
            ((256, -1), (4096, -1)),
            ((10_000, 100_000), (10_000, 100_000)),
            ((4096, 4096), (4096, 4096)),
            ((-1, -1), (-1, -1)),
        ],
    )
    def test_is_raised_as_far_as_may_be(
        self, monkeypatch: pytest.MonkeyPatch, before: tuple[int, int], after: tuple[int, int]
    ) -> None:
        limits = [before]
        resource = types.SimpleNamespace(
            RLIMIT_NOFILE=7,
            RLIM_INFINITY=-1,
            getrlimit=lambda _which: limits[-1],
            setrlimit=lambda _which, limit: limits.append(limit),
        )
        monkeypatch.setitem(sys.modules, "resource", resource)
        assert raise_file_limit() == (None if after[0] == -1 else after[0])
        assert limits[-1] == after

    def test_stays_where_the_system_says_no(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(_which: int, _limit: tuple[int, int]) -> None:
            raise ValueError("not so many")

        resource = types.SimpleNamespace(
            RLIMIT_NOFILE=7,
            RLIM_INFINITY=-1,
            getrlimit=lambda _which: (256, -1),
            setrlimit=refuse,
        )
        monkeypatch.setitem(sys.modules, "resource", resource)
        assert raise_file_limit() == 256
